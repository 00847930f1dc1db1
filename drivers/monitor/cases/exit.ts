/** Conformance cases: how a container ends, and what a failed create leaves. */
import { deepStrictEqual as same, match, ok, strictEqual as equal } from "node:assert/strict";
import { AT_FDCWD, rmdirAt } from "../../../core/sys/at.ts";
import { exists, listNames, readTextOrNull, writeAtomic } from "../../../core/sys/files.ts";
import { mountTable } from "../../../core/sys/mount_table.ts";
import { processStart, sendSignal, waitGone } from "../../../core/sys/process.ts";
import { sleep } from "../../../core/sys/pipe.ts";
import { CoracleError, type ErrorCode } from "../../../core/errors.ts";
import { raw } from "../../../core/terms.ts";
import type { Case, Fixture } from "../conformance.ts";

const KILL = 9;
const FOREVER = "while :; do sleep 1000; done";

export function expectCode(code: ErrorCode, work: () => unknown): CoracleError {
  try {
    work();
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    equal(error.code, code, error.message);
    return error;
  }
  throw new Error(`it should fail with "${code}" and did not`);
}

export const EXIT_CASES: readonly Case[] = [
  {
    name: "the exit file holds the exit status",
    run({ spec, run }) {
      for (const status of [0, 1, 2, 125, 127, 255]) {
        equal(run(spec(`exit ${status}`)), `${status}`);
      }
    },
  },
  {
    name: "a container killed by a signal ends with 128 and its number",
    run({ spec, start, runtime, exitOf }) {
      const one = spec(FOREVER);
      start(one);
      runtime.kill(one.id, KILL);
      equal(exitOf(one), "137");
    },
  },
  {
    name: "a created container waits; it can be killed before it ran",
    run({ spec, create, runtime, exitOf }) {
      const one = spec("echo ran");
      const { pid } = create(one);
      same(runtime.state(one.id), { state: "created", pid });
      runtime.kill(one.id, KILL);
      equal(exitOf(one), "137");
    },
  },
  {
    name: "both pids are told, are in their files, and belong to living processes",
    run({ spec, create }) {
      const one = spec(FOREVER);
      const { pid, monitorPid } = create(one);
      equal(readTextOrNull(`${one.dir}/pidfile`)?.trim(), `${pid}`);
      equal(readTextOrNull(`${one.dir}/conmon.pid`)?.trim(), `${monitorPid}`);
      ok(processStart(pid) !== null && processStart(monitorPid) !== null);
      const stat = readTextOrNull(`/proc/${pid}/stat`) ?? "";
      equal(stat.split(") ")[1]?.split(" ")[1], `${monitorPid}`, "it is the parent");
    },
  },
  {
    name: "the monitor is nobody's child here, in a session of its own, without our files",
    run({ spec, create }) {
      const { monitorPid } = create(spec(FOREVER));
      const fields = (readTextOrNull(`/proc/${monitorPid}/stat`) ?? "").split(") ")[1]?.split(" ");
      ok(fields?.[1] !== `${process.pid}`, "it is our child");
      equal(fields?.[3], `${monitorPid}`, "it leads its session");
      equal(fields?.[4], "0", "it has no terminal");
    },
  },
  {
    name: "the exit command runs once, after the exit file is there, and the monitor ends after it",
    run({ spec, start, exitOf, out }) {
      const one = spec("exit 7");
      const script = `sleep 0.2; cat "$1" >> ${out}/seen; echo " $2" >> ${out}/seen`;
      const exitCommand = ["/bin/sh", "-c", script, "sh", `${one.exits}/${one.id}`, "a b"];
      const { monitorPid } = start({ ...one, exitCommand });
      equal(exitOf(one), "7");
      ok(!exists(`${out}/seen`), "it ran before the exit file was there");
      ok(waitGone(monitorPid, 4_000));
      equal(readTextOrNull(`${out}/seen`), "7 a b\n");
    },
  },
  {
    name: "variables that would give the exit command orders do not reach it",
    run({ spec, run, told, out }) {
      const one = spec("exit 0");
      const environment = {
        ...one.environment,
        KEPT: "yes",
        BUN_OPTIONS: "x",
        BUN_BE_BUN: "1",
        NOTIFY_SOCKET: "/x",
        _OCI_SYNCPIPE: "77",
      };
      const exitCommand = ["/bin/sh", "-c", `env > ${out}/e; mv ${out}/e ${out}/env`];
      run({ ...one, environment, exitCommand });
      const names = told("env").split("\n").map((line) => line.split("=")[0]);
      ok(names.includes("KEPT") && names.includes("PATH"));
      const orders = names.filter((name) => /^(BUN_|NOTIFY_SOCKET)/.test(name ?? ""));
      same(orders, []);
    },
  },
  {
    name: "a command that is not there: no container, no monitor, 127",
    run: (fixture) => failedCreate(fixture, ["no-such-command"], "notcommand", 127),
  },
  {
    name: "a command that cannot be executed: no container, no monitor, 126",
    run(fixture) {
      writeAtomic(`${fixture.out}/plain`, "x", { mode: 0o644 });
      failedCreate(fixture, ["/out/plain"], "notexecutable", 126);
    },
  },
  {
    name: "a broken config.json: no container, no monitor, and the runtime's words",
    run({ spec, create, runtime }) {
      const one = spec("true");
      writeAtomic(`${one.bundle}/config.json`, "{ not json");
      const error = expectCode("failed", () => create(one));
      match(error.message, new RegExp(`: ${runtime.name}: .+: OCI runtime error$`, "s"));
      noMonitor(one.dir);
    },
  },
  {
    name: "an id that the runtime knows is refused, and its container goes on",
    run({ spec, create, runtime }) {
      const one = spec(FOREVER);
      const { pid } = create(one);
      expectCode("exists", () => create(one));
      same(runtime.state(one.id), { state: "created", pid });
    },
  },
  {
    name: "a container can run again under its id; old files are not taken for new ones",
    run({ spec, run, runtime, start, exitOf }) {
      const one = spec("test -e /out/second && exit 2; touch /out/second; exit 1");
      equal(run(one), "1");
      runtime.remove(one.id, { force: true });
      const { monitorPid } = start(one);
      equal(exitOf(one), "2");
      ok(waitGone(monitorPid, 4_000));
    },
  },
  {
    name: "the bundle can be elsewhere than the monitor's directory",
    run({ spec, run, out, log }) {
      const one = spec("echo here; exit 4", { bundle: `${out}/bundle` });
      equal(run(one), "4");
      same(log(one).map(({ text }) => text), ["here"]);
    },
  },
  {
    name: "a timeout ends the container with -1",
    run({ spec, start, exitOf }) {
      const one = spec(FOREVER, { timeout: 1 });
      const { pid } = start(one);
      equal(exitOf(one), "-1");
      ok(waitGone(pid, 4_000));
    },
  },
  {
    name: "the monitor itself goes into the cgroup that is asked for",
    run({ spec, create, runtime }) {
      const cgroup = `/conform-${crypto.randomUUID().slice(0, 12)}`;
      const one = spec(FOREVER, { cgroup });
      const { monitorPid } = create(one);
      const where = readTextOrNull(`/proc/${monitorPid}/cgroup`) ?? "";
      runtime.kill(one.id, KILL);
      ok(waitGone(monitorPid, 4_000));
      removeCgroup(cgroup);
      ok(where.includes(`:${cgroup}\n`), where);
    },
  },
  {
    name: "a dead monitor takes nothing of ours along: the container can be removed",
    run({ spec, start, runtime }) {
      const one = spec(FOREVER);
      const { pid, monitorPid } = start(one);
      sendSignal(monitorPid, KILL);
      ok(waitGone(monitorPid, 4_000));
      sleep(20);
      runtime.remove(one.id, { force: true });
      ok(waitGone(pid, 4_000));
      same(runtime.state(one.id).state, "gone");
    },
  },
];

function removeCgroup(cgroup: string): void {
  for (const { type, target } of mountTable()) {
    const isThere = type.startsWith("cgroup") && exists(`${target}${cgroup}`);
    if (isThere) rmdirAt(AT_FDCWD, raw(`${target}${cgroup}`));
  }
}

function failedCreate(
  { spec, create, runtime }: Fixture,
  command: readonly string[],
  code: ErrorCode,
  status: number,
): void {
  for (const terminal of [false, true]) {
    const one = spec(command, { terminal });
    const error = expectCode(code, () => create(one));
    equal(error.exitStatus, status);
    same(runtime.state(one.id), { state: "gone", pid: 0 });
    ok(!listNames(one.exits).includes(one.id), "there is an exit file");
    noMonitor(one.dir);
  }
}

/** No process names the directory on its command line. */
function noMonitor(dir: string): void {
  for (const name of listNames("/proc")) {
    const command = /^\d+$/.test(name) ? readTextOrNull(`/proc/${name}/cmdline`) : null;
    ok(!command?.includes(dir), `process ${name} is still there: ${command}`);
  }
}
