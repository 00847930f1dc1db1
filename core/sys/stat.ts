/**
 * What an object is: statx(2) with nanosecond times, by path below a directory descriptor or by
 * descriptor, into one reused buffer.
 */
import { raw, type RawPath } from "../terms.ts";
import type { Fd } from "./descriptor.ts";
import { ERRNO } from "./errno.ts";
import { errno, fixed, libc, NR } from "./libc.ts";
import { fdError, pathBytes, pathError } from "./path_buffer.ts";

export type FileType = "file" | "dir" | "symlink" | "fifo" | "char" | "block" | "socket";

export interface Stat {
  readonly type: FileType;
  /** Permission bits with set-id and sticky, 0-0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes; of a symlink the length of its text. */
  readonly size: number;
  /** Times in nanoseconds since 1970, negative before. */
  readonly mtime: bigint;
  readonly ctime: bigint;
  readonly atime: bigint;
  readonly nlink: number;
  readonly ino: bigint;
  /** The file system: major * 2^20 + minor. */
  readonly dev: number;
  /** Device numbers of `char` and `block`. */
  readonly major: number;
  readonly minor: number;
  /** Allocated space in units of 512 bytes. */
  readonly blocks: number;
}

export interface StatOptions {
  /** Look at what a symlink in the last place points to; default false. */
  readonly follow?: boolean;
}

const SYMLINK_NOFOLLOW = 0x100;
const EMPTY_PATH = 0x1000;
const BASIC_STATS = 0x7ff;
const MOUNT_ID = 0x1000;
const BIRTH = 0x800;

const buffer = fixed(256);
const view = new DataView(buffer.buffer);
const EMPTY = raw("");
const NS = 1_000_000_000n;

/** By the four type bits of the mode. */
const TYPES: readonly (FileType | undefined)[] = [
  undefined,
  "fifo",
  "char",
  undefined,
  "dir",
  undefined,
  "block",
  undefined,
  "file",
  undefined,
  "symlink",
  undefined,
  "socket",
];

function time(at: number): bigint {
  return view.getBigInt64(at, true) * NS + BigInt(view.getUint32(at + 8, true));
}

/** Reads the buffer; the offsets are those of struct statx. */
function take(): Stat {
  const mode = view.getUint16(28, true);
  return {
    type: TYPES[mode >> 12] ?? "file",
    mode: mode & 0o7777,
    uid: view.getUint32(20, true),
    gid: view.getUint32(24, true),
    size: view.getUint32(44, true) * 0x1_0000_0000 + view.getUint32(40, true),
    mtime: time(112),
    ctime: time(96),
    atime: time(64),
    nlink: view.getUint32(16, true),
    ino: view.getBigUint64(32, true),
    dev: view.getUint32(136, true) * 0x10_0000 + view.getUint32(140, true),
    major: view.getUint32(128, true),
    minor: view.getUint32(132, true),
    blocks: view.getUint32(52, true) * 0x1_0000_0000 + view.getUint32(48, true),
  };
}

function statx(dir: Fd, path: RawPath, flags: number, mask: number): boolean {
  return libc.sysIBIIB(NR.statx, dir, pathBytes(path), flags, mask, buffer) === 0;
}

/** The object `path` of `dir`. */
export function statAt(dir: Fd, path: RawPath, options: StatOptions = {}): Stat {
  if (!statx(dir, path, options.follow ? 0 : SYMLINK_NOFOLLOW, BASIC_STATS)) {
    throw pathError("look at", dir, path);
  }
  return take();
}

/** The same, or null when there is nothing (ENOENT, ENOTDIR). */
export function lookAt(dir: Fd, path: RawPath, options: StatOptions = {}): Stat | null {
  if (statx(dir, path, options.follow ? 0 : SYMLINK_NOFOLLOW, BASIC_STATS)) return take();
  const number = errno();
  if (number === ERRNO.ENOENT || number === ERRNO.ENOTDIR) return null;
  throw pathError("look at", dir, path, number);
}

export function statFd(fd: Fd): Stat {
  if (!statx(fd, EMPTY, EMPTY_PATH, BASIC_STATS)) throw fdError("look at", fd);
  return take();
}

/** Where a descriptor is: its file system, its mount (null before Linux 5.8) and its inode. */
export function placeOfFd(fd: Fd): { dev: number; mount: number | null; ino: bigint } {
  if (!statx(fd, EMPTY, EMPTY_PATH, BASIC_STATS | MOUNT_ID)) throw fdError("look at", fd);
  return {
    dev: view.getUint32(136, true) * 0x10_0000 + view.getUint32(140, true),
    mount: (view.getUint32(0, true) & MOUNT_ID) === 0 ? null : Number(view.getBigUint64(144, true)),
    ino: view.getBigUint64(32, true),
  };
}

/** When the inode of a descriptor was made, ns since 1970; 0 where the file system does not say. */
export function birthOf(fd: Fd): bigint {
  if (!statx(fd, EMPTY, EMPTY_PATH, BIRTH)) throw fdError("look at", fd);
  return (view.getUint32(0, true) & BIRTH) === 0 ? 0n : time(80);
}
