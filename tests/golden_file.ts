/**
 * Golden files: text that people read, kept under tests/golden/ and compared byte by byte.
 * `deno task golden` (CORACLE_GOLDEN=write) writes them anew, for review with git diff.
 */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { PROJECT } from "../tools/command.ts";

/** Fails when tests/golden/NAME is not `actual`; whatever differs from run to run is replaced before. */
export function matchesGolden(name: string, actual: string): void {
  const path = join(PROJECT, "tests/golden", name);
  if (process.env.CORACLE_GOLDEN === "write") {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, actual);
  }
  assert.equal(actual, readFileSync(path, "utf8"), `differs from tests/golden/${name}`);
}
