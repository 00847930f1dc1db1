/**
 * Running other programs and waiting for them, synchronously; and starting one that lives on.
 */
import { isErrno, ProcessError } from "../errors.ts";
import { raw } from "../terms.ts";
import { AT_FDCWD, close, type Fd, O, openAt, readSome, setNonBlocking, writeSome } from "./at.ts";
import { fixed } from "./libc.ts";
import { openPidfd } from "./pidfd.ts";
import { pipe, poll, type PollItem } from "./pipe.ts";
import { ignoreSignal, sendSignal, SIGNALS } from "./process.ts";
import { type ChildEnd, reapChild, start, type StartOptions, waitChild } from "./spawn_call.ts";

export { findProgram } from "./program.ts";
export { type ChildEnd, reapChild, waitChild } from "./spawn_call.ts";

export interface RunOptions extends StartOptions {
  /** Bytes, a descriptor, or nothing (default). */
  readonly stdin?: Uint8Array | Fd | "ignore" | "inherit";
  /** Default "capture". */
  readonly stdout?: "capture" | "ignore" | "inherit" | Fd;
  /** Default "capture"; of what is captured the last 64 KiB are kept. */
  readonly stderr?: "capture" | "ignore" | "inherit" | Fd;
  /** The child's descriptors 3, 4, … */
  readonly extraFds?: readonly Fd[];
  /** After so long the child is killed. */
  readonly timeoutMs?: number;
}

export interface RunResult extends ChildEnd {
  readonly stdout: Uint8Array;
  readonly stderr: string;
  /** It was killed because `timeoutMs` was over. */
  readonly timedOut: boolean;
}

const STDERR_KEPT = 64 * 1024;

/** The end of a pipe that we read, and what came. */
interface Capture {
  fd: Fd;
  readonly pieces: Uint8Array[];
  bytes: number;
  readonly limit: number;
}

/** What one run has open: all of it is closed at its end. */
interface Plumbing {
  readonly childFds: Fd[];
  /** Ours to close as soon as the child has its copies. */
  readonly handedOver: Fd[];
  readonly captures: Capture[];
  input: { fd: Fd; rest: Uint8Array } | null;
}

/**
 * Runs a program to its end. What it captured is what the program and those it waited for have
 * written when it ends: a process it leaves behind, with our pipe still open, does not keep us.
 */
export function run(command: readonly string[], options: RunOptions = {}): RunResult {
  const plumbing: Plumbing = { childFds: [], handedOver: [], captures: [], input: null };
  let pid: number;
  let stdout: Capture | null, stderr: Capture | null;
  try {
    connectInput(plumbing, options.stdin ?? "ignore");
    stdout = connectOutput(plumbing, 1, options.stdout ?? "capture", Infinity);
    stderr = connectOutput(plumbing, 2, options.stderr ?? "capture", STDERR_KEPT);
    pid = start(command, [...plumbing.childFds, ...options.extraFds ?? []], options);
  } catch (error) {
    closeAll(plumbing);
    throw error;
  } finally {
    plumbing.handedOver.forEach(close);
  }
  const { end, timedOut } = follow(pid, plumbing, options.timeoutMs);
  return {
    ...end,
    stdout: stdout === null ? new Uint8Array() : joined(stdout),
    stderr: stderr === null ? "" : new TextDecoder().decode(joined(stderr)),
    timedOut,
  };
}

/** As `run`; fails with ProcessError unless the status is 0. */
export function runOk(command: readonly string[], options: RunOptions = {}): RunResult {
  const result = run(command, options);
  if (result.status !== 0) throw new ProcessError(command, result);
  return result;
}

/** Starts a program that the caller waits for with `waitChild`; descriptors as in `run`. */
export function spawnChild(
  command: readonly string[],
  options: StartOptions & {
    readonly stdin?: Fd | "ignore" | "inherit";
    readonly stdout?: Fd | "ignore" | "inherit";
    readonly stderr?: Fd | "ignore" | "inherit";
    readonly extraFds?: readonly Fd[];
  } = {},
): number {
  const plumbing: Plumbing = { childFds: [], handedOver: [], captures: [], input: null };
  try {
    connectInput(plumbing, options.stdin ?? "inherit");
    connectOutput(plumbing, 1, options.stdout ?? "inherit", 0);
    connectOutput(plumbing, 2, options.stderr ?? "inherit", 0);
    return start(command, [...plumbing.childFds, ...options.extraFds ?? []], options);
  } finally {
    plumbing.handedOver.forEach(close);
  }
}

/**
 * Starts a program that outlives us: a session of its own, no terminal, nothing of ours open but
 * what is given (the rest is /dev/null). Gives its pid; init collects it when we are gone.
 */
export function spawnFree(
  command: readonly string[],
  options: Parameters<typeof spawnChild>[1] = {},
): number {
  return spawnChild(command, {
    ...options,
    stdin: options.stdin ?? "ignore",
    stdout: options.stdout ?? "ignore",
    stderr: options.stderr ?? "ignore",
    newSession: true,
  });
}

function nothing(plumbing: Plumbing): Fd {
  const fd = openAt(AT_FDCWD, raw("/dev/null"), O.RDWR);
  plumbing.handedOver.push(fd);
  return fd;
}

function connectInput(plumbing: Plumbing, stdin: Uint8Array | Fd | "ignore" | "inherit"): void {
  if (typeof stdin === "number") plumbing.childFds.push(stdin);
  else if (stdin === "inherit") plumbing.childFds.push(0);
  else if (stdin === "ignore") plumbing.childFds.push(nothing(plumbing));
  else {
    const ends = pipe();
    plumbing.childFds.push(ends.read);
    plumbing.handedOver.push(ends.read);
    plumbing.input = { fd: ends.write, rest: stdin };
    // The child may close its end early: that is EPIPE for us and must not be the end of us.
    ignoreSignal(SIGNALS.PIPE!);
    setNonBlocking(ends.write, true);
  }
}

function connectOutput(
  plumbing: Plumbing,
  own: Fd,
  to: "capture" | "ignore" | "inherit" | Fd,
  limit: number,
): Capture | null {
  if (typeof to === "number") plumbing.childFds.push(to);
  else if (to === "inherit") plumbing.childFds.push(own);
  else if (to === "ignore") plumbing.childFds.push(nothing(plumbing));
  else {
    const ends = pipe();
    plumbing.childFds.push(ends.write);
    plumbing.handedOver.push(ends.write);
    setNonBlocking(ends.read, true);
    const capture: Capture = { fd: ends.read, pieces: [], bytes: 0, limit };
    plumbing.captures.push(capture);
    return capture;
  }
  return null;
}

function closeAll(plumbing: Plumbing): void {
  for (const capture of plumbing.captures) shut(capture);
  endInput(plumbing);
}

function shut(capture: { fd: Fd }): void {
  if (capture.fd >= 0) close(capture.fd);
  capture.fd = -1;
}

function endInput(plumbing: Plumbing): void {
  if (plumbing.input !== null) close(plumbing.input.fd);
  plumbing.input = null;
}

/** Moves data until the child has ended. */
function follow(
  pid: number,
  plumbing: Plumbing,
  timeoutMs: number | undefined,
): { end: ChildEnd; timedOut: boolean } {
  const hasPipes = plumbing.captures.length > 0 || plumbing.input !== null;
  if (!hasPipes && timeoutMs === undefined) return { end: waitChild(pid), timedOut: false };
  const watched = openPidfd(pid);
  const pidfd = typeof watched === "number" ? watched : -1;
  try {
    return pump(pid, pidfd, plumbing, timeoutMs ?? Infinity);
  } finally {
    if (pidfd >= 0) close(pidfd);
    closeAll(plumbing);
  }
}

/** How long to sleep at most where there is no pidfd to wake us at the child's end. */
const LOOK_AGAIN_MS = 5;

function pump(
  pid: number,
  pidfd: Fd,
  plumbing: Plumbing,
  timeoutMs: number,
): { end: ChildEnd; timedOut: boolean } {
  const deadline = performance.now() + timeoutMs;
  let timedOut = false;
  for (;;) {
    const left = deadline - performance.now();
    if (left <= 0 && !timedOut) {
      timedOut = true;
      sendSignal(pid, SIGNALS.KILL!);
    }
    const most = pidfd < 0 ? LOOK_AGAIN_MS : -1;
    const pause = timedOut || left === Infinity ? most : most < 0 ? left : Math.min(left, most);
    const items: PollItem[] = plumbing.captures.map(({ fd }) => ({ fd, events: "in" }));
    items.push({ fd: plumbing.input?.fd ?? -1, events: "out" }, { fd: pidfd, events: "in" });
    const ready = poll(items, pause);
    plumbing.captures.forEach((capture, i) => {
      if (ready[i]!.ready) drain(capture);
    });
    if (ready.at(-2)!.ready) feed(plumbing);
    if (pidfd >= 0 && !ready.at(-1)!.ready) continue;
    const end = reapChild(pid);
    if (end === null) continue;
    for (const capture of plumbing.captures) drain(capture);
    return { end, timedOut };
  }
}

const chunk = fixed(64 * 1024);

/** Takes what is in the pipe now. */
function drain(capture: Capture): void {
  while (capture.fd >= 0) {
    const n = readSome(capture.fd, chunk);
    if (n === null) return;
    if (n === 0) return shut(capture);
    capture.pieces.push(chunk.slice(0, n));
    capture.bytes += n;
    while (capture.bytes - (capture.pieces[0]?.length ?? 0) >= capture.limit) {
      capture.bytes -= capture.pieces.shift()!.length;
    }
  }
}

function joined({ pieces, bytes, limit }: Capture): Uint8Array {
  const whole = pieces.length === 1 ? pieces[0]! : new Uint8Array(Buffer.concat(pieces, bytes));
  return whole.length > limit ? whole.subarray(whole.length - limit) : whole;
}

function feed(plumbing: Plumbing): void {
  const input = plumbing.input;
  if (input === null) return;
  try {
    if (input.rest.length > 0) input.rest = input.rest.subarray(writeSome(input.fd, input.rest));
    if (input.rest.length === 0) endInput(plumbing);
  } catch (error) {
    if (!isErrno(error, "EPIPE")) throw error;
    endInput(plumbing);
  }
}
