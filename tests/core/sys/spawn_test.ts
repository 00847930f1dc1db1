/** Running programs: descriptors, signals, large data, time limits, what is left behind. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode, ProcessError } from "../../../core/errors.ts";
import { raw } from "../../../core/terms.ts";
import {
  AT_FDCWD,
  close,
  listDir,
  O,
  openAt,
  readAll,
  setInheritable,
} from "../../../core/sys/at.ts";
import { pipe } from "../../../core/sys/pipe.ts";
import { isAlive, processStart, sendSignal, SIGNALS, waitGone } from "../../../core/sys/process.ts";
import {
  findProgram,
  reapChild,
  run,
  runOk,
  spawnChild,
  spawnFree,
  waitChild,
} from "../../../core/sys/spawn.ts";
import { inTemporaryDir } from "./temporary_dir.ts";

const said = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const shell = (script: string, options: Parameters<typeof run>[1] = {}) =>
  run(["sh", "-c", script], options);
const openCount = () => {
  const fd = openAt(AT_FDCWD, raw("/proc/self/fd"), O.RDONLY | O.DIRECTORY);
  const count = listDir(fd).length;
  close(fd);
  return count;
};

test("status, signal, output and error output come back", () => {
  const result = shell("echo out; echo err >&2; exit 7");
  assert.deepEqual([result.status, result.signal, said(result.stdout), result.stderr], [
    7,
    null,
    "out\n",
    "err\n",
  ]);
  const killed = shell("kill -TERM $$");
  assert.deepEqual([killed.status, killed.signal], [null, "SIGTERM"]);
});

test("arguments and environment are passed as they are", () => {
  const argument = "größe 🐳 'quoted' $HOME\n";
  const result = run(["printf", "%s|", argument, "", "-"], { env: { A: "1" } });
  assert.equal(said(result.stdout), `${argument}||-|`);
  assert.equal(said(run(["env"], { env: { A: "ü=1", B: "" } }).stdout), "A=ü=1\nB=\n");
  assert.equal(said(run(["pwd"], { cwd: "/proc" }).stdout), "/proc\n");
  assert.notEqual(process.cwd(), "/proc");
});

test("megabytes go in and out at the same time", () => {
  const input = new Uint8Array(5_000_000).map((_, i) => i % 251);
  const result = run(["cat"], { stdin: input });
  assert.equal(Buffer.compare(result.stdout, input), 0);
  // A child that does not want its input is no error of ours.
  assert.equal(run(["true"], { stdin: input }).status, 0);
});

test("of error output the last 64 KiB are kept", () => {
  const { stderr } = shell("seq 1 200000 >&2");
  assert.equal(stderr.length, 65536);
  assert.ok(stderr.endsWith("199999\n200000\n"));
});

test("descriptors made here are the child's 0 to 5, and no others", () => {
  const [a, b, c] = [pipe(), pipe(), pipe()];
  const leaky = pipe();
  setInheritable(leaky.write, true);
  const result = shell("echo one >&3; echo two >&4; echo three >&5; ls /proc/self/fd", {
    extraFds: [c.write, a.write, b.write],
  });
  // 0-5, and the directory that ls has open.
  assert.equal(said(result.stdout), "0\n1\n2\n3\n4\n5\n6\n");
  for (const end of [a, b, c, leaky]) close(end.write);
  assert.deepEqual([c, a, b].map((end) => said(readAll(end.read))), ["one\n", "two\n", "three\n"]);
  for (const end of [a, b, c, leaky]) close(end.read);
});

test("output goes into a file that we opened, input comes from one", () => {
  inTemporaryDir((dir) => {
    const out = openAt(AT_FDCWD, raw(`${dir}/out`), O.RDWR | O.CREAT, 0o600);
    const input = openAt(AT_FDCWD, raw("/proc/version"), O.RDONLY);
    shell("cat; echo more > /dev/stdout; echo err >&2", { stdin: input, stdout: out, stderr: out });
    close(input);
    close(out);
    assert.match(said(run(["cat", `${dir}/out`]).stdout), /^more\n/);
  });
  assert.equal(said(shell("echo to-pipe > /dev/stdout").stdout), "to-pipe\n");
});

test("a child begins with no signal ignored or blocked", () => {
  const { stdout } = run(["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
  assert.match(said(stdout), /^SigBlk:\t0{16}\nSigIgn:\t0{16}\n$/);
});

test("a program that takes too long is killed", () => {
  const before = performance.now();
  const result = run(["sleep", "30"], { timeoutMs: 60 });
  assert.deepEqual([result.signal, result.timedOut], ["SIGKILL", true]);
  assert.ok(performance.now() - before < 5000);
  assert.equal(run(["true"], { timeoutMs: 5000 }).timedOut, false);
});

test("what a program leaves behind with our pipe open does not keep us", () => {
  const before = performance.now();
  const result = shell("sleep 30 & echo $!");
  assert.ok(performance.now() - before < 5000);
  const pid = Number(said(result.stdout));
  assert.notEqual(processStart(pid), null);
  sendSignal(pid, SIGNALS.KILL!);
});

test("failures name the program and say why", () => {
  assert.throws(() => runOk(["sh", "-c", "echo broken >&2; exit 3"]), (error) => {
    assert.ok(error instanceof ProcessError);
    assert.equal(error.message, 'cannot run "sh": broken (exit status 3)');
    return true;
  });
  assert.throws(() => run(["no-such-program"]), (error) => hasCode(error, "notfound"));
  assert.throws(() => run(["/no/such/program"]), (error) => hasCode(error, "notfound"));
  assert.throws(
    () => run(["true"], { cwd: "/no/such/dir" }),
    (error) => hasCode(error, "notfound"),
  );
  assert.equal(findProgram("no-such-program"), null);
  assert.equal(findProgram("sh")?.startsWith("/"), true);
});

test("no descriptor is left open, whether programs run or not", () => {
  run(["true"]);
  const before = openCount();
  for (let i = 0; i < 20; i++) {
    shell("cat; exit 1", { stdin: new Uint8Array(10), stdout: i % 2 ? "ignore" : "capture" });
    assert.throws(() => run(["/etc/passwd-no"], { stdin: new Uint8Array(1) }));
    assert.throws(() => run(["true"], { cwd: "/no/such/dir", stdin: new Uint8Array(1) }));
  }
  assert.equal(openCount(), before);
});

test("a child is waited for by pid, a free one lives in a session of its own", () => {
  const child = spawnChild(["sh", "-c", "exit 9"]);
  assert.deepEqual(waitChild(child), { status: 9, signal: null });
  const free = spawnFree(["sleep", "30"]);
  const start = processStart(free)!;
  assert.equal(isAlive({ pid: free, start }), true);
  assert.equal(isAlive({ pid: free, start: "1" }), false);
  assert.equal(reapChild(free), null);
  const session = said(run(["cut", "-d", " ", "-f", "6", `/proc/${free}/stat`]).stdout).trim();
  assert.equal(Number(session), free);
  assert.equal(waitGone(free, 20), false);
  assert.equal(sendSignal(free, SIGNALS.TERM!), true);
  assert.equal(waitGone(free, 5000), true);
  assert.equal(isAlive({ pid: free, start }), false); // a zombie is not alive
  assert.deepEqual(waitChild(free), { status: null, signal: "SIGTERM" });
  assert.equal(sendSignal(free, SIGNALS.TERM!), false);
  assert.equal(waitGone(free, 0), true);
});

test("two hundred programs run and are told apart", () => {
  for (let i = 0; i < 200; i++) {
    assert.equal(shell(`exit ${i}`, { stdout: "ignore", stderr: "ignore" }).status, i);
  }
});
