/**
 * Calls on an open file descriptor: read, write, seek, change, make durable, close. Descriptors are
 * the kernel's; Deno's and Bun's own file functions must not be mixed in (Deno does not know ours).
 */
import { ERRNO } from "./errno.ts";
import { errno, fixed, libc } from "./libc.ts";
import { fdError } from "./path_buffer.ts";

export type Fd = number;

export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;

const POLLOUT = 4;
const pollItem = fixed(8);
const times = fixed(32);
const timesView = new DataView(times.buffer);
const NS = 1_000_000_000n;
const UTIME_OMIT = 0x3ffffffen;

export function close(fd: Fd): void {
  // close(2): after EINTR the descriptor is gone on Linux; calling again could close somebody else's.
  if (libc.close(fd) !== 0 && errno() !== ERRNO.EINTR) throw fdError("close", fd);
}

/** Reads up to `buffer.length` bytes at the position; 0 at the end. */
export function read(fd: Fd, buffer: Uint8Array): number {
  for (;;) {
    const n = libc.read(fd, buffer as Uint8Array<ArrayBuffer>, buffer.length);
    if (n >= 0) return n;
    if (errno() !== ERRNO.EINTR) throw fdError("read", fd);
  }
}

/** The same for a descriptor that does not wait: null when nothing is there yet. */
export function readSome(fd: Fd, buffer: Uint8Array): number | null {
  for (;;) {
    const n = libc.read(fd, buffer as Uint8Array<ArrayBuffer>, buffer.length);
    if (n >= 0) return n;
    const number = errno();
    if (number === ERRNO.EAGAIN) return null;
    if (number !== ERRNO.EINTR) throw fdError("read", fd, number);
  }
}

/** Reads up to `buffer.length` bytes at `offset`, leaving the position. */
export function pread(fd: Fd, buffer: Uint8Array, offset: number): number {
  for (;;) {
    const n = libc.pread(fd, buffer as Uint8Array<ArrayBuffer>, buffer.length, offset);
    if (n >= 0) return n;
    if (errno() !== ERRNO.EINTR) throw fdError("read", fd);
  }
}

/** Writes all of `bytes` at the position; waits when the descriptor is not ready. */
export function write(fd: Fd, bytes: Uint8Array): void {
  let rest = bytes as Uint8Array<ArrayBuffer>;
  while (rest.length > 0) {
    const n = libc.write(fd, rest, rest.length);
    if (n === rest.length) return;
    if (n >= 0) rest = rest.subarray(n);
    else waitWritable(fd);
  }
}

/** Writes what the descriptor takes now; 0 when it is not ready. */
export function writeSome(fd: Fd, bytes: Uint8Array): number {
  for (;;) {
    const n = libc.write(fd, bytes as Uint8Array<ArrayBuffer>, bytes.length);
    if (n >= 0) return n;
    const number = errno();
    if (number === ERRNO.EAGAIN) return 0;
    if (number !== ERRNO.EINTR) throw fdError("write", fd, number);
  }
}

/** After a failed write: returns when it may be tried again, else throws. */
function waitWritable(fd: Fd): void {
  const number = errno();
  if (number === ERRNO.EINTR) return;
  if (number !== ERRNO.EAGAIN) throw fdError("write", fd, number);
  const view = new DataView(pollItem.buffer);
  view.setInt32(0, fd, true);
  view.setInt16(4, POLLOUT, true);
  libc.poll(pollItem, 1, -1);
}

/** Writes all of `bytes` at `offset`, leaving the position. */
export function pwrite(fd: Fd, bytes: Uint8Array, offset: number): void {
  let done = 0;
  while (done < bytes.length) {
    const rest = bytes.subarray(done) as Uint8Array<ArrayBuffer>;
    const n = libc.pwrite(fd, rest, rest.length, offset + done);
    if (n >= 0) done += n;
    else if (errno() !== ERRNO.EINTR) throw fdError("write", fd);
  }
}

/** Moves the position; gives the new one. `whence`: SEEK_SET, SEEK_CUR or SEEK_END. */
export function seek(fd: Fd, offset: number, whence: number = SEEK_SET): number {
  const at = libc.lseek(fd, offset, whence);
  if (at < 0) throw fdError("seek in", fd);
  return at;
}

/** Sets the size in bytes; what is added is a hole. */
export function truncate(fd: Fd, size: number): void {
  if (libc.ftruncate(fd, size) !== 0) throw fdError("set the size of", fd);
}

/** Everything from the position to the end. */
export function readAll(fd: Fd, sizeHint = 0): Uint8Array<ArrayBuffer> {
  let buffer = fixed(Math.max(sizeHint + 1, 4096));
  let used = 0;
  for (;;) {
    if (used === buffer.length) {
      const larger = fixed(buffer.length * 2);
      larger.set(buffer);
      buffer = larger;
    }
    const n = read(fd, buffer.subarray(used));
    if (n === 0) return buffer.subarray(0, used);
    used += n;
  }
}

export function fsync(fd: Fd): void {
  if (libc.fsync(fd) !== 0) throw fdError("make durable", fd);
}

export function fdatasync(fd: Fd): void {
  if (libc.fdatasync(fd) !== 0) throw fdError("make durable", fd);
}

/** Makes the whole file system of `fd` durable. */
export function syncfs(fd: Fd): void {
  if (libc.syncfs(fd) !== 0) throw fdError("make the file system durable of", fd);
}

export function chownFd(fd: Fd, uid: number, gid: number): void {
  if (libc.fchown(fd, uid, gid) !== 0) throw fdError("change the owner of", fd);
}

export function chmodFd(fd: Fd, mode: number): void {
  if (libc.fchmod(fd, mode) !== 0) throw fdError("change the mode of", fd);
}

/** Sets the modification time (and the access time, else left) in nanoseconds since 1970. */
export function utimeFd(fd: Fd, mtimeNs: bigint, atimeNs?: bigint): void {
  if (libc.futimens(fd, timespecs(mtimeNs, atimeNs)) !== 0) throw fdError("set the time of", fd);
}

/** The two timespecs of utimensat(2), access time first; valid until the next call. */
export function timespecs(mtimeNs: bigint, atimeNs?: bigint): Uint8Array<ArrayBuffer> {
  if (atimeNs === undefined) {
    timesView.setBigInt64(0, 0n, true);
    timesView.setBigInt64(8, UTIME_OMIT, true);
  } else setTimespec(0, atimeNs);
  setTimespec(16, mtimeNs);
  return times;
}

/** Before 1970 the seconds are rounded down, because tv_nsec is never negative. */
function setTimespec(at: number, ns: bigint): void {
  let seconds = ns / NS;
  let rest = ns % NS;
  if (rest < 0n) rest += NS, seconds -= 1n;
  timesView.setBigInt64(at, seconds, true);
  timesView.setBigInt64(at + 8, rest, true);
}

const FD_FLAGS = { DUPFD_CLOEXEC: 1030, SETFD: 2, GETFL: 3, SETFL: 4 } as const;
const O_NONBLOCK = 0o4000;

/** A copy of `fd`, closed on exec, numbered `lowest` or above. */
export function duplicate(fd: Fd, lowest = 0): Fd {
  const copy = libc.fcntl(fd, FD_FLAGS.DUPFD_CLOEXEC, lowest);
  if (copy < 0) throw fdError("duplicate", fd);
  return copy;
}

/** Lets `fd` live through an exec, or not. */
export function setInheritable(fd: Fd, inheritable: boolean): void {
  if (libc.fcntl(fd, FD_FLAGS.SETFD, inheritable ? 0 : 1) < 0) throw fdError("change", fd);
}

/** Makes reads and writes return at once with EAGAIN instead of waiting. */
export function setNonBlocking(fd: Fd, nonBlocking: boolean): void {
  const flags = libc.fcntl(fd, FD_FLAGS.GETFL, 0);
  if (flags < 0) throw fdError("change", fd);
  const wanted = nonBlocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
  if (libc.fcntl(fd, FD_FLAGS.SETFL, wanted) < 0) throw fdError("change", fd);
}
