/**
 * The engine's own files, by text path: read, write all at once, make, move, remove. Trees of images
 * and containers are touched through `at.ts`.
 */
import { isErrno, SysError } from "../errors.ts";
import { raw, type RawPath, text } from "../terms.ts";
import {
  AT_FDCWD,
  chmodFd,
  close,
  type Fd,
  fsync,
  listDir,
  lookAt,
  mkdirAt,
  O,
  openAt,
  readAll,
  renameAt,
  type Stat,
  statFd,
  unlinkAt,
  write,
} from "./at.ts";

export { removeAt, removeTree } from "./remove_tree.ts";
export { realPath } from "./mount_table.ts";

const utf8 = new TextDecoder();
const encoder = new TextEncoder();

/** Opens a file by its text path. */
export function openText(path: string, flags: number, mode = 0o644): Fd {
  return openAt(AT_FDCWD, raw(path), flags, mode);
}

/** The whole file. Also right for /proc and /sys, whose files have no size. */
export function readBytes(path: string): Uint8Array<ArrayBuffer> {
  const fd = openText(path, O.RDONLY);
  try {
    return readAll(fd, statFd(fd).size);
  } finally {
    close(fd);
  }
}

export function readText(path: string): string {
  return utf8.decode(readBytes(path));
}

/** The same, or null when there is no such file. */
export function readTextOrNull(path: string): string | null {
  try {
    return readText(path);
  } catch (error) {
    // A file of /proc/PID says ESRCH when the process ends between open and read.
    if (isErrno(error, "ENOENT", "ENOTDIR", "ESRCH")) return null;
    throw error;
  }
}

/** Does `path` name something? Links are followed; one that leads nowhere is nothing. */
export function exists(path: string): boolean {
  return lookAt(AT_FDCWD, raw(path), { follow: true }) !== null;
}

/** What `path` names, links followed unless told otherwise; null when there is nothing. */
export function lookAtText(path: string, options = { follow: true }): Stat | null {
  return lookAt(AT_FDCWD, raw(path), options);
}

let lastTemporary = 0;

/** A free name beside `path` that tells whose it is: `.tmp-PID-N`. */
function besideOf(path: string): string {
  lastTemporary++;
  return `${parentOf(path)}/.tmp-${process.pid}-${lastTemporary}`;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash) || "/";
}

/** Opens `temporary`; a failure names `path`, which is the one the user knows. */
export function openBeside(path: string, temporary: string, flags: number, mode = 0o600): Fd {
  try {
    return openText(temporary, flags, mode);
  } catch (error) {
    if (!(error instanceof SysError)) throw error;
    const { errno, errnoName, why } = error;
    throw new SysError("write", path, { number: errno, name: errnoName, words: why ?? errnoName });
  }
}

/**
 * Writes a file in one step: whoever looks sees the old content or the whole new one, also after a
 * kill. With `durable` also after a power cut. A symlink at `path` is replaced, not followed.
 */
export function writeAtomic(
  path: string,
  data: string | Uint8Array,
  options: { readonly mode?: number; readonly durable?: boolean } = {},
): void {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  const temporary = besideOf(path);
  const fd = openBeside(path, temporary, O.WRONLY | O.CREAT | O.TRUNC | O.NOFOLLOW);
  try {
    try {
      write(fd, bytes);
      chmodFd(fd, options.mode ?? 0o644);
      if (options.durable) fsync(fd);
    } finally {
      close(fd);
    }
    moveInto(temporary, path);
  } catch (error) {
    removeFile(temporary);
    throw error;
  }
  if (options.durable) syncDir(parentOf(path));
}

/** Makes a directory and those above it that are missing; quiet when it is there. */
export function makeDirs(path: string, mode = 0o755): void {
  try {
    mkdirAt(AT_FDCWD, raw(path), mode);
  } catch (error) {
    if (isErrno(error, "ENOENT") && parentOf(path) !== path) {
      makeDirs(parentOf(path), mode);
      makeDirs(path, mode);
    } else if (!isErrno(error, "EEXIST") || lookAtText(path)?.type !== "dir") throw error;
  }
}

/** The names in a directory as text, sorted; empty when there is no such directory. */
export function listNames(path: string): string[] {
  let fd: Fd;
  try {
    fd = openText(path, O.RDONLY | O.DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
  try {
    return listDir(fd).map(({ name }) => text(name)).sort();
  } finally {
    close(fd);
  }
}

/** Removes one file; quiet when it is gone. */
export function removeFile(path: string): void {
  try {
    unlinkAt(AT_FDCWD, raw(path));
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** rename(2): replaces a file, or an empty directory, at `to`. */
export function moveInto(from: string, to: string): void {
  renameAt(AT_FDCWD, raw(from), AT_FDCWD, raw(to));
}

/** Makes the names in a directory durable. */
export function syncDir(path: string): void {
  const fd = openText(path, O.RDONLY | O.DIRECTORY);
  try {
    fsync(fd);
  } finally {
    close(fd);
  }
}

/** Bytes that `path` and everything below it have allocated, an inode counted once. */
export function sizeOnDisk(path: string): number {
  const found = lookAt(AT_FDCWD, raw(path));
  if (found === null) return 0;
  if (found.type !== "dir") return found.blocks * 512;
  const fd = openText(path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
  try {
    return found.blocks * 512 + allocatedIn(fd, new Set());
  } finally {
    close(fd);
  }
}

function allocatedIn(dir: Fd, seen: Set<bigint>): number {
  let sum = 0;
  for (const { name } of listDir(dir)) {
    const stat = lookAt(dir, name);
    if (stat === null) continue;
    if (stat.type !== "dir") {
      if (stat.nlink > 1 && seen.has(stat.ino)) continue;
      if (stat.nlink > 1) seen.add(stat.ino);
    }
    sum += stat.blocks * 512;
    if (stat.type === "dir") sum += allocatedBelow(dir, name, seen);
  }
  return sum;
}

function allocatedBelow(dir: Fd, name: RawPath, seen: Set<bigint>): number {
  let fd: Fd;
  try {
    fd = openAt(dir, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return 0;
    throw error;
  }
  try {
    return allocatedIn(fd, seen);
  } finally {
    close(fd);
  }
}
