/** `run` and what surrounds it, on the real executable with real runtimes. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "runc", "conmon"] });

for (const runtime of ["crun", "runc"]) {
  test(
    `exit statuses of run with ${runtime} are Podman's`,
    { skip },
    withStore((store) => {
      store.importBusybox();
      const run = (...words: string[]) =>
        store.coracle(["--runtime", runtime, "run", "--rm", BUSYBOX, ...words]);
      assert.equal(run("true").status, 0);
      for (const code of [1, 42, 125, 126, 127, 255]) {
        assert.equal(run("sh", "-c", `exit ${code}`).status, code);
      }
      assert.equal(run("sh", "-c", "sh -c 'kill -9 $$'; exit $?").status, 137);
      const missing = run("no-such-command");
      assert.equal(missing.status, 127);
      assert.match(missing.stderr, /^coracle: .*no-such-command/);
      const folder = run("/etc");
      assert.equal(folder.status, 126);
      assert.match(folder.stderr, /^coracle: /);
      assert.equal(store.coracle(["run", "--rm", "localhost/none", "true"]).status, 125);
      assert.equal(store.ok(["ps", "--all", "--quiet"]), "");
    }),
  );
}

test(
  "a container keeps the runtime it was made with",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["--runtime", "runc", "run", "-d", "--name", "a", BUSYBOX, "sleep", "1000"]);
    assert.equal(store.ok(["--runtime", "crun", "exec", "a", "echo", "hi"]), "hi");
    store.ok(["--runtime", "crun", "stop", "-t", "0", "a"]);
    store.ok(["--runtime", "crun", "start", "a"]);
    store.ok(["rm", "-f", "-t", "0", "a"]);
  }),
);

test(
  "standard output, standard error and input are the container's",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const both = store.coracle(["run", "--rm", BUSYBOX, "sh", "-c", "echo out; echo err >&2"]);
    assert.deepEqual([both.stdout, both.stderr, both.status], ["out\n", "err\n", 0]);
    const cat = store.coracle(["run", "--rm", "-i", BUSYBOX, "cat"], { input: "a\nb\n" });
    assert.equal(cat.stdout, "a\nb\n");
    const without = store.coracle(["run", "--rm", BUSYBOX, "cat"], { input: "not for you" });
    assert.deepEqual([without.stdout, without.status], ["", 0]);
    const device = store.coracle(["run", "--rm", BUSYBOX, "sh", "-c", "echo x >/dev/stdout"]);
    assert.deepEqual([device.stdout, device.status], ["x\n", 0]);
  }),
);

test(
  "ten megabytes go through whole, also to a slow reader",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const { stdout } = store.coracle(["run", "--rm", BUSYBOX, "seq", "1", "1000000"]);
    assert.equal(stdout.length, 6_888_896);
    assert.ok(stdout.endsWith("\n1000000\n"));
    const input = "x".repeat(5_000_000);
    const echoed = store.coracle(["run", "--rm", "-i", BUSYBOX, "cat"], { input });
    assert.equal(echoed.stdout.length, input.length);
  }),
);

test(
  "flags of run reach the container",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const sh = (flags: string[], script: string) =>
      store.ok(["run", "--rm", ...flags, BUSYBOX, "sh", "-c", script]);
    assert.equal(sh(["-e", "A=b", "--env", "C=d e"], 'echo "$A $C"'), "b d e");
    writeFileSync(join(store.folder, "env"), "# comment\nX=1\nY=two words\n");
    assert.equal(sh(["--env-file", "env"], 'echo "$X-$Y"'), "1-two words");
    assert.equal(sh(["-w", "/tmp"], "pwd"), "/tmp");
    assert.equal(sh(["--hostname", "boat"], "hostname"), "boat");
    assert.equal(sh(["--user", "1234:4321"], "id -u; id -g"), "1234\n4321");
    assert.equal(sh(["-u", "root:7"], "id -un; id -g"), "root\n7");
    mkdirSync(join(store.folder, "data"));
    writeFileSync(join(store.folder, "data", "file"), "from the host\n");
    assert.equal(sh(["-v", `${store.folder}/data:/data:ro`], "cat /data/file"), "from the host");
    assert.match(
      store.coracle([
        "run",
        "--rm",
        "-v",
        `${store.folder}/data:/data:ro`,
        BUSYBOX,
        "touch",
        "/data/x",
      ])
        .stderr,
      /Read-only file system/,
    );
    sh(["-v", `${store.folder}/data:/data:z`], "echo written > /data/new");
    assert.equal(readFileSync(join(store.folder, "data", "new"), "utf8"), "written\n");
    assert.match(
      sh(["--tmpfs", "/scratch:size=1m"], "mount | grep ' /scratch '"),
      /tmpfs.*size=1024k/,
    );
    assert.equal(
      sh(["--read-only"], "touch /x 2>&1 || true; touch /tmp/x && echo ok").split("\n").at(-1),
      "ok",
    );
    assert.equal(sh(["--network", "none"], "ls /sys/class/net"), "lo");
    assert.equal(sh(["--ulimit", "nofile=100:200"], "ulimit -Sn; ulimit -Hn"), "100\n200");
    assert.equal(sh(["--entrypoint", "echo"], "x").split(" ")[0], "sh");
  }),
);

test(
  "limits are the cgroup's",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const read = (flags: string[], file: string) =>
      store.ok(["run", "--rm", ...flags, BUSYBOX, "cat", `/sys/fs/cgroup/${file}`]);
    if (existsSync("/sys/fs/cgroup/memory")) {
      assert.equal(read(["--memory", "64m"], "memory/memory.limit_in_bytes"), String(64 << 20));
      assert.equal(read(["--pids-limit", "77"], "pids/pids.max"), "77");
      assert.equal(read(["--cpus", "0.5"], "cpu/cpu.cfs_quota_us"), "50000");
    } else {
      assert.equal(read(["--memory", "64m"], "memory.max"), String(64 << 20));
      assert.equal(read(["--pids-limit", "77"], "pids.max"), "77");
      assert.equal(read(["--cpus", "0.5"], "cpu.max"), "50000 100000");
    }
  }),
);

test(
  "capabilities, masked paths and seccomp are as Podman's defaults",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const caps = (...flags: string[]) =>
      store.ok(["run", "--rm", ...flags, BUSYBOX, "grep", "CapEff", "/proc/self/status"]).split(
        "\t",
      )[1];
    assert.equal(caps(), "00000000800405fb");
    assert.equal(caps("--cap-drop", "all"), "0000000000000000");
    assert.equal(caps("--cap-drop", "ALL", "--cap-add", "net_admin"), "0000000000001000");
    assert.notEqual(caps("--privileged"), caps());
    const fields = store.ok(["run", "--rm", BUSYBOX, "grep", "Seccomp:", "/proc/self/status"]);
    assert.match(fields, /2$/);
    const off = ["--security-opt", "seccomp=unconfined"];
    assert.match(
      store.ok(["run", "--rm", ...off, BUSYBOX, "grep", "Seccomp:", "/proc/self/status"]),
      /0$/,
    );
    assert.equal(store.ok(["run", "--rm", BUSYBOX, "sh", "-c", "cat /proc/kcore | wc -c"]), "0");
    assert.equal(
      store.coracle(["run", "--rm", BUSYBOX, "mount", "-t", "tmpfs", "x", "/tmp"]).status,
      1,
    );
  }),
);

test(
  "detached: start, logs, exec, stop, wait, start again, rm",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const id = store.ok([
      "run",
      "-d",
      "--name",
      "web",
      BUSYBOX,
      "sh",
      "-c",
      "echo hello; exec sleep 1000",
    ]);
    assert.match(id, /^[0-9a-f]{64}$/);
    assert.equal(store.ok(["exec", "web", "cat", "/proc/1/comm"]), "sleep");
    assert.equal(store.coracle(["exec", "web", "sh", "-c", "exit 7"]).status, 7);
    assert.equal(store.coracle(["exec", "web", "nope"]).status, 127);
    assert.equal(store.coracle(["exec", "-i", "web", "cat"], { input: "typed" }).stdout, "typed");
    assert.equal(store.ok(["logs", "web"]), "hello");
    assert.equal(store.coracle(["rm", "web"]).status, 2);
    assert.equal(store.ok(["stop", "-t", "1", "web"]), "web");
    assert.equal(store.ok(["wait", "web"]), "137");
    assert.equal(store.ok(["start", "web"]), "web");
    assert.equal(store.ok(["kill", "-s", "KILL", "web"]), "web");
    assert.equal(store.ok(["wait", "web"]), "137");
    assert.equal(store.ok(["rm", "web"]), "web");
    assert.equal(store.coracle(["inspect", "web"]).status, 125);
  }),
);

test(
  "files that say which container it is are written, and not over another's",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const file = (name: string) => join(store.folder, name);
    const flags = [
      "--cidfile",
      "cid",
      "--pidfile",
      "pid",
      "--conmon-pidfile",
      "conmon",
      "--stop-timeout",
      "0",
    ];
    const id = store.ok(["run", "-d", "--name", "x", ...flags, BUSYBOX, "sleep", "100"]);
    assert.equal(readFileSync(file("cid"), "utf8"), id);
    assert.match(
      readFileSync(`/proc/${readFileSync(file("pid"), "utf8")}/cgroup`, "utf8"),
      new RegExp(id),
    );
    assert.match(
      readFileSync(`/proc/${readFileSync(file("conmon"), "utf8")}/comm`, "utf8"),
      /conmon/,
    );
    const again = store.coracle(["run", "--cidfile", "cid", BUSYBOX, "true"]);
    assert.equal(again.status, 125);
    assert.match(again.stderr, /container id file exists/);
    const taken = store.coracle(["create", "--name", "x", BUSYBOX]);
    assert.equal(taken.status, 125);
    assert.match(taken.stderr, /the container name "x" is already in use by/);
    assert.notEqual(
      store.ok(["run", "-d", "--replace", "--name", "x", BUSYBOX, "sleep", "100"]),
      id,
    );
  }),
);

test(
  "a container whose command cannot be run leaves nothing with --rm",
  { skip },
  withStore((store) => {
    store.importBusybox();
    assert.equal(store.coracle(["run", "--rm", "-w", "/nope", BUSYBOX, "true"]).status, 126);
    assert.equal(store.coracle(["run", "--rm", "-u", "nobody-here", BUSYBOX, "true"]).status, 126);
    assert.equal(store.coracle(["run", "--rm", "-v", "/no/such:/x", BUSYBOX, "true"]).status, 125);
    assert.equal(store.ok(["ps", "-aq"]), "");
    assert.equal(store.coracle(["run", "--name", "stays", BUSYBOX, "nope"]).status, 127);
    assert.equal(store.ok(["ps", "-a", "--format", "{{.Names}}"]), "stays");
  }),
);

test(
  "one container joins the namespaces of another",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["run", "-d", "--name", "a", "--hostname", "first", BUSYBOX, "sleep", "100"]);
    const link = (name: string, ...flags: string[]) =>
      store.ok(["run", "--rm", ...flags, BUSYBOX, "readlink", `/proc/self/ns/${name}`]);
    const own = store.ok(["exec", "a", "readlink", "/proc/self/ns/net"]);
    assert.equal(link("net", "--network", "container:a"), own);
    assert.notEqual(link("net"), own);
    const ipc = store.ok(["exec", "a", "readlink", "/proc/self/ns/ipc"]);
    assert.equal(link("ipc", "--ipc", "container:a"), ipc);
    assert.match(store.ok(["run", "--rm", "--pid", "container:a", BUSYBOX, "ps"]), /sleep 100/);
  }),
);

test(
  "pause and unpause, with their errors",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["run", "-d", "--name", "a", BUSYBOX, "sleep", "1000"]);
    store.ok(["pause", "a"]);
    assert.match(store.coracle(["pause", "a"]).stderr, /is already paused/);
    assert.match(store.coracle(["stop", "a"]).stderr, /is in state paused/);
    assert.match(store.ok(["ps", "--filter", "status=paused", "--format", "{{.Names}}"]), /^a$/);
    store.ok(["unpause", "a"]);
    assert.match(store.coracle(["unpause", "a"]).stderr, /is not paused/);
    store.ok(["pause", "a"]);
    store.ok(["rm", "-f", "-t", "0", "a"]);
  }),
);
