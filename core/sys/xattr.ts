/**
 * Extended attributes, raw, of an open file and of what cannot be opened (symlinks, devices), where
 * the l*xattr calls go through /proc/self/fd. Names are whole: `user.x`, `security.capability`.
 */
import type { RawPath } from "../terms.ts";
import type { Fd } from "./descriptor.ts";
import { ERRNO } from "./errno.ts";
import { errno, fixed, libc } from "./libc.ts";
import { AT_FDCWD, fdError, otherPathBytes, pathBytes, pathError } from "./path_buffer.ts";

/** XATTR_SIZE_MAX and XATTR_LIST_MAX: nothing longer exists. */
const ROOM = 65536;
const buffer = fixed(ROOM);
const bytes = Buffer.from(buffer.buffer);
const NONE: readonly RawPath[] = [];

/** errno of a file system without xattrs, or an object that has none (user.* on a symlink). */
function isUnsupported(number: number): boolean {
  return number === ERRNO.EOPNOTSUPP || number === ERRNO.ENOSYS;
}

function names(length: number): RawPath[] {
  return bytes.toString("latin1", 0, length - 1).split("\0") as RawPath[];
}

/** Names of all attributes of an open file; none where the file system has no attributes. */
export function listXattrs(fd: Fd): RawPath[] {
  const length = libc.flistxattr(fd, buffer, ROOM);
  if (length > 0) return names(length);
  if (length < 0) {
    const number = errno();
    if (!isUnsupported(number)) throw fdError("list attributes of", fd, number);
  }
  return [...NONE];
}

/** The value, in memory of its own; null when there is no such attribute. */
export function getXattr(fd: Fd, name: RawPath): Uint8Array | null {
  const length = libc.fgetxattr(fd, pathBytes(name), buffer, ROOM);
  if (length >= 0) return buffer.slice(0, length);
  const number = errno();
  if (number === ERRNO.ENODATA || isUnsupported(number)) return null;
  throw fdError(`read attribute ${name} of`, fd, number);
}

export function setXattr(fd: Fd, name: RawPath, value: Uint8Array): void {
  const content = value as Uint8Array<ArrayBuffer>;
  // FFI has no address for an empty buffer in Bun; with length 0 any address will do.
  const data = content.length === 0 ? buffer : content;
  if (libc.fsetxattr(fd, pathBytes(name), data, content.length, 0) !== 0) {
    throw fdError(`set attribute ${name} of`, fd);
  }
}

/** Quiet when there is no such attribute. */
export function removeXattr(fd: Fd, name: RawPath): void {
  if (libc.fremovexattr(fd, pathBytes(name)) === 0) return;
  const number = errno();
  if (number !== ERRNO.ENODATA) throw fdError(`remove attribute ${name} of`, fd, number);
}

/**
 * The address of `path` for calls that take no directory: only its last part is not followed, as
 * for every call here that takes a directory.
 */
function address(dir: Fd, path: RawPath): Uint8Array<ArrayBuffer> {
  return dir === AT_FDCWD || path.charCodeAt(0) === 47
    ? pathBytes(path)
    : pathBytes(`/proc/self/fd/${dir}/${path}` as RawPath);
}

/** As `listXattrs`, of an object that is not opened and not followed. */
export function listXattrsAt(dir: Fd, path: RawPath): RawPath[] {
  const length = libc.llistxattr(address(dir, path), buffer, ROOM);
  if (length > 0) return names(length);
  if (length < 0) {
    const number = errno();
    if (!isUnsupported(number)) throw pathError("list attributes of", dir, path, number);
  }
  return [...NONE];
}

export function getXattrAt(dir: Fd, path: RawPath, name: RawPath): Uint8Array | null {
  const length = libc.lgetxattr(address(dir, path), otherPathBytes(name), buffer, ROOM);
  if (length >= 0) return buffer.slice(0, length);
  const number = errno();
  if (number === ERRNO.ENODATA || isUnsupported(number)) return null;
  throw pathError(`read attribute ${name} of`, dir, path, number);
}

export function setXattrAt(dir: Fd, path: RawPath, name: RawPath, value: Uint8Array): void {
  const content = value as Uint8Array<ArrayBuffer>;
  const data = content.length === 0 ? buffer : content;
  const place = address(dir, path);
  if (libc.lsetxattr(place, otherPathBytes(name), data, content.length, 0) !== 0) {
    throw pathError(`set attribute ${name} of`, dir, path);
  }
}

/** Quiet when there is no such attribute. */
export function removeXattrAt(dir: Fd, path: RawPath, name: RawPath): void {
  if (libc.lremovexattr(address(dir, path), otherPathBytes(name)) === 0) return;
  const number = errno();
  if (number !== ERRNO.ENODATA) throw pathError(`remove attribute ${name} of`, dir, path, number);
}
