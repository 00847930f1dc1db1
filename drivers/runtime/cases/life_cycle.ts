/** Conformance cases: create, start, signals, pause, processes, remove. */
import { deepStrictEqual as same, ok } from "node:assert/strict";
import { exists } from "../../../core/sys/files.ts";
import { processStart, sendSignal, waitGone } from "../../../core/sys/process.ts";
import { spawnFree } from "../../../core/sys/spawn.ts";
import { sleep } from "../../../core/sys/pipe.ts";
import type { Case } from "../conformance.ts";
import { expectCode } from "./expect_code.ts";

const KILL = 9;
const TERM = 15;
const USR1 = 10;
const FOREVER = "while :; do sleep 1000; done";

export const LIFE_CASES: readonly Case[] = [
  {
    name: "a driver says where its program is and which version it has",
    run({ driver }) {
      ok(driver.path.startsWith("/"), driver.path);
      ok(/\d+\.\d+/.test(driver.version), driver.version);
    },
  },
  {
    name: "a created container has a process that waits, a started one runs it",
    run({ driver, created, told }) {
      const { id, pid } = created(`echo $$ > /out/ran; ${FOREVER}`);
      same(driver.state(id), { state: "created", pid });
      ok(processStart(pid) !== null);
      driver.start(id);
      same(told("ran"), "1");
      same(driver.state(id), { state: "running", pid });
    },
  },
  {
    name: "a container whose process has ended is stopped and has no pid",
    run({ driver, running }) {
      const { id, pid } = running("exit 3");
      ok(waitGone(pid, 10_000));
      same(driver.state(id), { state: "stopped", pid: 0 });
    },
  },
  {
    name: "an id can be created once, and the second try leaves the first container alone",
    run({ driver, created, create, bundle }) {
      const { id, pid } = created(FOREVER);
      expectCode("exists", () => create(id, bundle(id, {})));
      same(driver.state(id), { state: "created", pid });
    },
  },
  {
    name: "only a created container can be started",
    run({ driver, running, newId }) {
      const { id, pid } = running(FOREVER);
      expectCode("state", () => driver.start(id));
      sendSignal(pid, KILL);
      ok(waitGone(pid, 10_000));
      expectCode("state", () => driver.start(id));
      expectCode("notfound", () => driver.start(newId()));
    },
  },
  {
    name: "an unknown id is gone, whatever is asked of it",
    run({ driver, newId }) {
      const id = newId();
      same(driver.state(id), { state: "gone", pid: 0 });
      expectCode("notfound", () => driver.kill(id, TERM));
      expectCode("notfound", () => driver.pause(id));
      expectCode("notfound", () => driver.resume(id));
      expectCode("notfound", () => driver.processes(id));
      driver.remove(id);
      driver.remove(id, { force: true });
    },
  },
  {
    name: "a signal reaches the process by its number, real-time signals too",
    run({ driver, running, told }) {
      const trap = (signal: number, name: string) =>
        `trap 'echo ${name} > /out/${name}' ${signal};`;
      const { id } = running(`${trap(USR1, "usr")} ${trap(40, "rt")} echo > /out/ready;
        while :; do sleep 0.02; done`);
      told("ready");
      driver.kill(id, USR1);
      same(told("usr"), "usr");
      driver.kill(id, 40);
      same(told("rt"), "rt");
    },
  },
  {
    name: "a signal to all reaches every process, a plain one only the first",
    run({ driver, running, told, out }) {
      const child = "sh -c 'trap \"echo > /out/child\" USR1; while :; do sleep 0.02; done'";
      const { id } = running(`trap 'echo > /out/first' USR1; ${child} & sleep 0.1
        echo > /out/ready; while :; do sleep 0.02; done`);
      told("ready");
      driver.kill(id, USR1);
      told("first");
      sleep(60);
      ok(!exists(`${out}/child`), "the child got it too");
      driver.kill(id, USR1, { all: true });
      told("child");
    },
  },
  {
    name: "a stopped container takes no signal",
    run({ driver, running }) {
      const { id, pid } = running("exit 0");
      ok(waitGone(pid, 10_000));
      expectCode("state", () => driver.kill(id, TERM));
    },
  },
  {
    name: "a created container can be killed before it runs",
    run({ driver, created }) {
      const { id, pid } = created(FOREVER);
      driver.kill(id, KILL);
      ok(waitGone(pid, 10_000));
      same(driver.state(id).state, "stopped");
      driver.remove(id);
      same(driver.state(id).state, "gone");
    },
  },
  {
    name: "a paused container stands still until it is resumed; asking twice is quiet",
    needs: ({ can }) => can.pause ? null : "the driver cannot pause",
    run({ driver, running, told, out }) {
      const { id, pid } = running(`n=0; while :; do n=$((n+1)); echo $n > /out/t; mv /out/t /out/n;
        sleep 0.01; done`);
      told("n");
      driver.pause(id);
      same(driver.state(id), { state: "paused", pid });
      const stood = told("n");
      sleep(100);
      same(told("n"), stood, `${out}/n changed while paused`);
      driver.pause(id);
      driver.resume(id);
      driver.resume(id);
      same(driver.state(id), { state: "running", pid });
      for (let i = 0; i < 200 && told("n") === stood; i++) sleep(10);
      ok(told("n") !== stood);
    },
  },
  {
    name: "a stopped container cannot be paused or resumed",
    needs: ({ can }) => can.pause ? null : "the driver cannot pause",
    run({ driver, running }) {
      const { id, pid } = running("exit 0");
      ok(waitGone(pid, 10_000));
      expectCode("state", () => driver.pause(id));
      expectCode("state", () => driver.resume(id));
    },
  },
  {
    name: "a paused container can be removed by force",
    needs: ({ can }) => can.pause ? null : "the driver cannot pause",
    run({ driver, running }) {
      const { id, pid } = running(FOREVER);
      driver.pause(id);
      driver.remove(id, { force: true });
      ok(waitGone(pid, 10_000));
      same(driver.state(id).state, "gone");
    },
  },
  {
    name: "the processes of a container are listed with our pids",
    run({ driver, running, told }) {
      const { id, pid } = running("sleep 1000 & sleep 1000 & echo > /out/ready; wait");
      told("ready");
      const found = driver.processes(id);
      same(found.length, 3);
      ok(found.includes(pid));
      for (const one of found) ok(processStart(one) !== null);
    },
  },
  {
    name: "a stopped container has no processes to list",
    run({ driver, running }) {
      const { id, pid } = running("exit 0");
      ok(waitGone(pid, 10_000));
      expectCode("state", () => driver.processes(id));
    },
  },
  {
    name: "a running container is removed only by force, a stopped one without, and twice is quiet",
    run({ driver, running }) {
      const { id, pid } = running(FOREVER);
      expectCode("state", () => driver.remove(id));
      same(driver.state(id), { state: "running", pid });
      driver.remove(id, { force: true });
      ok(waitGone(pid, 10_000));
      same(driver.state(id).state, "gone");
      driver.remove(id);
      const other = running("exit 0");
      ok(waitGone(other.pid, 10_000));
      driver.remove(other.id);
      same(driver.state(other.id).state, "gone");
    },
  },
  {
    name: "an id can be used again after it was removed",
    run({ driver, created, create, bundle }) {
      const { id } = created(FOREVER);
      driver.remove(id, { force: true });
      const pid = create(id, bundle(id, { command: ["/bin/sh", "-c", FOREVER] }));
      same(driver.state(id), { state: "created", pid });
    },
  },
  {
    name: "another process sees the same containers, another state directory none of them",
    run({ driver, running, open, openElsewhere }) {
      const { id } = running(FOREVER);
      same(open().state(id), driver.state(id));
      same(openElsewhere().state(id).state, "gone");
      openElsewhere().remove(id, { force: true });
      same(driver.state(id).state, "running");
    },
  },
  {
    name: "what a create that was killed left behind is removed by force",
    run({ driver, newId, bundle, createCommand, create, environment }) {
      for (const delay of [1, 3, 6, 10, 20]) {
        const id = newId();
        const dir = bundle(id, { command: ["/bin/sh", "-c", FOREVER] });
        const pid = spawnFree(createCommand(id, dir), { env: environment });
        sleep(delay);
        sendSignal(pid, KILL);
        ok(waitGone(pid, 10_000));
        driver.remove(id, { force: true });
        same(driver.state(id).state, "gone");
        create(id, dir);
        driver.remove(id, { force: true });
      }
    },
  },
];
