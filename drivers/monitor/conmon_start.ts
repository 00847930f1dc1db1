/**
 * Starting a conmon(8) and hearing from it. Its protocol, by inherited pipes whose numbers are in the
 * environment: it reads one byte from _OCI_STARTPIPE before it forks (and a second one before an
 * attached exec runs), writes a line of JSON to _OCI_ATTACHPIPE when the attach socket is there, and
 * to _OCI_SYNCPIPE `{"data": PID}` or `{"data": NEGATIVE, "message": "what the runtime wrote"}`.
 */
import { CoracleError, isErrno } from "../../core/errors.ts";
import { AT_FDCWD, close, O, openAt, read, write } from "../../core/sys/at.ts";
import { makeDirs } from "../../core/sys/files.ts";
import { mountTable } from "../../core/sys/mount_table.ts";
import { pipe, pollOne } from "../../core/sys/pipe.ts";
import { sendSignal, SIGNALS } from "../../core/sys/process.ts";
import { run, spawnFree, waitChild } from "../../core/sys/spawn.ts";
import { raw } from "../../core/terms.ts";

/** As long as Podman waits for a runtime to create a container. */
const CREATE_TIMEOUT_MS = 240_000;

type Pipe = ReturnType<typeof pipe>;

/** The pipes between us and one conmon; every end is closed by `closePipes`. */
export interface Pipes {
  readonly sync: Pipe;
  readonly start?: Pipe;
  readonly attach?: Pipe;
  /** Numbers that are closed already. */
  readonly closed: Set<number>;
}

/** A line of the sync pipe. */
export interface Message {
  readonly data: number;
  readonly message?: string;
}

export function openPipes(wanted: { start: boolean; attach?: boolean }): Pipes {
  return {
    sync: pipe(),
    ...wanted.start ? { start: pipe() } : {},
    ...wanted.attach ? { attach: pipe() } : {},
    closed: new Set(),
  };
}

/** Closes every end that is still open here. */
export function closePipes(pipes: Pipes): void {
  for (const one of [pipes.sync, pipes.start, pipes.attach]) {
    if (one === undefined) continue;
    closeOnce(pipes, one.read);
    closeOnce(pipes, one.write);
  }
}

function closeOnce(pipes: Pipes, fd: number): void {
  if (pipes.closed.has(fd)) return;
  pipes.closed.add(fd);
  close(fd);
}

export interface StartConmonOptions {
  /** Where it runs. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  /** How many of our descriptors from 3 on it gets under their own numbers. */
  readonly preserveFds: number;
  /** cgroup it is moved into before it forks; needs the start pipe. */
  readonly cgroup: string | undefined;
  /** The action, for errors. */
  readonly what: string;
}

/** Returns when conmon has forked itself away and the child's ends of the pipes are closed here. */
export function startConmon(
  command: readonly string[],
  pipes: Pipes,
  options: StartConmonOptions,
): void {
  const preserved = Array.from({ length: options.preserveFds }, (_, i) => 3 + i);
  const handed: number[] = [];
  const env = { ...options.environment };
  const hand = (name: string, fd: number | undefined) => {
    if (fd === undefined) return;
    env[name] = String(3 + preserved.length + handed.length);
    handed.push(fd);
  };
  hand("_OCI_SYNCPIPE", pipes.sync.write);
  hand("_OCI_STARTPIPE", pipes.start?.read);
  hand("_OCI_ATTACHPIPE", pipes.attach?.write);
  const settings = { env, cwd: options.directory, extraFds: [...preserved, ...handed] };
  if (options.cgroup !== undefined && pipes.start) {
    const pid = spawnFree(command, settings);
    // It waits for the byte, so that what it forks is in the cgroup too.
    moveOrEnd(pid, options.cgroup);
    write(pipes.start.write, Uint8Array.of(0));
    waitChild(pid);
  } else {
    if (pipes.start) write(pipes.start.write, Uint8Array.of(0));
    const end = run(command, { ...settings, stdin: "ignore", timeoutMs: CREATE_TIMEOUT_MS });
    if (end.status !== 0) {
      const said = end.stderr.trim() || `exit status ${end.status ?? end.signal}`;
      throw new CoracleError("failed", options.what, { why: `conmon: ${said}` });
    }
  }
  for (const fd of handed) closeOnce(pipes, fd);
}

/** A conmon that cannot be moved must not go on when our end of its pipe closes. */
function moveOrEnd(pid: number, cgroup: string): void {
  try {
    enterCgroup(pid, cgroup);
  } catch (error) {
    sendSignal(pid, SIGNALS.KILL ?? 9);
    waitChild(pid);
    throw error;
  }
}

/** Moves a process into `cgroup` of every hierarchy. cgroups(7). */
function enterCgroup(pid: number, cgroup: string): void {
  for (const mount of mountTable()) {
    if (mount.type !== "cgroup" && mount.type !== "cgroup2") continue;
    const dir = `${mount.target}${cgroup}`;
    try {
      makeDirs(dir);
      const fd = openAt(AT_FDCWD, raw(`${dir}/cgroup.procs`), O.WRONLY);
      try {
        write(fd, Buffer.from(String(pid)));
      } finally {
        close(fd);
      }
    } catch (error) {
      // A v1 cpuset without cpus takes no process, a read-only hierarchy none at all: the monitor
      // then stays in the caller's there, which harms nobody.
      if (!isErrno(error, "ENOSPC", "EROFS", "EACCES", "EPERM", "EOPNOTSUPP")) throw error;
    }
  }
}

/** The next line of a pipe; null when conmon closed it without one. */
export function readMessage(fd: number, what: string): Message | null {
  const buffer = new Uint8Array(new ArrayBuffer(16384));
  const deadline = Date.now() + CREATE_TIMEOUT_MS;
  let text = "";
  while (!text.includes("\n")) {
    const left = deadline - Date.now();
    if (left <= 0) {
      throw new CoracleError("failed", what, {
        why: `the runtime gave no answer for ${CREATE_TIMEOUT_MS / 1000} seconds`,
      });
    }
    if (!pollOne(fd, "in", left)) continue;
    const count = read(fd, buffer);
    if (count === 0) break;
    text += Buffer.from(buffer.subarray(0, count)).toString("latin1");
  }
  const line = Buffer.from(text.split("\n", 1)[0] ?? "", "latin1").toString("utf8");
  return line === "" ? null : parseMessage(line);
}

function parseMessage(line: string): Message {
  try {
    const found = JSON.parse(line) as { data?: unknown; message?: unknown };
    const data = typeof found.data === "number" ? found.data : -1;
    return typeof found.message === "string" ? { data, message: found.message } : { data };
  } catch {
    // conmon's escapes are its own; what cannot be parsed is shown as it came.
    return { data: -1, message: line };
  }
}
