/** Runs the conformance cases of layer drivers as tests, on every file system. */
import assert from "node:assert/strict";
import { after, before, suite, test } from "node:test";
import { makeDirs, removeTree } from "../../../core/sys/files.ts";
import { CASES, runCase } from "../../../drivers/layer/conformance.ts";
import type { DriverModule } from "../../../drivers/module.ts";
import { FILE_SYSTEMS } from "./file_systems.ts";

export interface ConformOptions {
  /** Cases that this driver may fail, by name, each with the reason. */
  readonly exceptions?: Readonly<Record<string, string>>;
}

/** Declares one suite per file system. An exception that names no case fails. */
export function conform(module: DriverModule<"layer">, options: ConformOptions = {}): void {
  const exceptions = options.exceptions ?? {};
  test(`the exceptions of ${module.name} name cases`, () => {
    for (const name of Object.keys(exceptions)) {
      assert.ok(CASES.some((each) => each.name === name), name);
    }
  });
  const isRoot = process.getuid?.() === 0;
  for (const system of FILE_SYSTEMS) {
    suite(`${module.name} on ${system.name}`, { skip: isRoot ? false : "needs root" }, () => {
      let directory: string | undefined;
      let missing = "";
      before(() => {
        try {
          const opened = system.open();
          const reason = reasonAgainst(module, opened);
          if (reason === null) directory = opened;
          else missing = `${module.name} on ${system.name}: ${reason}`;
        } catch (error) {
          missing = `no ${system.name} here: ${error}`;
        }
      });
      after(() => system.close());
      for (const each of CASES) {
        test(each.name, { skip: exceptions[each.name] ?? false }, () => {
          // Bun's node:test cannot skip a test that runs; a missing file system is told once.
          if (directory === undefined) return console.log(`skipped: ${missing}`);
          const result = runCase(module, each, { directory, kit: undefined as never });
          assert.notEqual(result.outcome, "failed", result.detail);
        });
      }
    });
  }
}

/** Why this host cannot run the driver on the file system of `directory`; null when it can. */
function reasonAgainst(module: DriverModule<"layer">, directory: string): string | null {
  const place = { root: `${directory}/probe`, runroot: `${directory}/probe-run`, options: {} };
  makeDirs(place.root);
  makeDirs(place.runroot);
  const { usable, reason } = module.probe(place, undefined as never);
  removeTree(place.root);
  removeTree(place.runroot);
  return usable ? null : reason;
}
