/** `inspect` of containers, images and volumes, on the real executable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

test(
  "inspect tells a container's state, command, mounts and limits with Podman's keys",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const id = store.ok([
      ...["run", "-d", "--name", "web", "--label", "App=1", "-v", "data:/data:ro", "-e", "A=b"],
      ...["--memory", "64m", "--hostname", "inside", BUSYBOX, "sleep", "1000"],
    ]);
    const [web] = JSON.parse(store.ok(["inspect", "web"]));
    assert.equal(web.Id, id);
    assert.equal(web.Name, "web");
    assert.equal(web.Path, "sleep");
    assert.deepEqual(web.Args, ["1000"]);
    assert.equal(web.State.Status, "running");
    assert.ok(web.State.Running && web.State.Pid > 1 && web.State.ConmonPid > 1);
    assert.equal(web.State.FinishedAt, "0001-01-01T00:00:00Z");
    assert.equal(web.ImageName, BUSYBOX);
    assert.equal(web.OCIRuntime, store.ok(["inspect", "-f", "{{.OCIRuntime}}", "web"]));
    assert.equal(web.Config.Hostname, "inside");
    assert.ok(web.Config.Env.includes("A=b"));
    assert.equal(web.HostConfig.Memory, 67108864);
    assert.deepEqual(
      web.Mounts.map((mount: { Name: string; RW: boolean }) => [mount.Name, mount.RW]),
      [
        ["data", false],
      ],
    );
    assert.equal(web.Mounts[0].Source, `${store.root}/volumes/data/_data`);
    assert.equal(web.GraphDriver.Name, "overlay");
    assert.equal("SizeRw" in web, false);
    store.ok(["stop", "-t", "0", "web"]);
    const [ended] = JSON.parse(store.ok(["container", "inspect", "--size", "web"]));
    assert.equal(ended.State.Status, "exited");
    assert.equal(ended.State.ExitCode, 137);
    assert.ok(ended.State.FinishedAt > ended.State.StartedAt);
    assert.ok(ended.SizeRootFs > 1_000_000 && ended.SizeRw < 1_000);
  }),
);

test(
  "inspect --format follows fields, maps and lists as Podman's templates do",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["create", "--name", "a", "--label", "App=1", "-v", "data:/data", BUSYBOX, "true"]);
    store.ok(["create", "--name", "b", BUSYBOX, "true"]);
    const format = (template: string, ...names: string[]) =>
      store.ok(["inspect", "--format", template, ...names]);
    assert.equal(format("{{.Name}} {{.State.Status}}", "a", "b"), "a created\nb created");
    assert.equal(format("{{.ID}}", "a"), format("{{.Id}}", "a"));
    assert.equal(format('{{.Config.Labels.App}} {{index .Config.Labels "App"}}', "a"), "1 1");
    assert.equal(format("{{range .Mounts}}{{.Destination}} {{.Name}}{{end}}", "a"), "/data data");
    assert.equal(format("{{.SizeRw}}", "a"), "<nil>");
    assert.equal(format("{{json .State.Running}}", "a"), "false");
    assert.match(format("{{.Created}}", "a"), /^\d{4}-\d\d-\d\d [0-9:.]+ \+0000 UTC$/);
    assert.equal(store.ok(["inspect", "--latest", "--format", "{{.Name}}"]), "b");
    const wrong = store.coracle(["inspect", "--format", "{{.Foo}}", "a"]);
    assert.equal(wrong.status, 125);
    assert.match(wrong.stderr, /can't evaluate field Foo/);
  }),
);

test(
  "inspect finds containers before images and volumes, and says what is not there",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["create", "--name", "busybox", BUSYBOX, "true"]);
    store.ok(["volume", "create", "data"]);
    const of = (...words: string[]) => JSON.parse(store.ok(["inspect", ...words]))[0];
    assert.equal(of("busybox").Name, "busybox");
    assert.deepEqual(of("--type", "image", "busybox").RepoTags, [BUSYBOX]);
    assert.equal(of("data").Driver, "local");
    assert.equal(of("--type", "volume", "data").Name, "data");
    const table: readonly (readonly [readonly string[], string, string])[] = [
      [["none"], "[]\n", 'inspecting object: no such object: "none"'],
      [["--type", "container", "data"], "[]\n", "no such container data"],
      [["--type", "image", "data"], "[]\n", "data: image not known"],
      [["--type", "volume", "none"], "[]\n", "no such volume none"],
      [["--type", "foo", "data"], "", 'invalid type "foo": must be "image", "container"'],
      [["--format", "{{.Name}}", "data", "none"], "data\n", 'no such object: "none"'],
      [[], "", "no names or ids specified"],
      [["-l", "busybox"], "", "--latest and arguments cannot be used together"],
    ];
    for (const [words, printed, expected] of table) {
      const { status, stdout, stderr } = store.coracle(["inspect", ...words]);
      assert.deepEqual([status, stdout], [125, printed], words.join(" "));
      assert.ok(stderr.includes(expected), stderr);
    }
  }),
);
