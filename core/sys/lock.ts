/**
 * File locks between processes, by flock(2): released by the kernel when the holder dies. The file
 * stays; whoever removes it all the same does not let two holders in.
 */
import { CoracleError } from "../errors.ts";
import { raw } from "../terms.ts";
import { AT_FDCWD, close, type Fd, lookAt, O, openAt, statFd } from "./at.ts";
import { ERRNO } from "./errno.ts";
import { errno, libc } from "./libc.ts";
import { fdError } from "./path_buffer.ts";
import { sleep } from "./pipe.ts";

const SHARED = 1;
const EXCLUSIVE = 2;
const NONBLOCKING = 4;
const UNLOCK = 8;

export interface FileLock {
  readonly path: string;
  /** The descriptor that holds the lock. A child that inherits it holds the lock too. */
  readonly fd: Fd;
  /** Lets go; a second call does nothing. */
  release(): void;
  [Symbol.dispose](): void;
}

export interface LockOptions {
  /** Several holders at a time, none of them exclusive. */
  readonly shared?: boolean;
  /** Wait for it: for ever (true, the default), not at all (false), or so many milliseconds. */
  readonly wait?: boolean | number;
}

/**
 * Takes the lock `path`, making the file (0600) when it is missing. Fails with `busy` when the time
 * is over. A process that asks twice waits for itself: locks belong to the open file.
 */
export function lockFile(path: string, options: LockOptions = {}): FileLock {
  const wait = options.wait ?? true;
  const lock = take(
    path,
    options.shared ? SHARED : EXCLUSIVE,
    wait === true ? Infinity : Number(wait),
  );
  if (lock !== null) return lock;
  throw new CoracleError("busy", `cannot lock ${JSON.stringify(path)}`, {
    why: typeof wait === "number"
      ? `another process holds it for more than ${wait} ms`
      : "another process holds it",
  });
}

/** The lock when it is free now, else null. */
export function tryLock(
  path: string,
  options: { readonly shared?: boolean } = {},
): FileLock | null {
  return take(path, options.shared ? SHARED : EXCLUSIVE, 0);
}

function take(path: string, kind: number, waitMs: number): FileLock | null {
  const end = performance.now() + waitMs;
  for (;;) {
    const fd = openAt(AT_FDCWD, raw(path), O.RDWR | O.CREAT | O.NOFOLLOW, 0o600);
    let kept = false;
    try {
      if (!acquire(fd, kind, waitMs, end)) return null;
      kept = isStillNamed(fd, path);
    } finally {
      if (!kept) close(fd);
    }
    if (kept) return held(fd, path);
  }
}

function acquire(fd: Fd, kind: number, waitMs: number, end: number): boolean {
  for (let pause = 1;; pause = Math.min(pause * 2, 25)) {
    if (libc.flock(fd, waitMs === Infinity ? kind : kind | NONBLOCKING) === 0) return true;
    const number = errno();
    if (number === ERRNO.EINTR) continue;
    if (number !== ERRNO.EAGAIN) throw fdError("lock", fd, number);
    const left = end - performance.now();
    if (left <= 0) return false;
    sleep(Math.min(pause, left));
  }
}

/** Was the file removed or replaced while we waited? Then others lock another file. */
function isStillNamed(fd: Fd, path: string): boolean {
  const named = lookAt(AT_FDCWD, raw(path));
  if (named === null) return false;
  const ours = statFd(fd);
  return named.ino === ours.ino && named.dev === ours.dev;
}

function held(fd: Fd, path: string): FileLock {
  let isHeld = true;
  const release = () => {
    if (!isHeld) return;
    isHeld = false;
    // Not only close: a child that has inherited the descriptor would keep the lock.
    libc.flock(fd, UNLOCK);
    close(fd);
  };
  return { path, fd, release, [Symbol.dispose]: release };
}
