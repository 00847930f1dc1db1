/** `ps` and the small commands around it, on the real executable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, type Store, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

/** One running, one that ended with 3, one that was only made. */
function fill(store: Store): { one: string; two: string; three: string } {
  store.importBusybox();
  const labels = ["--label", "app=web"];
  const one = store.ok(["run", "-d", "--name", "one", ...labels, "-v", "data:/data", BUSYBOX, "sh"]
    .concat("-c", "echo out; sleep 1000; true"));
  assert.equal(store.coracle(["run", "--name", "two", BUSYBOX, "sh", "-c", "exit 3"]).status, 3);
  const three = store.ok(["create", "--name", "three", "--network", "host", BUSYBOX, "echo", "hi"]);
  const two = store.ok(["ps", "-aq", "--no-trunc", "--filter", "name=two"]);
  return { one, two, three };
}

function lines(text: string): string[] {
  return text.split("\n");
}

test(
  "ps shows running containers, with --all every one, in Podman's columns",
  { skip },
  withStore((store) => {
    const { one } = fill(store);
    const short = lines(store.ok(["ps"]));
    assert.equal(short.length, 2);
    assert.match(
      short[0] ?? "",
      /^CONTAINER ID {2}IMAGE {21}COMMAND {15}CREATED +STATUS +PORTS {7}NAMES$/,
    );
    assert.match(
      short[1] ?? "",
      new RegExp(
        `^${one.slice(0, 12)}  ${BUSYBOX}  sh -c echo out; s\\.\\.\\.  .* ago  Up .* ago +one$`,
      ),
    );
    const all = lines(store.ok(["ps", "--all", "--format", "{{.Names}} {{.Status}}"]));
    assert.match(all[0] ?? "", /^one Up .* ago$/);
    assert.match(all[1] ?? "", /^two Exited \(3\) .* ago$/);
    assert.equal(all[2], "three Created");
    assert.equal(lines(store.ok(["ps", "-a", "--noheading"])).length, 3);
    assert.match(
      store.ok(["ps", "-a", "--no-trunc"]),
      new RegExp(`^${one}  .*sleep 1000; true  `, "m"),
    );
    for (const alias of ["ls", "list", "ps"]) {
      assert.equal(store.ok(["container", alias, "-q"]), one.slice(0, 12));
    }
    store.ok(["pause", "one"]);
    assert.equal(
      store.ok(["ps", "-a", "--filter", "name=one", "--format", "{{.State}}"]),
      "Paused",
    );
    assert.equal(store.ok(["ps", "-q"]), "");
    store.ok(["unpause", "one"]);
  }),
);

test(
  "ps chooses, sorts, counts and measures",
  { skip },
  withStore((store) => {
    const { one, three } = fill(store);
    const names = (...words: string[]) =>
      lines(store.ok(["ps", "--format", "{{.Names}}", ...words])).join(" ");
    assert.equal(names("--filter", "status=exited"), "two");
    assert.equal(names("-a", "--filter", "label=app"), "one");
    assert.equal(names("-a", "-f", "name=t", "-f", "exited=3"), "two");
    assert.equal(names("-a", "--filter", "volume=data"), "one");
    assert.equal(names("-a", "--filter", "ancestor=localhost/busybox"), "one two three");
    assert.equal(names("-n", "2"), "two three");
    assert.equal(names("-l"), "three");
    assert.equal(names("-a", "--sort", "names"), "one three two");
    assert.equal(names("-a", "--sort", "status"), "three two one");
    assert.equal(store.ok(["ps", "-ql", "--no-trunc"]), three);
    assert.equal(store.ok(["ps", "-aq", "--filter", `id=${one}`]), one.slice(0, 12));
    store.ok(["exec", "one", "sh", "-c", "printf 123456 >/six"]);
    const size = store.ok(["ps", "--size", "--format", "{{.Size}}"]);
    assert.match(size, /^6B \(virtual [0-9.]+MB\)$/);
    const spaces = lines(store.ok(["ps", "--ns", "-a"]));
    assert.match(spaces[0] ?? "", /^CONTAINER ID {2}NAMES {7}PID .*CGROUPNS .*PIDNS .*UTS$/);
    assert.match(spaces[1] ?? "", /^[0-9a-f]{12} {2}one +[0-9]+( +40265[0-9]+){7}$/);
  }),
);

test(
  "ps --format json has Podman's keys and values",
  { skip },
  withStore((store) => {
    const { one } = fill(store);
    const [first, second] = JSON.parse(store.ok(["ps", "-a", "--format", "json"]));
    assert.equal(first.Id, one);
    assert.deepEqual(first.Names, ["one"]);
    assert.deepEqual(first.Labels, { app: "web" });
    assert.deepEqual(first.Mounts, ["/data"]);
    assert.deepEqual(first.Command, ["sh", "-c", "echo out; sleep 1000; true"]);
    assert.equal(first.State, "running");
    assert.equal(first.Exited, false);
    assert.equal(first.ExitedAt, -62135596800);
    assert.equal(first.Image, BUSYBOX);
    assert.ok(first.Pid > 1 && first.StartedAt >= first.Created);
    assert.equal(second.ExitCode, 3);
    assert.equal(second.Exited, true);
    assert.equal(second.Pid, 0);
    assert.equal(second.Labels, null);
    assert.ok(second.ExitedAt >= second.StartedAt);
    assert.equal(store.ok(["ps", "-a", "--filter", "name=none", "--format", "json"]), "[]");
  }),
);

test(
  "ps refuses what Podman refuses, in its words",
  { skip },
  withStore((store) => {
    fill(store);
    const table: readonly (readonly [readonly string[], string])[] = [
      [["--sort", "foo"], 'invalid argument "foo" for "--sort" flag: "foo" is not a valid value'],
      [["foo"], "takes no arguments"],
      [["--filter", "foo=bar"], "foo is an invalid filter"],
      [["--filter", "foo"], 'invalid filter "foo"'],
      [["--filter", "status=bogus"], "unknown container state: bogus: invalid argument"],
      [["--filter", "since=none"], 'no container with name or ID "none" found: no such container'],
      [["--filter", "until=zzz"], 'failed to parse value as time or duration: "zzz"'],
      [["-l", "-n", "1"], "last and latest are mutually exclusive"],
      [["-q", "-s"], "quiet conflicts with size and namespace"],
      [["--ns", "-s"], "size and namespace options conflict"],
      [["-w", "abc"], 'invalid argument "abc" for "-w, --watch" flag'],
      [["--format", "{{.Foo}}"], "can't evaluate field Foo in type containers.psReporter"],
    ];
    for (const [words, expected] of table) {
      const { status, stderr } = store.coracle(["ps", ...words]);
      assert.equal(status, 125, words.join(" "));
      assert.ok(stderr.startsWith("coracle: ") && stderr.includes(expected), stderr);
    }
  }),
);

test(
  "wait prints how each container ended, and waits for other states",
  { skip },
  withStore(async (store) => {
    fill(store);
    assert.equal(store.ok(["wait", "two"]), "3");
    assert.equal(store.ok(["wait", "two", "two"]), "3\n3");
    assert.equal(store.ok(["wait", "--condition", "running", "one"]), "-1");
    assert.equal(store.ok(["wait", "--condition", "created", "-i", "5", "three"]), "-1");
    assert.equal(store.ok(["wait", "--condition", "exited,running", "two"]), "3");
    const waiting = store.start(["wait", "one", "three"]);
    const removed = store.ok(["run", "-d", "--rm", BUSYBOX, "sh", "-c", "sleep 0.3; exit 7"]);
    assert.equal(store.ok(["wait", removed]), "7");
    store.ok(["kill", "one"]);
    store.ok(["start", "three"]);
    assert.equal((await waiting.done).stdout, "137\n0\n");
    const table: readonly (readonly [readonly string[], string])[] = [
      [["none"], 'no container with name or ID "none" found: no such container'],
      [[], 'requires a name, id, or the "--latest" flag'],
      [["--condition", "foo", "two"], "unknown container state: foo: invalid argument"],
      [["-i", "abc", "two"], 'time: invalid duration "abc"'],
    ];
    for (const [words, expected] of table) {
      const { status, stdout, stderr } = store.coracle(["wait", ...words]);
      assert.deepEqual([status, stdout], [125, ""]);
      assert.ok(stderr.includes(expected), stderr);
    }
  }),
);

test(
  "rename, exists and port do what their names say",
  { skip },
  withStore((store) => {
    const { one } = fill(store);
    store.ok(["rename", "one", "uno"]);
    assert.equal(store.ok(["ps", "--format", "{{.Names}}"]), "uno");
    assert.equal(store.ok(["exec", "uno", "echo", "hi"]), "hi");
    assert.equal(store.coracle(["container", "exists", "uno"]).status, 0);
    assert.equal(store.coracle(["container", "exists", one.slice(0, 6)]).status, 0);
    const missing = store.coracle(["container", "exists", "one"]);
    assert.deepEqual([missing.status, missing.stdout, missing.stderr], [1, "", ""]);
    const taken = store.coracle(["rename", "uno", "two"]);
    assert.equal(taken.status, 125);
    assert.match(taken.stderr, /name two already in use, .*container already exists/);
    assert.match(store.coracle(["rename", "uno", "a/b"]).stderr, /names must match \[a-zA-Z0-9\]/);
    assert.match(store.coracle(["rename", "uno"]).stderr, /accepts 2 arg\(s\), received 1/);
    store.ok(["rename", "uno", "uno"]);
    assert.equal(store.ok(["port", "uno"]), "");
    assert.equal(store.ok(["port", "--all"]), "");
    assert.match(store.coracle(["port", "uno", "abc"]).stderr, /parsing "abc": invalid syntax/);
    assert.match(store.coracle(["port"]).stderr, /you must supply a running container name or id/);
  }),
);

test(
  "top shows the processes of a container, by descriptors or by its own ps",
  { skip },
  withStore((store) => {
    fill(store);
    const [header, first, second] = lines(store.ok(["top", "one"]));
    assert.match(
      header ?? "",
      /^USER {8}PID {9}PPID {8}%CPU {8}ELAPSED +TTY {9}TIME {8}COMMAND$/,
    );
    assert.match(first ?? "", /^root {8}1 {11}0 .* \? .* sh -c echo out; sleep 1000; true$/);
    assert.match(second ?? "", /^root {8}[0-9]+ +1 .* sleep 1000$/);
    assert.match(
      store.ok(["top", "one", "pid,comm", "user"]),
      /^PID +COMMAND +USER\n1 +sh +root\n/,
    );
    assert.match(store.ok(["top", "one", "capeff", "seccomp"]), /CHOWN,DAC_OVERRIDE.* filter/);
    assert.match(store.ok(["top", "one", "-o", "pid,comm"]), /^PID +COMMAND\n +1 sh\n/);
    const stopped = store.coracle(["top", "two"]);
    assert.equal(stopped.status, 125);
    assert.match(stopped.stderr, /top can only be used on running containers/);
  }),
);
