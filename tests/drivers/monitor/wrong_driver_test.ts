/** The monitor suite is worth something: it finds each of these deliberately broken drivers. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { sleep } from "../../../core/sys/pipe.ts";
import type { DriverModule } from "../../../drivers/module.ts";
import { checkMonitorDriver } from "../../../drivers/monitor/conformance.ts";
import { driver as conmon } from "../../../drivers/monitor/conmon.ts";
import type { MonitorDriver } from "../../../drivers/monitor/driver.ts";
import { driver as crun } from "../../../drivers/runtime/crun.ts";
import { driver as runc } from "../../../drivers/runtime/runc.ts";
import { skipContainers } from "../../core/container/monitored_container.ts";
import { kit, skipReason } from "../runtime/run_conformance.ts";

const runtime = skipReason(crun) === false ? crun : runc;

const BROKEN: readonly {
  readonly what: string;
  readonly only: string;
  readonly break_: (driver: MonitorDriver) => Partial<MonitorDriver>;
}[] = [
  {
    what: "which logs nothing",
    only: "each line has its time",
    break_: (driver) => ({
      create: (spec, using) =>
        driver.create({ ...spec, log: { driver: "none", path: spec.log.path } }, using),
    }),
  },
  {
    what: "which never runs the exit command",
    only: "the exit command runs once",
    break_: (driver) => ({
      create: (spec, using) => driver.create({ ...spec, exitCommand: [] }, using),
    }),
  },
  {
    what: "which runs an attached process before the attacher is there",
    only: "exec: who attaches before the process runs",
    break_: (driver) => ({
      exec(spec, using, attached) {
        const started = driver.exec({ ...spec, attach: false }, using, () => {});
        sleep(50);
        attached();
        return started;
      },
    }),
  },
  {
    what: "which gives one pid for both",
    only: "both pids are told, are in their files",
    break_: (driver) => ({
      create(spec, using) {
        const { pid } = driver.create(spec, using);
        return { pid, monitorPid: pid };
      },
    }),
  },
  {
    what: "which forgets the terminal",
    only: "all three streams are one terminal",
    break_: (driver) => ({
      create: (spec, using) => driver.create({ ...spec, terminal: false }, using),
    }),
  },
];

for (const { what, only, break_ } of BROKEN) {
  test(`a monitor ${what} is found out`, { skip: skipContainers() }, () => {
    const broken: DriverModule<"monitor"> = {
      ...conmon,
      open(place) {
        const driver = conmon.open(place);
        const parts = Object.getOwnPropertyDescriptors(break_(driver));
        return Object.create(driver, parts) as MonitorDriver;
      },
    };
    const directory = mkdtempSync("/tmp/monitor-");
    try {
      const results = checkMonitorDriver(broken, { directory, kit, only, runtime });
      assert.deepEqual(results.map(({ outcome }) => outcome), ["failed"]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
}
