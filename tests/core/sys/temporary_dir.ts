/** What tests of the floor share: a directory of its own for one test, and a second process. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { removeTree } from "../../../core/sys/files.ts";

/** Runs `body` with a new directory, which is removed afterwards whatever happens. */
export function inTemporaryDir(body: (dir: string) => void): void {
  const dir = mkdtempSync(join(tmpdir(), "coracle-sys-"));
  try {
    body(dir);
  } finally {
    removeTree(dir);
  }
}

/** The folder core/sys as text for import lines of scripts. */
export const floor = fileURLToPath(new URL("../../../core/sys/", import.meta.url).href);

/** The command that runs `script`, written into `dir`, in the runtime that runs this test. */
export function scriptCommand(dir: string, script: string): string[] {
  const file = join(dir, "script.ts");
  writeFileSync(file, script);
  return "Bun" in globalThis
    ? [process.execPath, file]
    : [process.execPath, "run", "-A", "--no-check", "--quiet", file];
}
