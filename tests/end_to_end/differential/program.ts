/**
 * Runs the scenarios with one of the two programs, each scenario in a store of its own, and notes
 * what every line gave.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { busyboxTar } from "../executable.ts";
import { type CommandLine, commandWords, type Scenario } from "./scenario.ts";

/** No line takes this long; what does is killed, which shows as status 137. */
const LINE_TIMEOUT_MS = 30_000;
export const IMAGE = "localhost/busybox:latest";

export interface Program {
  readonly name: "podman" | "coracle";
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
}

/** What one step of a scenario gave. */
export interface Result {
  readonly step: CommandLine;
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the scenario in a folder below `place` that is gone afterwards; names of folders are equal
 * in length for both programs, so that tables have equal widths. */
export async function runScenario(
  program: Program,
  scenario: Scenario,
  place: string,
): Promise<Result[]> {
  const store = ["--root", join(place, "root"), "--runroot", join(place, "run")];
  const folder = join(place, "files");
  mkdirSync(folder, { recursive: true });
  const run = (words: readonly string[], input?: string) =>
    runWords(program, [...store, ...words], { folder, input });
  const values = new Map([["IMAGE", IMAGE], ["FOLDER", folder]]);
  const results: Result[] = [];
  try {
    if (!scenario.bare) {
      const { status, stderr } = await run(["import", busyboxTar(), IMAGE]);
      if (status !== 0) throw new Error(`${program.name} cannot import the image: ${stderr}`);
    }
    for (const step of scenario.steps) {
      if (typeof step === "object" && "write" in step) {
        writeFileSync(join(folder, step.write), step.text);
      } else if (typeof step === "object" && "read" in step) {
        results.push(readResult(step.read, folder));
      } else {
        const line = typeof step === "string" ? { line: step } : step;
        const given = await run(commandWords(line.line, values), line.input);
        if (line.saves !== undefined) values.set(`$${line.saves}`, given.stdout.trim());
        results.push({ step: line, ...given });
      }
    }
  } finally {
    await run(["rm", "--all", "--force", "--time", "0"]);
    await removePlace(place);
  }
  return results;
}

/**
 * Podman mounts its layers' folder on itself, for good, and what cleans up behind its containers
 * does so again while we remove it.
 */
async function removePlace(place: string): Promise<void> {
  for (let round = 0;; round++) {
    for (const path of mountsBelow(place).reverse()) spawnSync("umount", ["--lazy", path]);
    try {
      return rmSync(place, { recursive: true, force: true });
    } catch (error) {
      if (round === 50) throw error;
      await sleep(100);
    }
  }
}

function mountsBelow(folder: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8").split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));
}

function readResult(name: string, folder: string): Result {
  const path = join(folder, name);
  const isThere = existsSync(path);
  return {
    step: { line: `(file ${name})` },
    status: isThere ? 0 : 1,
    stdout: isThere ? readFileSync(path, "utf8") : "",
    stderr: "",
  };
}

function runWords(
  program: Program,
  words: readonly string[],
  options: { folder: string; input: string | undefined },
): Promise<Omit<Result, "step">> {
  const child = spawn(program.path, [...words], {
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    env: { ...process.env, ...program.env },
    cwd: options.folder,
  });
  child.stdin?.on("error", () => {}); // it need not read what it is given
  child.stdin?.end(options.input);
  const timer = setTimeout(() => child.kill("SIGKILL"), LINE_TIMEOUT_MS);
  const texts = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  child.stdout?.on("data", (data: Uint8Array) => texts.stdout.push(data));
  child.stderr?.on("data", (data: Uint8Array) => texts.stderr.push(data));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      resolve({
        status: status ?? 137,
        stdout: Buffer.concat(texts.stdout).toString(),
        stderr: Buffer.concat(texts.stderr).toString(),
      });
    });
  });
}
