/**
 * Files by directory descriptor and RawPath: open, make, rename, remove, own, date. With
 * `openBeneath` this is how a tree of a stranger is touched: a name can never leave its directory.
 */
import { CoracleError } from "../errors.ts";
import type { RawPath } from "../terms.ts";
import { type Fd, timespecs } from "./descriptor.ts";
import { ERRNO } from "./errno.ts";
import { errno, fixed, isArm64, libc, NR } from "./libc.ts";
import { AT_FDCWD, otherPathBytes, pathBytes, pathError } from "./path_buffer.ts";

export {
  chmodFd,
  chownFd,
  close,
  duplicate,
  type Fd,
  fdatasync,
  fsync,
  pread,
  pwrite,
  read,
  readAll,
  readSome,
  seek,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
  setInheritable,
  setNonBlocking,
  syncfs,
  truncate,
  utimeFd,
  write,
  writeSome,
} from "./descriptor.ts";
export {
  birthOf,
  type FileType,
  lookAt,
  type Stat,
  statAt,
  statFd,
  type StatOptions,
} from "./stat.ts";
export { type DirName, listDir } from "./list_dir.ts";
export { AT_FDCWD } from "./path_buffer.ts";

const DIRECTORY = isArm64 ? 0o40000 : 0o200000;

/** Flags of open(2); three of them have other numbers on arm64. CLOEXEC is always added. */
export const O = {
  RDONLY: 0,
  WRONLY: 1,
  RDWR: 2,
  CREAT: 0o100,
  EXCL: 0o200,
  NOCTTY: 0o400,
  TRUNC: 0o1000,
  APPEND: 0o2000,
  NONBLOCK: 0o4000,
  DSYNC: 0o10000,
  DIRECT: isArm64 ? 0o200000 : 0o40000,
  DIRECTORY,
  NOFOLLOW: isArm64 ? 0o100000 : 0o400000,
  NOATIME: 0o1000000,
  CLOEXEC: 0o2000000,
  SYNC: 0o4010000,
  PATH: 0o10000000,
  TMPFILE: 0o20000000 | DIRECTORY,
} as const;

const SYMLINK_NOFOLLOW = 0x100;
const REMOVEDIR = 0x200;
const SYMLINK_FOLLOW = 0x400;

const RESOLVE = { NO_XDEV: 1, NO_MAGICLINKS: 2, NO_SYMLINKS: 4, BENEATH: 8, IN_ROOT: 16 } as const;
const RENAME = { "replace": 0, "no-replace": 1, "exchange": 2 } as const;
const TYPE_BITS = {
  fifo: 0o010000,
  char: 0o020000,
  block: 0o060000,
  file: 0o100000,
  socket: 0o140000,
};

/** struct open_how: flags, mode, resolve, 8 bytes each. */
const how = fixed(24);
const howView = new DataView(how.buffer);
const linkText = fixed(4096);
const linkBytes = Buffer.from(linkText.buffer);

/** Opens `path` of `dir`; retries when a signal came in between. */
export function openAt(dir: Fd, path: RawPath, flags: number, mode = 0): Fd {
  for (;;) {
    const fd = libc.openat(dir, pathBytes(path), flags | O.CLOEXEC, mode);
    if (fd >= 0) return fd;
    if (errno() !== ERRNO.EINTR) throw pathError("open", dir, path);
  }
}

export interface BeneathOptions {
  /** Permissions of a file that is made. */
  readonly mode?: number;
  /**
   * "beneath" (default): a path or link that leaves `root`, even for a moment, fails with EXDEV.
   * "in-root": as after chroot; absolute links and `..` stop at `root`.
   */
  readonly scope?: "in-root" | "beneath";
  /** Fail with ELOOP on any symlink on the way and in the last place. */
  readonly noSymlinks?: boolean;
  /** Fail with EXDEV when a mount point is on the way. */
  readonly noXdev?: boolean;
}

/** How often openat2 may say EAGAIN (a rename raced with `..`) before that is an error. */
const RACES = 1000;

/** Opens `path`, which cannot lead out of the directory `root`, whatever the tree holds. */
export function openBeneath(
  root: Fd,
  path: RawPath,
  flags: number,
  options: BeneathOptions = {},
): Fd {
  const resolve = RESOLVE.NO_MAGICLINKS |
    (options.scope === "in-root" ? RESOLVE.IN_ROOT : RESOLVE.BENEATH) |
    (options.noSymlinks ? RESOLVE.NO_SYMLINKS : 0) | (options.noXdev ? RESOLVE.NO_XDEV : 0);
  howView.setUint32(0, flags | O.CLOEXEC, true);
  // openat2 refuses a mode without CREAT or TMPFILE, which openat ignores.
  const makes = (flags & (O.CREAT | 0o20000000)) !== 0;
  howView.setUint32(8, makes ? options.mode ?? 0 : 0, true);
  howView.setUint32(16, resolve, true);
  for (let races = 0;; races++) {
    const fd = libc.sysIBBI(NR.openat2, root, pathBytes(path), how, 24);
    if (fd >= 0) return fd;
    const number = errno();
    if (number === ERRNO.ENOSYS) throw tooOld();
    const again = number === ERRNO.EINTR || (number === ERRNO.EAGAIN && races < RACES);
    if (!again) throw pathError("open", root, path);
  }
}

function tooOld(): CoracleError {
  return new CoracleError("unsupported", "cannot open files beneath a directory", {
    why: "this kernel has no openat2 (Linux 5.6), or a seccomp filter hides it",
  });
}

export function mkdirAt(dir: Fd, path: RawPath, mode: number): void {
  if (libc.mkdirat(dir, pathBytes(path), mode) !== 0) throw pathError("make directory", dir, path);
}

/** Makes a special file (or an empty plain one); `device` is needed for `char` and `block`. */
export function mknodAt(
  dir: Fd,
  path: RawPath,
  type: "fifo" | "char" | "block" | "socket" | "file",
  mode: number,
  device: { readonly major: number; readonly minor: number } = { major: 0, minor: 0 },
): void {
  const { major, minor } = device;
  // The kernel's encoding (new_encode_dev), not glibc's makedev.
  const number = ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
  const bits = TYPE_BITS[type] | mode;
  if (libc.sysIBIIB(NR.mknodat, dir, pathBytes(path), bits, number, null) !== 0) {
    throw pathError("make device", dir, path);
  }
}

export function symlinkAt(target: RawPath, dir: Fd, path: RawPath): void {
  if (libc.symlinkat(otherPathBytes(target), dir, pathBytes(path)) !== 0) {
    throw pathError("make symlink", dir, path);
  }
}

/** A second name for an inode; a symlink is linked itself, not what it points to. */
export function linkAt(fromDir: Fd, from: RawPath, toDir: Fd, to: RawPath): void {
  if (libc.linkat(fromDir, pathBytes(from), toDir, otherPathBytes(to), 0) !== 0) {
    throw pathError("make hard link", toDir, to);
  }
}

/** Gives an open file (also one made with O.TMPFILE) a name. */
export function linkFd(fd: Fd, toDir: Fd, to: RawPath): void {
  // AT_EMPTY_PATH wants CAP_DAC_READ_SEARCH; through /proc it works for everybody.
  const from = pathBytes(`/proc/self/fd/${fd}` as RawPath);
  if (libc.linkat(AT_FDCWD, from, toDir, otherPathBytes(to), SYMLINK_FOLLOW) !== 0) {
    throw pathError("make hard link", toDir, to);
  }
}

/**
 * "replace" (default) as rename(2); "no-replace" fails with EEXIST when `to` is there; "exchange"
 * swaps the two at once.
 */
export function renameAt(
  fromDir: Fd,
  from: RawPath,
  toDir: Fd,
  to: RawPath,
  how: "replace" | "no-replace" | "exchange" = "replace",
): void {
  const source = pathBytes(from);
  const target = otherPathBytes(to);
  const result = how === "replace"
    ? libc.renameat(fromDir, source, toDir, target)
    : libc.sysIBIBII(NR.renameat2, fromDir, source, toDir, target, RENAME[how], 0);
  if (result !== 0) throw pathError("rename", fromDir, from);
}

export function unlinkAt(dir: Fd, path: RawPath): void {
  if (libc.unlinkat(dir, pathBytes(path), 0) !== 0) throw pathError("remove", dir, path);
}

export function rmdirAt(dir: Fd, path: RawPath): void {
  if (libc.unlinkat(dir, pathBytes(path), REMOVEDIR) !== 0) {
    throw pathError("remove directory", dir, path);
  }
}

/** The text of a symlink; with an empty path, of a symlink opened with O.PATH. */
export function readlinkAt(dir: Fd, path: RawPath): RawPath {
  const length = libc.readlinkat(dir, pathBytes(path), linkText, linkText.length);
  if (length < 0) throw pathError("read symlink", dir, path);
  return linkBytes.toString("latin1", 0, length) as RawPath;
}

/** Never follows a symlink. -1 leaves the user or the group. Clears set-id bits of a file. */
export function chownAt(dir: Fd, path: RawPath, uid: number, gid: number): void {
  if (libc.fchownat(dir, pathBytes(path), uid >>> 0, gid >>> 0, SYMLINK_NOFOLLOW) !== 0) {
    throw pathError("change the owner of", dir, path);
  }
}

/** Follows a symlink in the last place: the kernel has no call that does not. Check the type first. */
export function chmodAt(dir: Fd, path: RawPath, mode: number): void {
  if (libc.fchmodat(dir, pathBytes(path), mode, 0) !== 0) {
    throw pathError("change the mode of", dir, path);
  }
}

/**
 * Sets the modification time, and the access time when given (else it stays), in nanoseconds since
 * 1970; never follows a symlink.
 */
export function utimeAt(dir: Fd, path: RawPath, mtimeNs: bigint, atimeNs?: bigint): void {
  const when = timespecs(mtimeNs, atimeNs);
  if (libc.utimensat(dir, pathBytes(path), when, SYMLINK_NOFOLLOW) !== 0) {
    throw pathError("set the time of", dir, path);
  }
}
