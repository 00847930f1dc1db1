/** Identities, names of signals, what a process may set for itself. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { readText } from "../../../core/sys/files.ts";
import * as processes from "../../../core/sys/process.ts";
import { run, waitChild } from "../../../core/sys/spawn.ts";
import { floor, inTemporaryDir, scriptCommand } from "./temporary_dir.ts";
import { spawnChild } from "../../../core/sys/spawn.ts";

test("this process knows itself and this boot", () => {
  assert.match(processes.bootId(), /^[0-9a-f-]{36}$/);
  const self = processes.selfIdentity();
  assert.equal(self.pid, process.pid);
  assert.equal(processes.isAlive(self), true);
  assert.equal(processes.processStart(999_999_999), null);
  assert.equal(processes.waitGone(process.pid, 10), false);
  assert.equal(processes.waitGone(999_999_999, -1), true);
});

test("the start time of a process with a spiteful name is found", () => {
  inTemporaryDir((dir) => {
    const name = ") S 1 2 (x";
    run(["cp", "/bin/sleep", `${dir}/${name}`]);
    const pid = spawnChild([`${dir}/${name}`, "30"]);
    const start = processes.processStart(pid);
    assert.equal(start, readText(`/proc/${pid}/stat`).split(") ").at(-1)!.split(" ")[19]);
    assert.match(start ?? "", /^\d{2,}$/);
    processes.sendSignal(pid, 9);
    waitChild(pid);
  });
});

test("signals have the names and numbers of kill(1)", () => {
  const cases: [string, number | null][] = [
    ["TERM", 15],
    ["sigkill", 9],
    ["SIGWINCH", 28],
    ["1", 1],
    ["64", 64],
    ["RTMIN", 34],
    ["SIGRTMIN+3", 37],
    ["rtmax-1", 63],
    ["CLD", 17],
    ["0", null],
    ["65", null],
    ["RTMAX+1", null],
    ["RTMIN-1", null],
    ["SIG", null],
    ["", null],
    ["constructor", null],
    ["TERM ", 15],
    ["-9", null],
  ];
  for (const [text, number] of cases) assert.equal(processes.signalNumber(text), number, text);
  assert.deepEqual([9, 34, 37].map(processes.signalName), ["SIGKILL", "SIGRTMIN", "SIGRTMIN+3"]);
});

test("a subreaper gets orphans, a session leader has none above, masks and names hold", () => {
  inTemporaryDir((dir) => {
    const command = scriptCommand(
      dir,
      `import * as p from "${floor}process.ts";
      import { run, spawnFree, waitChild } from "${floor}spawn.ts";
      import { readText } from "${floor}files.ts";
      const check = (is: boolean, what: string) => { if (!is) throw new Error(what); };
      p.becomeSubreaper();
      const orphan = Number(new TextDecoder().decode(run(["sh", "-c", "(sleep 0.2; exit 5) & echo $!"]).stdout));
      check(waitChild(orphan).status === 5, "the orphan was not ours");
      p.setProcessName("coracle-test");
      check(readText("/proc/thread-self/comm") === "coracle-test\\n", "name");
      check(p.setUmask(0o27) !== 0o27 && p.setUmask(0o22) === 0o27, "umask");
      p.ignoreSignal(p.SIGNALS.TERM!);
      p.sendSignal(process.pid, p.SIGNALS.TERM!);
      const child = spawnFree(["sh", "-c", "kill -TERM $$; sleep 5"]);
      check(waitChild(child).signal === "SIGTERM", "the child ignores TERM too");`,
    );
    const result = run(command);
    assert.deepEqual([result.status, result.stderr], [0, ""]);
  });
});
