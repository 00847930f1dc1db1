/**
 * File content from one descriptor to another: shared blocks where the file system can (FICLONE),
 * else inside the kernel (copy_file_range), else by read and write. Holes stay holes.
 */
import { type Fd, pread, pwrite, read, seek, truncate, write } from "./descriptor.ts";
import { ERRNO } from "./errno.ts";
import { errno, fixed, libc, NR } from "./libc.ts";
import { fdError } from "./path_buffer.ts";

/** _IOW(0x94, 9, int). */
const FICLONE = 0x40049409;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const PIECE = 256 * 1024;
/** What one copy_file_range may be asked for: the kernel cuts at 2 GiB less a page. */
const MOST = 0x40000000;

/** errno values with which the kernel says that this pair of files is not for this call. */
const NOT_HERE: ReadonlySet<number> = new Set([
  ERRNO.EXDEV,
  ERRNO.EINVAL,
  ERRNO.ENOSYS,
  ERRNO.EOPNOTSUPP,
  ERRNO.EPERM,
  ERRNO.ETXTBSY,
  ERRNO.ENOTTY,
  ERRNO.EISDIR,
]);

let buffer: Uint8Array<ArrayBuffer> | undefined;
const positions = [fixed(8), fixed(8)] as const;
const views = [new DataView(positions[0].buffer), new DataView(positions[1].buffer)] as const;

/** Makes `to` share all blocks of `from`; false when these file systems cannot. */
export function cloneFile(from: Fd, to: Fd): boolean {
  if (libc.ioctlNumber(to, FICLONE, from) === 0) return true;
  const number = errno();
  if (NOT_HERE.has(number)) return false;
  throw fdError("clone into", to, number);
}

export interface RangeOptions {
  /** Bytes to copy at most; the copy ends early at the end of `from`. */
  readonly length: number;
  /** Where to begin; without it at the position, which moves. */
  readonly fromOffset?: number;
  readonly toOffset?: number;
}

/** Copies bytes inside the kernel where it can; gives how many. Holes are written out as zeros. */
export function copyRange(from: Fd, to: Fd, options: RangeOptions): number {
  const { length, fromOffset, toOffset } = options;
  let done = 0;
  while (done < length) {
    const source = fromOffset === undefined ? null : fromOffset + done;
    const target = toOffset === undefined ? null : toOffset + done;
    const n = kernelCopy(from, to, source, target, Math.min(length - done, MOST));
    // Some file systems (procfs, older FUSE) say 0 or an error for what can be read all the same.
    if (n === 0 || n === null) return done + plainCopy(from, to, source, target, length - done);
    done += n;
  }
  return done;
}

/** One copy_file_range(2); null when it cannot be used here. */
function kernelCopy(
  from: Fd,
  to: Fd,
  source: number | null,
  target: number | null,
  length: number,
): number | null {
  if (source !== null) views[0].setBigInt64(0, BigInt(source), true);
  if (target !== null) views[1].setBigInt64(0, BigInt(target), true);
  for (;;) {
    const n = libc.sysIBIBII(
      NR.copy_file_range,
      from,
      source === null ? null : positions[0],
      to,
      target === null ? null : positions[1],
      length,
      0,
    );
    if (n >= 0) return n;
    const number = errno();
    if (number === ERRNO.EINTR) continue;
    if (NOT_HERE.has(number)) return null;
    throw fdError("copy into", to, number);
  }
}

function plainCopy(
  from: Fd,
  to: Fd,
  source: number | null,
  target: number | null,
  length: number,
): number {
  buffer ??= fixed(PIECE);
  let done = 0;
  while (done < length) {
    const piece = length - done < PIECE ? buffer.subarray(0, length - done) : buffer;
    const n = source === null ? read(from, piece) : pread(from, piece, source + done);
    if (n === 0) break;
    if (target === null) write(to, piece.subarray(0, n));
    else pwrite(to, piece.subarray(0, n), target + done);
    done += n;
  }
  return done;
}

/** One piece of a file that is not a hole; bytes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/**
 * Where a file of `size` bytes has data, ascending; the rest reads as zeros. One extent over all
 * where the file system does not know. Moves the position of `fd`.
 */
export function dataExtents(fd: Fd, size: number): Extent[] {
  const out: Extent[] = [];
  let at = 0;
  while (at < size) {
    const start = libc.lseek(fd, at, SEEK_DATA);
    if (start < 0) {
      const number = errno();
      if (number === ERRNO.ENXIO) break; // only a hole is left
      if (number === ERRNO.EINVAL) return [{ offset: 0, length: size }];
      throw fdError("look for holes in", fd, number);
    }
    if (start >= size) break;
    const end = Math.min(seek(fd, start, SEEK_HOLE), size);
    if (end <= start) break;
    out.push({ offset: start, length: end - start });
    at = end;
  }
  return out;
}

/**
 * Makes the empty file `to` equal to `from`, which has `size` bytes; holes stay holes. Moves both
 * positions. A source that shrinks meanwhile gives zeros at the end.
 */
export function copyFile(from: Fd, to: Fd, size: number): void {
  if (size === 0) return;
  if (cloneFile(from, to)) {
    truncate(to, size);
    return;
  }
  for (const { offset, length } of dataExtents(from, size)) {
    copyRange(from, to, { length, fromOffset: offset, toOffset: offset });
  }
  truncate(to, size);
}
