/**
 * Kernel paths in memory: two reused buffers (a call has at most two paths), so that the hot calls
 * allocate nothing, and the error of a call on a path.
 */
import type { SysError } from "../errors.ts";
import { type RawPath, text } from "../terms.ts";
import { ERRNO, errnoError } from "./errno.ts";
import { errno, fixed, libc } from "./libc.ts";

/** Stands for the working directory where a directory descriptor is wanted. */
export const AT_FDCWD = -100;
/** PATH_MAX with the closing NUL. */
const ROOM = 4096;

const first = fixed(ROOM);
const second = fixed(ROOM);
const linkText = fixed(ROOM);
const fdPath = fixed(64);

function fill(buffer: Uint8Array<ArrayBuffer>, path: string): Uint8Array<ArrayBuffer> {
  const length = path.length;
  if (length >= ROOM) throw errnoError("use", text(path as RawPath), ERRNO.ENAMETOOLONG);
  for (let i = 0; i < length; i++) {
    const byte = path.charCodeAt(i);
    // A NUL would cut the path short, and a unit above 255 is text that was not passed through raw().
    if (byte === 0 || byte > 255) throw errnoError("use", path, ERRNO.EINVAL);
    buffer[i] = byte;
  }
  buffer[length] = 0;
  return buffer;
}

/** `path` with its NUL, valid until the next call of this function. */
export function pathBytes(path: RawPath): Uint8Array<ArrayBuffer> {
  return fill(first, path);
}

/** The same in another buffer, for the second path of a call. */
export function otherPathBytes(path: RawPath): Uint8Array<ArrayBuffer> {
  return fill(second, path);
}

/** Text with its NUL in memory of its own. Fails with EINVAL when it holds a NUL. */
export function cString(value: string): Uint8Array<ArrayBuffer> {
  const bytes = new TextEncoder().encode(value);
  if (bytes.includes(0)) throw errnoError("use", value, ERRNO.EINVAL);
  const out = fixed(bytes.length + 1);
  out.set(bytes);
  return out;
}

/** The path an open descriptor has now, as text; "" when the kernel does not say. */
export function pathOfFd(fd: number): string {
  const name = `/proc/self/fd/${fd}`;
  for (let i = 0; i < name.length; i++) fdPath[i] = name.charCodeAt(i);
  fdPath[name.length] = 0;
  const length = libc.readlinkat(AT_FDCWD, fdPath, linkText, ROOM);
  return length < 0 ? "" : Buffer.from(linkText.buffer, 0, length).toString("utf8");
}

/**
 * A failed call on `path` of `dir`, named in full. Without `number` errno is read: call it directly
 * after the call.
 */
export function pathError(call: string, dir: number, path: RawPath, number = errno()): SysError {
  const name = text(path);
  if (dir === AT_FDCWD || name.startsWith("/")) return errnoError(call, name, number);
  const parent = pathOfFd(dir);
  const where = name === "" ? parent : `${parent === "/" ? "" : parent}/${name}`;
  return errnoError(call, where, number);
}

/** A failed call on a descriptor, named by the path it has. */
export function fdError(call: string, fd: number, number = errno()): SysError {
  return errnoError(call, pathOfFd(fd) || `file descriptor ${fd}`, number);
}
