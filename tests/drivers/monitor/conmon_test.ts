/** conmon keeps the contract of monitor drivers, with each runtime of this host. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { CASES, runCase } from "../../../drivers/monitor/conformance.ts";
import { driver } from "../../../drivers/monitor/conmon.ts";
import { driver as crun } from "../../../drivers/runtime/crun.ts";
import { driver as runc } from "../../../drivers/runtime/runc.ts";
import { skipUnless } from "../../skip_reason.ts";
import { kit, skipReason } from "../runtime/run_conformance.ts";

const place = { root: "/nonexistent", runroot: "/nonexistent", options: {} };
const probe = driver.probe(place);
const noMonitor = probe.usable ? false : skipUnless({ other: probe.reason });

for (const runtime of [crun, runc]) {
  const skip = noMonitor || skipReason(runtime);
  for (const each of CASES) {
    test(`conmon with ${runtime.name}: ${each.name}`, { skip }, () => {
      const directory = mkdtempSync("/tmp/monitor-");
      try {
        const result = runCase(driver, each, { directory, kit, runtime });
        assert.equal(result.outcome, "passed", result.detail);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
}
