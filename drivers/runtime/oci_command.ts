/**
 * What runc and crun share: the OCI runtime command line (runc(8), crun(1)) as a RuntimeDriver. On
 * disk: the program's own state below `<runroot>/state`, one directory per container; for programs
 * that copy themselves before they enter a container (CVE-2019-5736) a directory for the copies.
 */
import { CoracleError, type ErrorCode } from "../../core/errors.ts";
import { env } from "../../core/sys/environment.ts";
import {
  exists,
  listNames,
  lookAtText,
  makeDirs,
  readTextOrNull,
  realPath,
  removeFile,
} from "../../core/sys/files.ts";
import { unmount } from "../../core/sys/mount.ts";
import { mountAt } from "../../core/sys/mount_table.ts";
import { findProgram, run, spawnChild, waitChild } from "../../core/sys/spawn.ts";
import type {
  ResourceUpdate,
  RuntimeAbilities,
  RuntimeDriver,
  RuntimeState,
  RuntimeStatus,
} from "./driver.ts";

/** How one program differs from the others. */
export interface OciCommandSpec {
  readonly name: string;
  /** Absolute path of the program; null when the host does not have it. */
  readonly path: string | null;
  /** Directory of the program's state; made when it is missing. */
  readonly stateRoot: string;
  /** More words before the subcommand, after `--root DIR`. */
  readonly globalArguments?: readonly string[];
  /** Directory for the copies the program makes of itself, and the variable that names it. */
  readonly copies?: { readonly variable: string; readonly directory: string };
  /** File below `<stateRoot>/<id>` that is there as long as the program knows the container. */
  readonly stateFile: string;
  readonly can: RuntimeAbilities;
  readonly explain: ExplainPatterns;
}

/** The program's words for a command that cannot be started. */
export interface ExplainPatterns {
  readonly missing: readonly RegExp[];
  readonly notExecutable: readonly RegExp[];
}

const STATES = ["creating", "created", "running", "paused", "stopped"] as const;

/** A runtime that answers no more must not hang us for ever; a create on a slow disk takes seconds. */
const TIMEOUT_MS = 120_000;

/** The driver for one program. Costs no spawn. Fails with `unsupported` when there is no program. */
export function ociCommand(spec: OciCommandSpec): RuntimeDriver {
  if (spec.path === null) {
    throw new CoracleError("unsupported", `cannot use the runtime "${spec.name}"`, {
      why: "the program was not found",
      hint: `install the package "${spec.name}", or set "path" in [runtime.${spec.name}]`,
    });
  }
  const path: string = spec.path;
  makeDirs(spec.stateRoot, 0o700);
  const { copies } = spec;
  if (copies) makeDirs(copies.directory, 0o700);
  const environment: Record<string, string> = copies ? { [copies.variable]: copies.directory } : {};
  const globalArguments = ["--root", spec.stateRoot, ...spec.globalArguments ?? []];
  let version: string | undefined;

  function call(words: readonly string[], stdin?: string) {
    return run([path, ...globalArguments, ...words], {
      stdin: stdin === undefined ? "ignore" : Buffer.from(stdin),
      env: { ...runtimeEnvironment(), ...environment },
      timeoutMs: TIMEOUT_MS,
    });
  }

  function state(id: string): RuntimeStatus {
    if (!exists(`${spec.stateRoot}/${id}/${spec.stateFile}`)) return { state: "gone", pid: 0 };
    const end = call(["state", id]);
    if (end.status === 0) return readStatus(Buffer.from(end.stdout).toString("utf8"));
    // Removed by another process since the look above.
    if (!exists(`${spec.stateRoot}/${id}/${spec.stateFile}`)) return { state: "gone", pid: 0 };
    throw failure(`ask ${spec.name} for the state of`, id, end.stderr, "failed");
  }

  /** Why a subcommand failed, in our codes: the program's own texts differ too much to trust. */
  function refuse(action: string, id: string, said: string, allowed: readonly RuntimeState[]) {
    const found = state(id).state;
    const code = found === "gone" ? "notfound" : allowed.includes(found) ? "failed" : "state";
    return failure(action, id, code === "failed" ? said : `${said} (it is ${found})`, code);
  }

  function failure(action: string, id: string, said: string, code: ErrorCode): CoracleError {
    return new CoracleError(code, `cannot ${action} container ${JSON.stringify(id)}`, {
      why: `${spec.name}: ${plainWords(said)}`,
    });
  }

  function remove(id: string, options: { readonly force?: boolean } = {}): void {
    if (copies && options.force) sweepCopies(copies.directory);
    const end = call(["delete", ...options.force ? ["--force"] : [], id]);
    if (end.status === 0) return;
    if (state(id).state === "gone") return;
    throw refuse("remove", id, end.stderr, ["stopped"]);
  }

  return {
    name: spec.name,
    path,
    get version() {
      return version ??= programVersion(path) ?? "unknown";
    },
    can: spec.can,
    globalArguments,
    environment,
    explain: (said, what) => explainCreate(spec, plainWords(said), what),

    start(id) {
      const end = call(["start", id]);
      if (end.status !== 0) throw refuse("start", id, end.stderr, ["created"]);
    },

    state,

    kill(id, signal, options = {}) {
      const end = call(["kill", ...options.all ? ["--all"] : [], id, String(signal)]);
      if (end.status !== 0) throw refuse("kill", id, end.stderr, ["created", "running", "paused"]);
    },

    pause(id) {
      const end = call(["pause", id]);
      if (end.status !== 0 && state(id).state !== "paused") {
        throw refuse("pause", id, end.stderr, ["created", "running"]);
      }
    },

    resume(id) {
      const end = call(["resume", id]);
      if (end.status === 0) return;
      const found = state(id).state;
      if (found !== "running" && found !== "created") {
        throw refuse("resume", id, end.stderr, ["paused"]);
      }
    },

    processes(id) {
      const end = call(["ps", "--format", "json", id]);
      const pids = end.status === 0 ? readPids(end.stdout) : [];
      // A stopped container gives null (runc) or a crash of the program (crun 1.8).
      if (pids.length === 0) {
        throw refuse("list the processes of", id, end.stderr, ["created", "running", "paused"]);
      }
      return pids;
    },

    update(id, change: ResourceUpdate) {
      const end = call(["update", "--resources", "-", id], JSON.stringify(change.resources));
      if (end.status !== 0) {
        throw refuse("update", id, end.stderr, ["created", "running", "paused"]);
      }
    },

    remove,

    beginRemoval(id) {
      const child = spawnChild([path, ...globalArguments, "delete", "--force", id], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
        env: { ...runtimeEnvironment(), ...environment },
      });
      return () => {
        // The second time its words are read.
        if (waitChild(child).status !== 0) remove(id, { force: true });
      };
    },
  };
}

/** The program a driver is configured to use: the option `path`, or the name in the search path. */
export function runtimeProgram(
  name: string,
  options: Readonly<Record<string, unknown>>,
): string | null {
  const found = findProgram(typeof options.path === "string" ? options.path : name);
  // The monitor starts it from another directory.
  return found === null || found.startsWith("/") ? found : realPath(found);
}

/** First line of `--version`, or null when the program does not run. */
export function programVersion(path: string): string | null {
  const end = run([path, "--version"], { env: runtimeEnvironment(), timeoutMs: 5_000 });
  if (end.status !== 0) return null;
  return Buffer.from(end.stdout).toString("utf8").split("\n", 1)[0] ?? null;
}

/** Nobody works that long on a copy: what is older is left from a runtime that was killed. */
const COPY_MS = 10_000;

/**
 * Takes away copies of the program (bind mounts on files) that a killed runtime left behind. The age
 * is the directory's: a mounted copy shows the date of the program.
 */
export function sweepCopies(directory: string): void {
  const found = lookAtText(directory);
  if (found === null || Number(found.mtime / 1_000_000n) > Date.now() - COPY_MS) return;
  for (const name of listNames(directory)) {
    const path = `${directory}/${name}`;
    if (mountAt(path) !== null) unmount(path, { detach: true });
    removeFile(path);
  }
}

/**
 * What a runtime needs from the environment and nothing else: a variable meant for us (BUN_OPTIONS)
 * or for a service manager (NOTIFY_SOCKET) would change what it does.
 */
function runtimeEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {
    PATH: env("PATH") ?? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LC_ALL: "C",
  };
  const runtimeDir = env("XDG_RUNTIME_DIR");
  if (runtimeDir) kept.XDG_RUNTIME_DIR = runtimeDir;
  return kept;
}

function readStatus(json: string): RuntimeStatus {
  const found = JSON.parse(json) as { status?: unknown; pid?: unknown };
  const state = STATES.find((s) => s === found.status) ?? "stopped";
  const pid = typeof found.pid === "number" && found.pid > 0 ? found.pid : 0;
  return state === "stopped" || isZombie(pid) ? { state: "stopped", pid: 0 } : { state, pid };
}

/** crun calls a dead process running until its parent has collected it. proc(5), stat, field 3. */
function isZombie(pid: number): boolean {
  const stat = pid === 0 ? null : readTextOrNull(`/proc/${pid}/stat`);
  if (stat === null) return true;
  const letter = stat.charAt(stat.lastIndexOf(")") + 2);
  return letter === "Z" || letter === "X";
}

function readPids(json: Uint8Array): number[] {
  const found: unknown = JSON.parse(Buffer.from(json).toString("utf8"));
  return Array.isArray(found) ? found.filter((pid) => typeof pid === "number") : [];
}

/**
 * The message in what a runtime wrote: plain lines, logrus text (`time=… level=error msg="…"`) or
 * JSON lines (`--log-format json`); of several lines the errors, else all.
 */
export function plainWords(said: string): string {
  const lines = said.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const read = lines.map(readLogLine);
  const errors = read.filter((line) => line.level !== "warning" && line.level !== "debug");
  const words = (errors.length > 0 ? errors : read).map((line) => line.message).join("; ");
  return words === "" ? "ended without a word" : words;
}

function readLogLine(line: string): { level: string; message: string } {
  if (line.startsWith("{")) {
    try {
      const { level, msg } = JSON.parse(line) as { level?: string; msg?: string };
      if (typeof msg === "string") return { level: level ?? "error", message: msg.trim() };
    } catch {
      // A line that only looks like JSON is shown as it is.
    }
  }
  const logrus = /^time="[^"]*" level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S+)/.exec(line);
  if (!logrus) return { level: "error", message: line };
  const [, level = "error", message = line] = logrus;
  return { level, message: message.startsWith('"') ? unquote(message) : message };
}

function unquote(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    return text.slice(1, -1);
  }
}

/**
 * Podman's texts and exit statuses (libpod's words for OCI runtime errors): scripts look for them.
 * Podman gives 126 and 127 for any refused permission or missing file; those which are not about
 * the command keep the code `failed` here and only take the status.
 */
function explainCreate(spec: OciCommandSpec, said: string, what: string): CoracleError {
  const because = (words: string) => ({ why: `${spec.name}: ${said}: ${words}` });
  const isAny = (patterns: readonly RegExp[]) => patterns.some((pattern) => pattern.test(said));
  const denied = "OCI permission denied";
  const missing = "OCI runtime attempted to invoke a command that was not found";
  if (/already exists/i.test(said)) {
    return new CoracleError("exists", what, because("OCI runtime error"));
  }
  if (isAny(spec.explain.notExecutable)) {
    return new CoracleError("notexecutable", what, because(denied));
  }
  if (isAny(spec.explain.missing)) return new CoracleError("notcommand", what, because(missing));
  if (/permission denied|operation not permitted/i.test(said)) {
    return new CoracleError("failed", what, { ...because(denied), exitStatus: 126 });
  }
  if (/no such file or directory/i.test(said)) {
    return new CoracleError("failed", what, { ...because(missing), exitStatus: 127 });
  }
  return new CoracleError("failed", what, because("OCI runtime error"));
}
