/**
 * posix_spawn(3) by FFI: start a program with exactly these descriptors. Used instead of
 * node:child_process because Deno's does not take descriptors made by FFI, and because the child
 * then begins with default signals (both runtimes ignore SIGPIPE) and the same rules everywhere.
 */
import { CoracleError } from "../errors.ts";
import { raw } from "../terms.ts";
import { AT_FDCWD, close, duplicate, type Fd, listDir, O, openAt, setInheritable } from "./at.ts";
import { environment } from "./environment.ts";
import { ERRNO, errnoError, sysError } from "./errno.ts";
import { addressOf, errno, fixed, libc, NR } from "./libc.ts";
import { cString } from "./path_buffer.ts";
import { signalName } from "./process.ts";
import { findProgram } from "./program.ts";
import { withDirectory } from "./working_directory.ts";

export interface StartOptions {
  /** The whole environment; without it the child has ours. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** A session of its own, without our terminal. */
  readonly newSession?: boolean;
}

const FLAG = { SETSIGDEF: 4, SETSIGMASK: 8, SETSID: 0x80 } as const;
/** posix_spawnattr_t has 336 bytes, posix_spawn_file_actions_t 80, sigset_t 128. */
const attributes = fixed(512);
const actions = fixed(256);
const allSignals = fixed(128).fill(0xff);
const noSignals = fixed(128);
const pidOut = fixed(8);
const statusOut = fixed(8);

/** Strings as a NULL-terminated array of pointers, with the memory they point to. */
function pointerArray(
  values: readonly string[],
): { array: Uint8Array<ArrayBuffer>; content: Uint8Array } {
  const parts = values.map(cString);
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  const content = fixed(size + 1);
  const array = fixed((values.length + 1) * 8);
  const view = new DataView(array.buffer);
  const base = addressOf(content);
  let at = 0;
  parts.forEach((part, i) => {
    content.set(part, at);
    view.setBigUint64(i * 8, base + BigInt(at), true);
    at += part.length;
  });
  return { array, content };
}

/**
 * Starts `command` with `fds[i]` as its descriptor i, all others closed; gives its pid. The caller
 * waits for it with `waitChild`. Fails with `notfound` when there is no such program.
 */
export function start(
  command: readonly string[],
  fds: readonly Fd[],
  options: StartOptions = {},
): number {
  const name = command[0] ?? "";
  const program = findProgram(name);
  if (program === null) {
    throw new CoracleError("notfound", `cannot run ${JSON.stringify(name)}`, {
      why: name.includes("/") ? "no such program" : "no such program in PATH",
    });
  }
  // Copies above all targets: so no dup2 overwrites a source that a later one needs, and none is
  // onto itself, which would leave close-on-exec set.
  const copies: Fd[] = [];
  try {
    for (const fd of fds) copies.push(duplicate(fd, fds.length + 3));
    const spawn = () => spawnWith(program, command, copies, options);
    return options.cwd === undefined ? spawn() : withDirectory(options.cwd, spawn);
  } finally {
    copies.forEach(close);
  }
}

function spawnWith(
  program: string,
  command: readonly string[],
  fds: readonly Fd[],
  options: StartOptions,
): number {
  const env = Object.entries(options.env ?? environment()).map(([key, value]) => `${key}=${value}`);
  const argv = pointerArray(command);
  const envp = pointerArray(env);
  closeRestOnExec();
  prepare(fds, options.newSession === true);
  const path = cString(program);
  const error = libc.posix_spawn(pidOut, path, actions, attributes, argv.array, envp.array);
  libc.posix_spawn_file_actions_destroy(actions);
  // A use after the call: without it the collector might free what C was reading.
  argv.content.fill(0);
  envp.content.fill(0);
  if (error !== 0) throw errnoError("run", program, error);
  return new DataView(pidOut.buffer).getInt32(0, true);
}

let isOldKernel = false;

/**
 * Marks every descriptor above standard error as closed on exec: one that we were started with
 * would stay open in a container's monitor for ever, and keep whoever waits for its end waiting.
 */
function closeRestOnExec(): void {
  const CLOSE_RANGE_CLOEXEC = 4;
  if (isOldKernel) return;
  if (libc.sysIIII(NR.close_range, 3, 0x7fffffff, CLOSE_RANGE_CLOEXEC, 0) === 0) return;
  isOldKernel = true; // before Linux 5.11. Only descriptors we were started with lack the mark.
  const dir = openAt(AT_FDCWD, raw("/proc/self/fd"), O.RDONLY | O.DIRECTORY);
  const open = listDir(dir).map(({ name }) => Number(name)).filter((fd) => fd > 2 && fd !== dir);
  close(dir);
  for (const fd of open) setInheritable(fd, false);
}

function prepare(fds: readonly Fd[], newSession: boolean): void {
  libc.posix_spawn_file_actions_init(actions);
  fds.forEach((fd, target) => libc.posix_spawn_file_actions_adddup2(actions, fd, target));
  libc.posix_spawnattr_init(attributes);
  const flags = FLAG.SETSIGDEF | FLAG.SETSIGMASK | (newSession ? FLAG.SETSID : 0);
  const result = libc.posix_spawnattr_setflags(attributes, flags);
  if (result !== 0) throw errnoError("start", "session", result);
  libc.posix_spawnattr_setsigdefault(attributes, allSignals);
  libc.posix_spawnattr_setsigmask(attributes, noSignals);
}

export interface ChildEnd {
  /** Exit status 0-255, null when a signal ended it. */
  readonly status: number | null;
  /** "SIGKILL", …, null when it exited. */
  readonly signal: string | null;
}

const WNOHANG = 1;

/** Waits for a child of ours (and no other: the runtimes wait for theirs) until it has ended. */
export function waitChild(pid: number): ChildEnd {
  for (;;) {
    const result = libc.waitpid(pid, statusOut, 0);
    if (result === pid) return childEnd();
    if (errno() !== ERRNO.EINTR) throw sysError("wait for process", String(pid));
  }
}

/** The end of a child that has ended, null while it runs. */
export function reapChild(pid: number): ChildEnd | null {
  const result = libc.waitpid(pid, statusOut, WNOHANG);
  if (result === pid) return childEnd();
  if (result < 0) throw sysError("wait for process", String(pid));
  return null;
}

function childEnd(): ChildEnd {
  const word = new DataView(statusOut.buffer).getInt32(0, true);
  const signal = word & 0x7f;
  return signal === 0
    ? { status: (word >> 8) & 0xff, signal: null }
    : { status: null, signal: signalName(signal) };
}
