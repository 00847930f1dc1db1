/**
 * conmon(8), the monitor of Podman and CRI-O, as monitor driver. On disk: only what the contract
 * names; the socket and the fifos are in the directory that conmon takes for the bundle.
 */
import { CoracleError, isErrno } from "../../core/errors.ts";
import { AT_FDCWD, close, O, openAt, symlinkAt, write } from "../../core/sys/at.ts";
import { readTextOrNull, realPath, removeFile } from "../../core/sys/files.ts";
import { sendSignal, SIGNALS, waitGone } from "../../core/sys/process.ts";
import { findProgram, run } from "../../core/sys/spawn.ts";
import { type Probe, raw } from "../../core/terms.ts";
import type { DriverModule, DriverPlace } from "../module.ts";
import type { RuntimeDriver } from "../runtime/driver.ts";
import type { ExecSpec, MonitorDriver, MonitorSpec, Started } from "./driver.ts";
import {
  closePipes,
  type Message,
  openPipes,
  readMessage,
  startConmon,
  type StartConmonOptions,
} from "./conmon_start.ts";
import { monitorEnvironment } from "./environment.ts";

/** Where distributions put it besides the search path. */
const PLACES = ["conmon", "/usr/libexec/podman/conmon", "/usr/lib/podman/conmon"];

/** `--full-attach`, `--persist-dir` and `--no-sync-log` are all there from this version on. */
const OLDEST = [2, 1, 0] as const;

/** conmon needs about 2 ms to end after a failure, without its exit command. */
const GRACE_MS = 50;

export const driver = {
  api: 1,
  kind: "monitor",
  name: "conmon",
  summary: "the monitor of Podman and CRI-O: about 1 MB beside each container",
  options: {
    path: { type: "string", description: 'program to run instead of "conmon" in the search path' },
  },

  probe(place: DriverPlace): Probe {
    const path = program(place.options);
    if (path === null) {
      return {
        usable: false,
        reason: 'program "conmon" was not found; install the package "conmon"',
      };
    }
    const version = programVersion(path);
    if (version === null) return { usable: false, reason: `"${path} --version" fails` };
    const facts = { path, version };
    if (isOlder(version)) {
      const reason = `${version} is too old; ${OLDEST.join(".")} or newer is needed`;
      return { usable: false, reason, facts };
    }
    return { usable: true, reason: `${version} at ${path}`, facts };
  },

  open(place: DriverPlace): MonitorDriver {
    const path = program(place.options);
    if (path === null) {
      throw new CoracleError("unsupported", 'cannot use the monitor "conmon"', {
        why: "the program was not found",
        hint: 'install the package "conmon", or set "path" in [monitor.conmon]',
      });
    }
    let version: string | undefined;
    return {
      name: "conmon",
      path,
      get version() {
        return version ??= programVersion(path) ?? "unknown";
      },
      create: (spec, runtime) => create(path, spec, runtime),
      exec: (spec, runtime, attached) => exec(path, spec, runtime, attached),
      resize: (dir, { rows, columns }) => control(dir, `1 ${rows} ${columns}\n`),
      reopenLog: (dir) => control(dir, "2 0 0\n"),
    };
  },
} satisfies DriverModule<"monitor">;

function create(path: string, spec: MonitorSpec, runtime: RuntimeDriver): Started {
  const what = `cannot create container ${JSON.stringify(spec.name || spec.id)}`;
  // Asked first because a failed create below ends with the removal of whatever has this id.
  if (runtime.state(spec.id).state !== "gone") {
    throw new CoracleError("exists", what, { why: `${runtime.name} has a container with its id` });
  }
  clearOldFiles(spec.dir);
  removeFile(`${spec.exits}/${spec.id}`);
  removeFile(spec.runtimeLog);
  if (spec.bundle !== spec.dir) linkBundle(spec);
  const words = [
    ...sharedWords(spec, runtime, spec.id),
    ...["--exit-dir", spec.exits],
    ...["--log-path", spec.log.driver === "none" ? "none" : `k8s-file:${logPath(spec, what)}`],
    ...spec.log.maxBytes ? ["--log-size-max", String(spec.log.maxBytes)] : [],
    // With a terminal conmon would close it for good when an attacher leaves, if it had "-i" too.
    ...spec.terminal ? ["--terminal"] : spec.stdin ? ["--stdin"] : [],
    ...spec.timeout ? ["--timeout", String(spec.timeout)] : [],
  ];
  const pipes = openPipes({ start: spec.cgroup !== undefined });
  try {
    startConmon([path, ...words], pipes, startOptions(spec, runtime, what));
    const message = readMessage(pipes.sync.read, what);
    if (message !== null && message.data > 0) return started(spec.dir, message.data);
    endMonitor(spec.dir, GRACE_MS);
    runtime.remove(spec.id, { force: true });
    throw runtime.explain(whatWasSaid(spec.runtimeLog, message), what);
  } finally {
    closePipes(pipes);
  }
}

function exec(
  path: string,
  spec: ExecSpec,
  runtime: RuntimeDriver,
  attached: () => void,
): Started {
  const what = `cannot exec in container ${JSON.stringify(spec.name || spec.id)}`;
  clearOldFiles(spec.dir);
  removeFile(spec.runtimeLog);
  const words = [
    ...sharedWords(spec, runtime, spec.session),
    ...["--exec", "--exec-process-spec", spec.processFile, "--log-path", "none"],
    ...spec.attach ? ["--exec-attach"] : [],
    ...spec.terminal ? ["--terminal"] : [],
    ...spec.stdin ? ["--stdin"] : [],
  ];
  const pipes = openPipes({ start: spec.attach, attach: spec.attach });
  try {
    startConmon([path, ...words], pipes, startOptions(spec, runtime, what));
    if (pipes.attach && pipes.start && readMessage(pipes.attach.read, what) !== null) {
      attached();
      write(pipes.start.write, Uint8Array.of(0));
    }
    const message = readMessage(pipes.sync.read, what);
    if (message !== null && message.data > 0) return started(spec.dir, message.data);
    endMonitor(spec.dir, GRACE_MS);
    throw runtime.explain(whatWasSaid(spec.runtimeLog, message), what);
  } catch (error) {
    endMonitor(spec.dir, 0);
    throw error;
  } finally {
    closePipes(pipes);
  }
}

function startOptions(
  spec: MonitorSpec | ExecSpec,
  runtime: RuntimeDriver,
  what: string,
): StartConmonOptions {
  return {
    directory: spec.dir,
    environment: { ...monitorEnvironment(spec.environment), ...runtime.environment },
    preserveFds: spec.preserveFds ?? 0,
    cgroup: "cgroup" in spec ? spec.cgroup : undefined,
    what,
  };
}

/** What create and exec have in common. `unit` is the container's id or the session's. */
function sharedWords(spec: MonitorSpec | ExecSpec, runtime: RuntimeDriver, unit: string): string[] {
  const [exitProgram, ...exitArguments] = spec.exitCommand;
  const runtimeWords = [
    ...runtime.globalArguments,
    ...["--log", runtimeLog(spec), "--log-format", "json"],
  ];
  const preserved = spec.preserveFds ? ["--preserve-fds", String(spec.preserveFds)] : [];
  return [
    ...["--api-version", "1", "--cid", spec.id, "--cuuid", unit, "--name", spec.name],
    ...["--runtime", runtime.path, ...runtimeWords.map((word) => `--runtime-arg=${word}`)],
    ...["--bundle", spec.dir, "--full-attach", "--persist-dir", spec.dir],
    ...["--container-pidfile", `${spec.dir}/pidfile`],
    ...["--conmon-pidfile", `${spec.dir}/conmon.pid`],
    // Without it conmon waits for the disk at the end of every container.
    "--no-sync-log",
    ...preserved.map((word) => `--runtime-opt=${word}`),
    ...spec.leaveStdinOpen ? ["--leave-stdin-open"] : [],
    ...exitProgram === undefined ? [] : ["--exit-command", exitProgram],
    ...exitArguments.map((word) => `--exit-command-arg=${word}`),
  ];
}

/**
 * conmon cuts a log path at its first colon; a directory that has one in its path is named by a link
 * in the directory conmon runs in.
 */
function logPath(spec: MonitorSpec, what: string): string {
  const { path } = spec.log;
  if (!path.includes(":")) return path;
  const slash = path.lastIndexOf("/");
  const name = path.slice(slash + 1);
  if (name.includes(":")) {
    throw new CoracleError("unsupported", what, {
      why: `conmon cannot write a log whose name has a colon: ${JSON.stringify(name)}`,
    });
  }
  removeFile(`${spec.dir}/logs`);
  symlinkAt(raw(path.slice(0, slash)), AT_FDCWD, raw(`${spec.dir}/logs`));
  return `logs/${name}`;
}

/** crun takes what is before a colon for the kind of log; the runtime runs where conmon does. */
function runtimeLog({ dir, runtimeLog: path }: MonitorSpec | ExecSpec): string {
  return path.includes(":") && path.startsWith(`${dir}/`) ? path.slice(dir.length + 1) : path;
}

/** The runtime looks for config.json in conmon's bundle, which is also where the socket goes. */
function linkBundle(spec: MonitorSpec): void {
  removeFile(`${spec.dir}/config.json`);
  symlinkAt(raw(`${spec.bundle}/config.json`), AT_FDCWD, raw(`${spec.dir}/config.json`));
}

/** What an earlier run left would be taken for this one's. */
function clearOldFiles(dir: string): void {
  for (const name of ["pidfile", "conmon.pid", "exit", "oom"]) removeFile(`${dir}/${name}`);
}

/** The runtime's log has whole errors; the sync pipe has the first 8 KiB of its stderr. */
function whatWasSaid(runtimeLog: string, message: Message | null): string {
  const logged = readTextOrNull(runtimeLog)?.trim() ?? "";
  return logged !== "" ? logged : message?.message ?? "";
}

function started(dir: string, pid: number): Started {
  return { pid, monitorPid: Number(readTextOrNull(`${dir}/conmon.pid`) ?? 0) };
}

/**
 * Ends a conmon that has nothing to watch over. After a failure it ends by itself, and has then
 * collected the dead processes of the runtime, which else are left to a process 1 that may be slow at
 * it; but before that it runs the exit command, which may wait for a lock that our caller holds. So
 * after `patienceMs` it is killed, with its whole group: a runtime that still waits on the start
 * pipe would run when we close our end.
 */
function endMonitor(dir: string, patienceMs: number): void {
  const pid = Number(readTextOrNull(`${dir}/conmon.pid`) ?? 0);
  if (pid <= 1 || (patienceMs > 0 && waitGone(pid, patienceMs))) return;
  if (sendSignal(-pid, SIGNALS.KILL ?? 9)) waitGone(pid, 5_000);
}

function control(dir: string, line: string): void {
  try {
    // Not blocking: without a reader this would wait for one for ever.
    const fd = openAt(AT_FDCWD, raw(`${dir}/ctl`), O.WRONLY | O.NONBLOCK);
    try {
      write(fd, Buffer.from(line));
    } finally {
      close(fd);
    }
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENXIO", "EPIPE")) throw error;
  }
}

function program(options: Readonly<Record<string, unknown>>): string | null {
  if (typeof options.path === "string") {
    const found = findProgram(options.path);
    return found === null || found.startsWith("/") ? found : realPath(found);
  }
  for (const place of PLACES) {
    const found = findProgram(place);
    if (found !== null) return found;
  }
  return null;
}

/** First line of `--version` ("conmon version 2.1.6"), or null when the program does not run. */
function programVersion(path: string): string | null {
  const end = run([path, "--version"], { env: { LC_ALL: "C" }, timeoutMs: 5_000 });
  return end.status === 0 ? Buffer.from(end.stdout).toString("utf8").split("\n", 1)[0]! : null;
}

function isOlder(version: string): boolean {
  const [, ...parts] = /(\d+)\.(\d+)\.(\d+)/.exec(version) ?? [];
  const numbers = parts.map(Number);
  const at = OLDEST.findIndex((wanted, i) => numbers[i] !== wanted);
  return at >= 0 && (numbers[at] ?? 0) < OLDEST[at]!;
}
