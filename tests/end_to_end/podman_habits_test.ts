/** Small things that scripts written for Podman rely on. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

test(
  "a container whose namespace another one uses goes only together with it",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const make = (...flags: string[]) => store.ok(["create", ...flags, BUSYBOX, "true"]);
    const first = make("--name", "first");
    const second = make("--name", "second", "--network", "container:first");
    const { status, stderr } = store.coracle(["rm", "first"]);
    assert.equal(status, 125);
    assert.match(stderr, new RegExp(`container ${first} has dependent containers .*: ${second}`));
    assert.deepEqual(store.ok(["rm", "--depend", "first"]).split("\n"), [second, "first"]);
    make("--name", "first");
    make("--name", "second", "--ipc", "container:first");
    store.ok(["rm", "--all"]);
    assert.equal(store.ok(["ps", "--all", "--quiet"]), "");
  }),
);

test(
  "a private IPC namespace is not shared, a shareable one is",
  { skip },
  withStore((store) => {
    store.importBusybox();
    for (const kind of ["private", "shareable"]) {
      store.ok(["run", "-d", "--ipc", kind, "--name", kind, BUSYBOX, "sleep", "1000"]);
    }
    const join = (other: string) =>
      store.coracle(["run", "--rm", "--ipc", `container:${other}`, BUSYBOX, "true"]);
    assert.match(join("private").stderr, /is not allowed: non-shareable IPC/);
    assert.equal(join("shareable").status, 0);
  }),
);

test(
  "published ports are passed over where the network needs none",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const run = (...flags: string[]) =>
      store.coracle(["run", "--rm", "-p", "8080:80", ...flags, BUSYBOX, "true"]);
    const host = run("--network", "host");
    assert.equal(host.status, 0);
    assert.match(host.stderr, /Port mappings have been discarded as one of the Host, Container/);
    const { status, stderr } = run();
    assert.equal(status, 125);
    assert.match(stderr, /cannot use "--publish": there is no bridge network/);
  }),
);

test(
  "update changes limits of a running container until it ends",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const id = store.ok([
      "run",
      "-d",
      "--name",
      "web",
      "--memory",
      "64m",
      BUSYBOX,
      "sleep",
      "1000",
    ]);
    const pids = () => {
      const pid = store.ok(["inspect", "--format", "{{.State.Pid}}", "web"]);
      const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8");
      const [, path = ""] = /^\d+:(?:pids)?:(.*)$/m.exec(groups) ?? [];
      const roots = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
      const file = roots.map((root) => `${root}${path}/pids.max`).find((one) => existsSync(one));
      return file === undefined ? "" : readFileSync(file, "utf8").trim();
    };
    const before = pids();
    assert.equal(store.ok(["update", "--pids-limit", "123", "--memory", "128m", "web"]), id);
    assert.equal(pids(), "123");
    store.ok(["restart", "-t", "0", "web"]);
    assert.equal(pids(), before);
    const fails = (...args: string[]) => store.coracle(["update", ...args]).stderr;
    assert.match(fails("web"), /no limit was given/);
    assert.match(fails("--memory", "lots", "web"), /lots/);
    store.ok(["stop", "-t", "0", "web"]);
    assert.match(fails("--memory", "1g", "web"), /is not running: container state improper/);
  }),
);

test(
  "start takes filters, and all or names",
  { skip },
  withStore((store) => {
    store.importBusybox();
    for (const name of ["a", "b"]) {
      store.ok(["create", "--name", name, "--label", `is=${name}`, BUSYBOX, "true"]);
    }
    assert.equal(store.ok(["start", "--filter", "label=is=a", "a", "b"]), "a");
    const id = store.ok(["inspect", "--format", "{{.Id}}", "b"]);
    assert.equal(store.ok(["start", "--all", "--filter", "label=is=b"]), id);
    const fails = (...args: string[]) => store.coracle(["start", ...args]).stderr;
    assert.match(fails("--filter", "restart-policy=never", "a"), /never invalid restart policy/);
    assert.match(fails("--all", "a"), /either start all containers or the container\(s\) provided/);
  }),
);

test(
  "lists show the names that were asked for, in columns where a table has spaces",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["tag", BUSYBOX, "other/name:1"]);
    const format = ["--format", "{{.Repository}}:{{.Tag}}"];
    assert.equal(store.ok(["images", ...format, "other/name:1"]), "localhost/other/name:1");
    assert.equal(store.ok(["images", ...format, BUSYBOX]), BUSYBOX);
    const table = ["--sort", "repository", "--format", "table {{.Repository}} {{.Tag}} {{.Size}}"];
    const [head = "", first = ""] = store.ok(["images", ...table]).split("\n");
    assert.equal(head.indexOf("TAG"), first.indexOf("latest"));
    assert.equal(store.ok(["info", "--format", "{{.Host.LogDriver}}"]), "k8s-file");
  }),
);

test(
  "the same mount twice is one, and a volume that binds nothing is refused",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const run = (...flags: string[]) => store.coracle(["run", "--rm", ...flags, BUSYBOX, "true"]);
    assert.equal(run("-v", "one:/data", "-v", "one:/data").status, 0);
    assert.match(run("-v", "one:/data", "-v", "two:/data").stderr, /duplicate mount destination/);
    assert.match(run("-v", "one:/data", "--tmpfs", "/data").stderr, /duplicate mount destination/);
    const bind = ["volume", "create", "-o", "type=bind", "-o", "device=/nowhere", "bad"];
    assert.match(store.coracle(bind).stderr, /invalid volume option device .*stat \/nowhere: no/);
    assert.equal(store.coracle(["volume", "exists", "bad"]).status, 1);
  }),
);
