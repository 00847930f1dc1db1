/**
 * Processes: who we are, whether another one lives (by pid and start time, so that a reused pid is
 * not taken for it), signals, waiting for an end.
 */
import { close } from "./at.ts";
import { ERRNO, errnoError, sysError } from "./errno.ts";
import { listNames, readText, readTextOrNull } from "./files.ts";
import { errno, libc } from "./libc.ts";
import { cString } from "./path_buffer.ts";
import { openPidfd } from "./pidfd.ts";
import { pollOne, sleep } from "./pipe.ts";

export { sleep } from "./pipe.ts";

/** A process for the whole life of a boot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot, as /proc/PID/stat has it. */
  readonly start: string;
}

let boot: string | undefined;

/** Random id of this boot of the kernel; a volatile record with another one is void. */
export function bootId(): string {
  return boot ??= readText("/proc/sys/kernel/random/boot_id").trim();
}

/** Field 3 (state) and field 22 (start time) of /proc/PID/stat. */
function statOf(pid: number): { state: string; start: string } | null {
  const line = readTextOrNull(`/proc/${pid}/stat`);
  if (line === null) return null;
  // The name in parentheses may hold spaces and parentheses: count from the last one.
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", start: fields[19] ?? "" };
}

/** Start time of a process, null when there is none. */
export function processStart(pid: number): string | null {
  return statOf(pid)?.start ?? null;
}

/** Does this very process live? One that ended but was not waited for (a zombie) does not. */
export function isAlive(who: ProcessIdentity): boolean {
  const found = statOf(who.pid);
  return found !== null && found.start === who.start && found.state !== "Z" && found.state !== "X";
}

let self: ProcessIdentity | undefined;

/** This process. */
export function selfIdentity(): ProcessIdentity {
  return self ??= { pid: process.pid, start: processStart(process.pid) ?? "" };
}

/** Sends a signal; false when the process (or, for a negative pid, the group) is gone. */
export function sendSignal(pid: number, signal: number): boolean {
  if (libc.kill(pid, signal) === 0) return true;
  const number = errno();
  if (number === ERRNO.ESRCH) return false;
  throw errnoError("signal process", String(pid), number);
}

/**
 * Waits until the process has ended (a zombie has); false when `timeoutMs` (-1: no limit) is over.
 * It need not be a child.
 */
export function waitGone(pid: number, timeoutMs: number): boolean {
  const end = timeoutMs < 0 ? Infinity : performance.now() + timeoutMs;
  const fd = openPidfd(pid);
  if (fd === "gone") return true;
  if (fd === null) return waitByLooking(pid, end);
  try {
    for (;;) {
      const left = end - performance.now();
      if (pollOne(fd, "in", left === Infinity ? -1 : Math.max(left, 0))) return true;
      if (performance.now() >= end) return false;
    }
  } finally {
    close(fd);
  }
}

/** Before Linux 5.3: looks again and again, ever less often up to 20 ms. */
function waitByLooking(pid: number, end: number): boolean {
  const start = processStart(pid);
  if (start === null) return true;
  for (let pause = 1;; pause = Math.min(pause * 2, 20)) {
    if (!isAlive({ pid, start })) return true;
    if (performance.now() >= end) return false;
    sleep(pause);
  }
}

/** Signals by name without "SIG", with the numbers of x86-64 and arm64. */
export const SIGNALS: Readonly<Record<string, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  TRAP: 5,
  ABRT: 6,
  BUS: 7,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15,
  STKFLT: 16,
  CHLD: 17,
  CONT: 18,
  STOP: 19,
  TSTP: 20,
  TTIN: 21,
  TTOU: 22,
  URG: 23,
  XCPU: 24,
  XFSZ: 25,
  VTALRM: 26,
  PROF: 27,
  WINCH: 28,
  IO: 29,
  PWR: 30,
  SYS: 31,
};
const OTHER_NAMES: Readonly<Record<string, number>> = { IOT: 6, CLD: 17, POLL: 29, UNUSED: 31 };
const RTMIN = 34;
const RTMAX = 64;

/** "TERM", "sigterm", "15", "RTMIN+3", "SIGRTMAX-1" to a number 1-64; null when it is none. */
export function signalNumber(value: string): number | null {
  const word = value.trim().toUpperCase().replace(/^SIG(?=[A-Z])/, "");
  if (/^\d{1,2}$/.test(word)) {
    const number = Number(word);
    return number >= 1 && number <= RTMAX ? number : null;
  }
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(word);
  if (realTime !== null) {
    const offset = Number(realTime[3] ?? 0) * (realTime[2] === "-" ? -1 : 1);
    const number = (realTime[1] === "MIN" ? RTMIN : RTMAX) + offset;
    return number >= RTMIN && number <= RTMAX ? number : null;
  }
  return Object.hasOwn(SIGNALS, word) ? SIGNALS[word]! : OTHER_NAMES[word] ?? null;
}

/** 15 to "SIGTERM", 37 to "SIGRTMIN+3". */
export function signalName(number: number): string {
  const name = Object.keys(SIGNALS).find((word) => SIGNALS[word] === number);
  if (name !== undefined) return `SIG${name}`;
  return number > RTMIN
    ? `SIGRTMIN+${number - RTMIN}`
    : number === RTMIN
    ? "SIGRTMIN"
    : `${number}`;
}

const PR_SET_NAME = 15;
const PR_SET_CHILD_SUBREAPER = 36;
const SIG_IGN = 1;
const SIG_DFL = 0;

/** Orphans below this process become its children instead of init's. */
export function becomeSubreaper(): void {
  if (libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) !== 0) throw sysError("become", "subreaper");
}

/** The name of this thread in ps and top; the kernel keeps 15 bytes. */
export function setProcessName(name: string): void {
  if (libc.prctlText(PR_SET_NAME, cString(name), 0, 0, 0) !== 0) throw sysError("set name", name);
}

/** Ignores a signal from now on, or (false) restores its default action. */
export function ignoreSignal(signal: number, ignore = true): void {
  if (libc.signal(signal, ignore ? SIG_IGN : SIG_DFL) < 0) {
    throw sysError("ignore signal", `${signal}`);
  }
}

/** Sets the file mode creation mask; gives the old one. */
export function setUmask(mask: number): number {
  return libc.umask(mask);
}

/** Starts a session without terminal. Fails with EPERM for a group leader. */
export function newSession(): void {
  if (libc.setsid() < 0) throw sysError("start", "session");
}

/**
 * Processes that have `word` as one whole argument of their command line. Reads all of /proc: for
 * recovery, not for everyday work.
 */
export function processesWithArgument(word: string): number[] {
  const self = selfIdentity().pid;
  return listNames("/proc").filter((name) => /^[0-9]+$/.test(name)).map(Number).filter((pid) =>
    pid !== self &&
    (readTextOrNull(`/proc/${pid}/cmdline`) ?? "").split("\0").includes(word)
  );
}

/** Ends this process now: nothing is flushed, closed or finalised by the runtime. _exit(2). */
export function endProcess(status: number): never {
  libc.exit(status);
  throw new Error("_exit(2) returned");
}
