/**
 * `deno task bench [NAME...] [--quick] [--json]`: installs the peers, builds, and runs the benches
 * in bench/ one after the other, or those named.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { buildExecutable } from "./build.ts";
import { finish, PROJECT, run, say, ToolError } from "./command.ts";
import { ensurePackages } from "./host_packages.ts";
import { prepareHost } from "./prepare_host.ts";

await finish(() => {
  const names = process.argv.slice(2).filter((word) => !word.startsWith("--"));
  const flags = process.argv.slice(2).filter((word) => word.startsWith("--"));
  const benches = readdirSync(join(PROJECT, "bench")).sort()
    .filter((file) => file.endsWith(".ts") && file !== "measure.ts")
    .filter((file) => names.length === 0 || names.includes(file.slice(0, -".ts".length)));
  if (benches.length === 0) {
    throw new ToolError(`cannot measure: no bench named ${names.join(" ")}`);
  }
  ensurePackages("bench");
  prepareHost();
  buildExecutable();
  const failed = benches.filter((file) => {
    say(`\n# ${file}`);
    return run([process.execPath, "run", "-A", `bench/${file}`, ...flags], { show: true })
      .status !== 0;
  });
  if (failed.length > 0) throw new ToolError(`these benches failed: ${failed.join(", ")}`);
});
