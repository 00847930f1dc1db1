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
/** Asked with first: the kernel clears as much memory as it is offered, which takes longer than the rest. */
const FIRST = 1024;
const buffer = fixed(ROOM);
const bytes = Buffer.from(buffer.buffer);

/** errno of a file system without xattrs, or an object that has none (user.* on a symlink). */
function isUnsupported(number: number): boolean {
  return number === ERRNO.EOPNOTSUPP || number === ERRNO.ENOSYS;
}

/** The result of a call, or its errno below zero. */
function orErrno(length: number): number {
  return length >= 0 ? length : -errno();
}

function names(length: number): RawPath[] {
  return length === 0 ? [] : bytes.toString("latin1", 0, length - 1).split("\0") as RawPath[];
}

/** Names of all attributes of an open file; none where the file system has no attributes. */
export function listXattrs(fd: Fd): RawPath[] {
  let length = orErrno(libc.flistxattr(fd, buffer, FIRST));
  if (length === -ERRNO.ERANGE) length = orErrno(libc.flistxattr(fd, buffer, ROOM));
  if (length >= 0) return names(length);
  if (isUnsupported(-length)) return [];
  throw fdError("list attributes of", fd, -length);
}

/** The value, in memory of its own; null when there is no such attribute. */
export function getXattr(fd: Fd, name: RawPath): Uint8Array | null {
  const key = pathBytes(name);
  let length = orErrno(libc.fgetxattr(fd, key, buffer, FIRST));
  if (length === -ERRNO.ERANGE) length = orErrno(libc.fgetxattr(fd, key, buffer, ROOM));
  if (length >= 0) return buffer.slice(0, length);
  if (length === -ERRNO.ENODATA || isUnsupported(-length)) return null;
  throw fdError(`read attribute ${name} of`, fd, -length);
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
  const place = address(dir, path);
  let length = orErrno(libc.llistxattr(place, buffer, FIRST));
  if (length === -ERRNO.ERANGE) length = orErrno(libc.llistxattr(place, buffer, ROOM));
  if (length >= 0) return names(length);
  if (isUnsupported(-length)) return [];
  throw pathError("list attributes of", dir, path, -length);
}

export function getXattrAt(dir: Fd, path: RawPath, name: RawPath): Uint8Array | null {
  const [place, key] = [address(dir, path), otherPathBytes(name)];
  let length = orErrno(libc.lgetxattr(place, key, buffer, FIRST));
  if (length === -ERRNO.ERANGE) length = orErrno(libc.lgetxattr(place, key, buffer, ROOM));
  if (length >= 0) return buffer.slice(0, length);
  if (length === -ERRNO.ENODATA || isUnsupported(-length)) return null;
  throw pathError(`read attribute ${name} of`, dir, path, -length);
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
