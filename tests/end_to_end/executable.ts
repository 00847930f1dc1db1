/**
 * The real executable in a store of its own: how end-to-end tests run coracle, and the check that
 * nothing is left behind (mounts, processes, cgroups) when a test is over.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { buildExecutable, BUN, EXECUTABLE } from "../../tools/build.ts";
import { findProgram, PROJECT } from "../../tools/command.ts";
import { busyboxTar, debianTar } from "../../tools/root_file_system.ts";

export { busyboxTar, debianTar, EXECUTABLE };

/** Small image of `Store.importBusybox`. */
export const BUSYBOX = "localhost/busybox:latest";
/** Real image of `Store.importDebian`. */
export const DEBIAN = "localhost/debian:bookworm";

/** How cli.ts is run: the executable (the usual way), or from source by one of the runtimes. */
export type Way = "compiled" | "deno" | "bun";

export interface RunOptions {
  readonly input?: string | Uint8Array;
  /** Added to the environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Milliseconds, 60,000 when left out; then the process is killed (status 137). */
  readonly timeout?: number;
  readonly way?: Way;
}

export interface Outcome {
  /** Exit status, 128 + n for signal n. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  /** `stdout` as bytes, for archives. */
  readonly bytes: Uint8Array;
}

export interface Running {
  readonly child: ChildProcess;
  readonly done: Promise<Outcome>;
}

/** One private store; made by `withStore`, gone after the test. */
export interface Store {
  /** Folder of this test alone, for its own files. */
  readonly folder: string;
  readonly root: string;
  readonly runroot: string;
  /** Runs coracle to its end; never throws for a status. */
  coracle(args: readonly string[], options?: RunOptions): Outcome;
  /** As `coracle`, but a status other than 0 throws with all it said; gives stdout, trimmed. */
  ok(args: readonly string[], options?: RunOptions): string;
  /** Starts coracle and goes on; for tests that kill it or run many at once. */
  start(args: readonly string[], options?: RunOptions): Running;
  /** Imports the small image as BUSYBOX (about 2 MB, quick). */
  importBusybox(): void;
  /** Imports the Debian image as DEBIAN. */
  importDebian(): void;
  /** What this store has left on the host now: mounts, processes, empty cgroups; one line each. */
  leftovers(): string[];
}

function commandLine(way: Way, args: readonly string[]): [string, string[]] {
  const cli = join(PROJECT, "cli.ts");
  if (way === "bun") return [BUN, [cli, ...args]];
  if (way === "deno") {
    const deno = "Deno" in globalThis ? process.execPath : findProgram("deno");
    return deno === null
      ? ["npx", ["-y", "deno", "run", "-A", cli, ...args]]
      : [deno, ["run", "-A", cli, ...args]];
  }
  return [EXECUTABLE, [...args]];
}

function makeStore(): Store {
  // Resolved, because mountinfo and cmdline show real paths.
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "coracle-e2e-"));
  const root = join(folder, "root");
  const runroot = join(folder, "run");
  const cgroupsBefore = new Set(containerCgroups());
  mkdirSync(root);
  mkdirSync(runroot);

  const environment = (extra: RunOptions["env"] = {}): Record<string, string> => {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("CORACLE_"));
    const all = {
      ...Object.fromEntries(own),
      CORACLE_ROOT: root,
      CORACLE_RUNROOT: runroot,
      ...extra,
    };
    const set = Object.entries(all).filter((pair): pair is [string, string] =>
      pair[1] !== undefined
    );
    return Object.fromEntries(set);
  };

  const coracle = (args: readonly string[], options: RunOptions = {}): Outcome => {
    const [program, words] = commandLine(options.way ?? "compiled", args);
    const piped = options.input === undefined ? null : join(folder, ".input");
    if (piped !== null) writeFileSync(piped, options.input ?? "");
    // Through a shell: Deno's spawnSync hangs when it has to write much input while output comes.
    const [command, rest] = piped === null
      ? [program, words]
      : ["sh", ["-c", 'cat "$0" | "$@"', piped, program, ...words]];
    const end = spawnSync(command, rest, {
      stdio: ["ignore", "pipe", "pipe"],
      env: environment(options.env),
      cwd: options.cwd ?? folder,
      timeout: options.timeout ?? 60_000,
      killSignal: "SIGKILL",
      maxBuffer: 1 << 30,
    });
    if (end.status === null && end.signal === null) throw end.error ?? new Error("no status");
    return outcome(end.status, end.signal, end.stdout, end.stderr.toString());
  };

  const ok = (args: readonly string[], options: RunOptions = {}): string => {
    const { status, stdout, stderr } = coracle(args, options);
    if (status === 0) return stdout.trim();
    throw new Error(`coracle ${args.join(" ")}: exit status ${status}\n${stderr}${stdout}`);
  };

  const start = (args: readonly string[], options: RunOptions = {}): Running => {
    const [program, words] = commandLine(options.way ?? "compiled", args);
    const child = spawn(program, words, {
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
      env: environment(options.env),
      cwd: options.cwd ?? folder,
    });
    child.stdin?.end(options.input);
    return { child, done: collect(child) };
  };

  return {
    folder,
    root,
    runroot,
    coracle,
    ok,
    start,
    importBusybox: () => void ok(["import", busyboxTar(), BUSYBOX]),
    importDebian: () => void ok(["import", debianTar(), DEBIAN]),
    leftovers: () => [
      ...mountsBelow(folder).map((path) => `mount ${path}`),
      ...processesNaming(folder).map(({ pid, command }) => `process ${pid}: ${command}`),
      // A cgroup with processes in it belongs to a test that runs beside this one.
      ...containerCgroups().filter((path) => !cgroupsBefore.has(path) && isEmptyCgroup(path))
        .map((path) => `cgroup ${path}`),
    ],
  };
}

function outcome(
  status: number | null,
  signal: NodeJS.Signals | null,
  stdout: Uint8Array,
  stderr: string,
): Outcome {
  return {
    status: status ?? 128 + (signal === null ? 0 : constants.signals[signal]),
    stdout: Buffer.from(stdout).toString(),
    stderr,
    bytes: stdout,
  };
}

function collect(child: ChildProcess): Promise<Outcome> {
  const stdout: Uint8Array[] = [];
  const stderr: Uint8Array[] = [];
  child.stdout?.on("data", (data: Uint8Array) => stdout.push(data));
  child.stderr?.on("data", (data: Uint8Array) => stderr.push(data));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      resolve(outcome(status, signal, Buffer.concat(stdout), Buffer.concat(stderr).toString()));
    });
  });
}

/**
 * The body of an end-to-end test: `test("…", withStore((store) => { … }))`. Makes a store, runs the
 * body, removes the containers it left, and fails when anything else is left on the host.
 */
export function withStore(body: (store: Store) => void | Promise<void>): () => Promise<void> {
  return async () => {
    buildOnce();
    const store = makeStore();
    let left: string[];
    try {
      await body(store);
      store.ok(["rm", "--all", "--force", "--time", "0"]);
      left = await settle(store);
    } finally {
      sweep(store);
    }
    if (left.length > 0) throw new Error(`left behind:\n  ${left.join("\n  ")}`);
  };
}

let isBuilt = false;
function buildOnce(): void {
  // Under tools/test.ts the executable is fresh already; alone, a test must not run a stale one.
  if (!isBuilt && process.env.CORACLE_TEST_RUNTIME === undefined) buildExecutable();
  isBuilt = true;
}

/** Gives monitors and cleanups, which end on their own time, up to 5 seconds. */
async function settle(store: Store): Promise<string[]> {
  const deadline = performance.now() + 5_000;
  let left = store.leftovers();
  while (left.length > 0 && performance.now() < deadline) {
    await sleep(50);
    left = store.leftovers();
  }
  return left;
}

/** Takes everything of a store off the host, whatever state it is in. */
function sweep(store: Store): void {
  for (let round = 0; round < 10; round++) {
    const found = processesNaming(store.folder);
    for (const { pid } of found) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // it ended by itself
      }
    }
    const mounts = mountsBelow(store.folder);
    for (const path of mounts.reverse()) spawnSync("umount", ["-l", path]);
    if (found.length === 0 && mounts.length === 0) break;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
  // A mount that would not go must never be emptied through its path.
  if (mountsBelow(store.folder).length === 0) {
    rmSync(store.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** Mount points at or below `folder`, parents first. */
function mountsBelow(folder: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8").split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replace(/\\040/g, " "))
    .filter((path) => path === folder || path.startsWith(`${folder}/`));
}

/**
 * Processes that have `folder` in their command or environment, or run in a root below it: coracle,
 * monitors, runtimes, and the processes of containers.
 */
function processesNaming(folder: string): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  // A container's own processes know nothing of the folder; their cgroup has the container's id.
  const containers = join(folder, "root/containers");
  const ids = existsSync(containers) ? readdirSync(containers) : [];
  for (const name of readdirSync("/proc")) {
    const pid = Number(name);
    if (!(pid > 1) || pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim();
      if (command === "") continue; // a zombie or a kernel thread
      const environ = readFileSync(`/proc/${name}/environ`, "utf8");
      const mounts = readFileSync(`/proc/${name}/mountinfo`, "utf8");
      const cgroup = readFileSync(`/proc/${name}/cgroup`, "utf8");
      const isOurs = command.includes(folder) || environ.includes(`=${folder}/`) ||
        ids.some((id) => cgroup.includes(id)) ||
        mounts.split("\n").some((line) => line.includes(folder) && line.split(" ")[4] === "/");
      if (isOurs) found.push({ pid, command: command.slice(0, 120) });
    } catch {
      // it ended while we looked
    }
  }
  return found;
}

const CGROUPS = "/sys/fs/cgroup";

/** Directories of all hierarchies whose name has the 64 digits of a container id. */
function containerCgroups(): string[] {
  const found: string[] = [];
  const visit = (folder: string, depth: number): void => {
    let names: string[];
    try {
      names = readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    } catch {
      return; // removed meanwhile
    }
    for (const name of names) {
      const path = join(folder, name);
      if (/[0-9a-f]{64}/.test(name)) found.push(path);
      if (depth < 6) visit(path, depth + 1);
    }
  };
  if (existsSync(CGROUPS)) visit(CGROUPS, 0);
  return found;
}

function isEmptyCgroup(path: string): boolean {
  try {
    return readFileSync(join(path, "cgroup.procs"), "utf8").trim() === "";
  } catch {
    return false;
  }
}
