/**
 * `deno task build`: compiles cli.ts with everything it imports into dist/coracle, with Bun. Does
 * nothing when the sources, the lock file and the commit are those of the executable there.
 */
import { createHash } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { finish, must, PROJECT, run, say } from "./command.ts";

export const EXECUTABLE: string = join(PROJECT, "dist/coracle");
export const BUN: string = join(PROJECT, "node_modules/.bin/bun");
const STAMP = join(PROJECT, "build/executable.stamp");
const SOURCES = ["cli.ts", "deno.json", "deno.lock", "tools/build.ts", "core", "drivers"];

/** Files below `path` of the project, or the file itself, in name order. */
function filesOf(path: string): string[] {
  if (statSync(join(PROJECT, path)).isFile()) return [path];
  return readdirSync(join(PROJECT, path)).sort().flatMap((name) => filesOf(`${path}/${name}`));
}

function inputsDigest(commit: string): string {
  const hash = createHash("sha256").update(`${commit}\n${PROJECT}\n`);
  for (const file of SOURCES.flatMap(filesOf)) {
    hash.update(`${file}\n`).update(readFileSync(join(PROJECT, file)));
  }
  return hash.digest("hex");
}

/** The commit the sources are at, with "-changed" when they differ from it. */
function sourceCommit(): string {
  const commit = run(["git", "rev-parse", "--short=12", "HEAD"]).stdout.trim();
  if (commit === "") return "unknown";
  const changed = run(["git", "status", "--porcelain", "--", ...SOURCES]).stdout.trim() !== "";
  return changed ? `${commit}-changed` : commit;
}

function currentStamp(digest: string): string {
  const { size, mtimeMs } = statSync(EXECUTABLE);
  return `${digest} ${size} ${mtimeMs}\n`;
}

function isUpToDate(digest: string): boolean {
  try {
    return readFileSync(STAMP, "utf8") === currentStamp(digest);
  } catch {
    return false;
  }
}

/** Makes dist/coracle unless it is up to date; gives its path. */
export function buildExecutable(): string {
  const commit = sourceCommit();
  const digest = inputsDigest(commit);
  if (isUpToDate(digest)) {
    say("build: dist/coracle is up to date");
    return EXECUTABLE;
  }
  mkdirSync(join(PROJECT, "dist"), { recursive: true });
  mkdirSync(join(PROJECT, "build"), { recursive: true });
  // Built beside and renamed: tests that run the old one meanwhile keep it, nobody sees half of it.
  const fresh = join(PROJECT, `dist/.coracle.${process.pid}`);
  const started = performance.now();
  try {
    must([
      BUN,
      "build",
      "cli.ts",
      "--compile",
      "--minify",
      "--bytecode",
      "--format=esm",
      // One file for each lazily loaded part: in a single bundle all of it is read at every start,
      // which alone makes "--version" twice as slow.
      "--splitting",
      // Otherwise the executable obeys .env and bunfig.toml of the folder it is started in.
      "--no-compile-autoload-dotenv",
      "--no-compile-autoload-bunfig",
      "--define",
      `CORACLE_COMMIT=${JSON.stringify(commit)}`,
      "--outfile",
      fresh,
    ]);
    renameSync(fresh, EXECUTABLE);
  } finally {
    rmSync(fresh, { force: true });
  }
  writeFileSync(STAMP, currentStamp(digest));
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  say(`build: dist/coracle made from ${commit} in ${seconds} s`);
  return EXECUTABLE;
}

if (import.meta.main) await finish(() => void buildExecutable());
