/**
 * `deno task conform --driver NAME [--directory DIR] [--only TEXT] [--executable FILE]`: proves a
 * layer driver with the executable alone, a row for each scenario, on every file system that this
 * host can make or in the directory given. What the host cannot run is told with the reason.
 * `deno task conform --table` runs all drivers and writes the table of docs/drivers.md.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { FILE_SYSTEMS, type TestFileSystem } from "../tests/drivers/layer/file_systems.ts";
import { buildExecutable } from "./build.ts";
import { finish, isRoot, say, ToolError } from "./command.ts";

interface Wanted {
  readonly driver: string;
  readonly executable: string;
  readonly only: readonly string[];
}

/** Runs the suite in a directory; false when a promise is broken. */
function conform(wanted: Wanted, name: string, directory: string): boolean {
  const store = ["--root", join(directory, "store"), "--runroot", join(directory, "run")];
  const check = ["drivers", "check", "--kind", "layer", ...wanted.only, wanted.driver];
  say(`\n# ${wanted.driver} on ${name}`);
  // Rows come as they are made: a kernel that does not survive a case has told the ones before.
  const child = spawnSync(wanted.executable, [...store, ...check], {
    stdio: ["ignore", "inherit", "pipe"],
    encoding: "utf8",
  });
  if (child.status === 0 || child.status === 1) return child.status === 0;
  const said = (child.error?.message ?? child.stderr).trim();
  // The probe's own words: this host or file system cannot run it, which breaks no promise.
  const reason = /cannot check the layer driver "[^"]*": ([^\n]*)/.exec(said)?.[1];
  if (reason === undefined) throw new ToolError(`cannot check ${wanted.driver}\n  ${said}`);
  say(`skipped: ${reason}`);
  return true;
}

/** A directory the user chose, as a file system to prove on. */
function placeIn(directory: string): TestFileSystem {
  let own = "";
  return {
    name: directory,
    open: () => own = mkdtempSync(join(directory, "conform-")),
    close: () => rmSync(own, { recursive: true, force: true }),
  };
}

function conformOn(system: TestFileSystem, wanted: Wanted): boolean {
  let directory: string;
  try {
    directory = system.open();
  } catch (error) {
    say(`\n# ${wanted.driver} on ${system.name}\nskipped: no ${system.name} here: ${error}`);
    return true;
  }
  try {
    return conform(wanted, system.name, directory);
  } finally {
    system.close();
  }
}

await finish(async () => {
  const { values } = parseArgs({
    options: {
      table: { type: "boolean" },
      driver: { type: "string" },
      directory: { type: "string" },
      only: { type: "string" },
      executable: { type: "string" },
    },
  });
  if (values.table) {
    if (!isRoot()) throw new ToolError("cannot mount layers: this needs root");
    return (await import("./conform_table.ts")).writeTable();
  }
  if (values.driver === undefined) {
    throw new ToolError(
      "cannot prove a driver without its name\ntry: deno task conform --driver aufs",
    );
  }
  if (!isRoot()) throw new ToolError("cannot mount layers: this needs root");
  const wanted = {
    driver: values.driver,
    executable: values.executable ?? buildExecutable(),
    only: values.only === undefined ? [] : ["--only", values.only],
  };
  const systems = values.directory === undefined ? FILE_SYSTEMS : [placeIn(values.directory)];
  const failed = systems.filter((system) => !conformOn(system, wanted));
  if (failed.length > 0) {
    const names = failed.map(({ name }) => name).join(", ");
    throw new ToolError(`the driver ${wanted.driver} breaks promises on ${names}`);
  }
  process.exitCode = 0;
});
