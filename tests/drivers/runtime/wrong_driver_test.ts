/** The runtime suite is worth something: it finds each of these deliberately broken drivers. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { CoracleError } from "../../../core/errors.ts";
import type { DriverModule } from "../../../drivers/module.ts";
import { checkRuntimeDriver } from "../../../drivers/runtime/conformance.ts";
import type { RuntimeDriver } from "../../../drivers/runtime/driver.ts";
import { driver as crun } from "../../../drivers/runtime/crun.ts";
import { driver as runc } from "../../../drivers/runtime/runc.ts";
import { kit, skipReason } from "./run_conformance.ts";

const honest: DriverModule<"runtime"> = skipReason(crun) === false ? crun : runc;

/** An honest driver but for what `break_` replaces, and the case that must notice. */
const BROKEN: readonly {
  readonly what: string;
  readonly only: string;
  readonly break_: (driver: RuntimeDriver) => Partial<RuntimeDriver>;
}[] = [
  {
    what: "pause does nothing",
    only: "a paused container stands still",
    break_: () => ({ pause: () => {} }),
  },
  {
    what: "remove always kills",
    only: "a running container is removed only by force",
    break_: (driver) => ({ remove: (id) => driver.remove(id, { force: true }) }),
  },
  {
    what: "every container is running",
    only: "a container whose process has ended is stopped",
    break_: (driver) => ({ state: (id) => ({ ...driver.state(id), state: "running" }) }),
  },
  {
    what: "kill never says that it could not",
    only: "a stopped container takes no signal",
    break_: () => ({ kill: () => {} }),
  },
  {
    what: "a missing command is just a failure",
    only: "create: a name that is not in the search path is 127",
    break_: () => ({ explain: (said, what) => new CoracleError("failed", what, { why: said }) }),
  },
  {
    what: "limits are ignored in silence",
    only: "memory and pids limits change",
    break_: () => ({ update: () => {} }),
  },
];

for (const { what, only, break_ } of BROKEN) {
  test(`a driver whose ${what} is found out`, { skip: skipReason(honest) }, () => {
    const broken: DriverModule<"runtime"> = {
      ...honest,
      open(place, given) {
        const driver = honest.open(place, given);
        const parts = Object.getOwnPropertyDescriptors(break_(driver));
        return Object.create(driver, parts) as RuntimeDriver;
      },
    };
    const directory = mkdtempSync("/tmp/runtime-");
    try {
      const results = checkRuntimeDriver(broken, { directory, kit, only });
      assert.deepEqual(results.map(({ outcome }) => outcome), ["failed"]);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });
}
