/**
 * `deno task ok`: format, lint, types, then the whole test suite. With `--static` the first three
 * only (the gate runs the README's test command itself).
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { finish, PROJECT, run, say, ToolError } from "./command.ts";

/** Folders and files with TypeScript of ours; those not there yet are left out. */
const SOURCES = ["cli.ts", "core", "drivers", "tests", "bench", "tools", "docs"];

await finish(() => {
  const deno = process.execPath;
  const present = SOURCES.filter((path) => existsSync(join(PROJECT, path)));
  const steps: [string, string[]][] = [
    ["format", [deno, "fmt", "--check", "--quiet"]],
    ["lint", [deno, "lint", "--quiet", ...present]],
    ["types", [deno, "check", "--quiet", ...present]],
  ];
  if (!process.argv.includes("--static")) {
    steps.push(["tests", [deno, "run", "-A", "tools/test.ts"]]);
  }
  for (const [name, command] of steps) {
    const started = performance.now();
    say(`ok: ${name} …`);
    if (run(command, { show: true }).status !== 0) throw new ToolError(`not ok: ${name}`);
    say(`ok: ${name} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  }
});
