/** Runs the runtime suite on one driver as tests of its own, in a folder of its own. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import * as archive from "../../../core/archive/kit.ts";
import * as errors from "../../../core/errors.ts";
import * as sys from "../../../core/sys/kit.ts";
import * as terms from "../../../core/terms.ts";
import type { DriverModule, Kit } from "../../../drivers/module.ts";
import { CASES, runCase } from "../../../drivers/runtime/conformance.ts";
import { skipUnless } from "../../skip_reason.ts";

export const kit: Kit = { sys, archive, errors, terms };

/** Reason why this driver cannot run here, printed; false when it can. */
export function skipReason(module: DriverModule<"runtime">): string | false {
  if (process.getuid?.() !== 0) return skipUnless({ root: true });
  const place = { root: "/nonexistent", runroot: "/nonexistent", options: {} };
  const probe = module.probe(place, kit);
  return skipUnless({ other: probe.usable ? false : probe.reason });
}

export function conformanceTests(module: DriverModule<"runtime">): void {
  const skip = skipReason(module);
  for (const each of CASES) {
    test(`${module.name}: ${each.name}`, { skip }, () => {
      const directory = mkdtempSync("/tmp/runtime-");
      try {
        const result = runCase(module, each, { directory, kit });
        assert.notEqual(result.outcome, "failed", result.detail);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
}
