/** `commit`, `export` and `restart` with the real executable. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, type Store, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

/** A running container that has changed two files. */
function changed(store: Store): void {
  store.importBusybox();
  const script = "echo hi >/file; rm -r /home; touch /ready; exec sleep 1000";
  store.ok([
    ...["run", "-d", "--name", "web", "-e", "COLOUR=red", "-l", "kind=test", "-w", "/tmp"],
    ...["-v", "/data", BUSYBOX, "sh", "-c", `mkdir -p /home; ${script}`],
  ]);
  store.ok(["exec", "web", "sh", "-c", "until [ -e /ready ]; do sleep 0.05; done"]);
}

test(
  "commit makes an image of files and settings of a running container",
  { skip },
  withStore((store) => {
    changed(store);
    const change = 'CMD ["cat","/file"]';
    const id = store.ok(["commit", "-q", "--pause", "-m", "why", "-c", change, "web", "new:1"]);
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.equal(store.ok(["inspect", "--format", "{{.State.Status}}", "web"]), "running");
    assert.equal(store.ok(["run", "--rm", "new:1"]), "hi");
    assert.equal(store.coracle(["run", "--rm", "new:1", "ls", "/home"]).status, 1);
    const [image] = JSON.parse(store.ok(["image", "inspect", "new:1"]));
    assert.equal(image.Id, id);
    assert.equal(image.RootFS.Layers.length, 2);
    assert.deepEqual(image.Config.Labels, { kind: "test" });
    assert.equal(image.Config.WorkingDir, "/tmp");
    assert.ok(image.Config.Env.includes("COLOUR=red"));
    assert.ok(!image.Config.Env.some((line: string) => line.startsWith("container=")));
    assert.equal(image.Config.Volumes, undefined);
    assert.equal(image.Comment, "why");
  }),
);

test(
  "commit can squash, take volumes along, write Docker's form and the id",
  { skip },
  withStore((store) => {
    changed(store);
    const file = join(store.folder, "id");
    const flags = ["--squash", "--include-volumes", "--format", "docker", "--iidfile", file];
    const id = store.ok(["commit", ...flags, "web", "one"]);
    assert.equal(spawnSync("cat", [file], { encoding: "utf8" }).stdout, id);
    const [image] = JSON.parse(store.ok(["image", "inspect", "one"]));
    assert.equal(image.RootFS.Layers.length, 1);
    assert.match(image.ManifestType, /docker/);
    assert.deepEqual(image.Config.Volumes, { "/data": {} });
    assert.equal(store.ok(["run", "--rm", "one", "cat", "/file"]), "hi");
    store.ok(["rm", "-f", "-t", "0", "web"]);
    const archive = join(store.folder, "one.tar");
    store.ok(["save", "-o", archive, "one"]);
    store.ok(["rmi", "one", BUSYBOX]);
    store.ok(["load", "-i", archive]);
    assert.equal(store.ok(["run", "--rm", "one", "cat", "/file"]), "hi");
  }),
);

test(
  "commit refuses what is wrong before it begins",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["create", "--name", "web", BUSYBOX, "true"]);
    const failed = (...args: string[]) => {
      const { status, stderr } = store.coracle(["commit", ...args]);
      assert.equal(status, 125);
      return stderr;
    };
    assert.match(failed("nobody"), /no such container/);
    assert.match(failed("web", "UPPER"), /UPPER/);
    assert.match(failed("-c", "BOGUS=1", "web"), /invalid/);
    assert.match(failed("-f", "tar", "web"), /unrecognized image format/);
    assert.equal(store.ok(["images", "-q"]).split("\n").length, 1);
  }),
);

test(
  "a commit that is killed while it pauses is undone by the next command",
  { skip },
  withStore(async (store) => {
    changed(store);
    store.ok(["exec", "web", "dd", "if=/dev/zero", "of=/big", "bs=1M", "count=300"]);
    const running = store.start(["commit", "--pause", "web", "never"]);
    const state = () => store.ok(["inspect", "--format", "{{.State.Status}}", "web"]);
    for (let i = 0; i < 200 && state() !== "paused"; i++);
    running.child.kill("SIGKILL");
    await running.done;
    store.ok(["rmi", "--force", "nothing"]);
    assert.equal(state(), "running");
    assert.equal(store.coracle(["image", "exists", "never"]).status, 1);
  }),
);

test(
  "export writes every file, of running and of stopped containers",
  { skip },
  withStore((store) => {
    changed(store);
    const names = (bytes: Uint8Array) =>
      spawnSync("tar", ["-t"], { input: bytes, encoding: "utf8" }).stdout.split("\n");
    const found = names(store.coracle(["export", "web"]).bytes);
    assert.ok(found.includes("file") || found.includes("./file"));
    assert.ok(found.includes("bin/busybox") || found.includes("./bin/busybox"));
    assert.ok(!found.some((name) => name.includes("home") || name.includes(".wh.")));
    store.ok(["stop", "-t", "0", "web"]);
    const path = join(store.folder, "all.tar");
    store.ok(["export", "-o", path, "web"]);
    const id = store.ok(["import", path, "again"]);
    assert.match(id, /^sha256:/);
    assert.equal(store.ok(["run", "--rm", "again", "cat", "/file"]), "hi");
    assert.match(store.coracle(["export", "nobody"]).stderr, /no such container/);
  }),
);

test(
  "restart stops and starts, also what --rm would remove",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const pid = (name: string) => store.ok(["inspect", "--format", "{{.State.Pid}}", name]);
    for (const flags of [["--name", "kept"], ["--name", "short", "--rm"]]) {
      const name = flags[1] ?? "";
      store.ok(["run", "-d", ...flags, BUSYBOX, "sleep", "1000"]);
      const before = pid(name);
      assert.equal(store.ok(["restart", "-t", "0", name]), name);
      assert.notEqual(pid(name), before);
      assert.equal(store.ok(["inspect", "--format", "{{.State.Status}}", name]), "running");
    }
    store.ok(["stop", "-t", "0", "--all"]);
    assert.equal(store.ok(["ps", "-a", "--format", "{{.Names}}"]), "kept");
    assert.equal(store.ok(["restart", "--running"]), "");
    assert.equal(store.ok(["restart", "kept"]), "kept");
    store.ok(["pause", "kept"]);
    const { status, stderr } = store.coracle(["restart", "kept"]);
    assert.equal(status, 125);
    assert.match(stderr, /unable to restart a container in a paused or unknown state/);
    store.ok(["unpause", "kept"]);
    assert.match(store.coracle(["restart"]).stderr, /must provide at least one name or id/);
  }),
);
