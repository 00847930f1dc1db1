/**
 * Writing a new file so that its zeros take no space: tar and the network have no holes, disks do.
 */
import { type Fd, pwrite } from "../sys/at.ts";
import { asBuffer, ZEROS } from "./tar_header.ts";

/** Holes smaller than a page of the file system give nothing back. */
export const HOLE = 4096;

/** Are bytes `from` to `to` (at most 256 KiB) all zero? */
function isZero(bytes: Buffer, from: number, to: number): boolean {
  // Nearly all data fails here, before the call.
  if (bytes[from] !== 0 || bytes[to - 1] !== 0 || bytes[(from + to) >> 1] !== 0) return false;
  return bytes.compare(ZEROS, 0, to - from, from, to) === 0;
}

/**
 * Writes `bytes` at `offset` of a file that has no data there yet, leaving out pages of zeros.
 * Gives the end of the last data written, or 0 when all was zero; the caller sets the file's size.
 */
export function writeSparse(fd: Fd, bytes: Uint8Array, offset: number): number {
  if (bytes.buffer === ZEROS.buffer) return 0;
  const buffer = asBuffer(bytes);
  let runStart = 0;
  let dataEnd = 0;
  for (let at = 0; at < buffer.length;) {
    const end = Math.min(buffer.length, at + HOLE - ((offset + at) % HOLE));
    if (isZero(buffer, at, end)) {
      if (runStart < at) pwrite(fd, buffer.subarray(runStart, at), offset + runStart);
      runStart = end;
    } else dataEnd = end;
    at = end;
  }
  if (runStart === 0) pwrite(fd, bytes, offset);
  else if (runStart < buffer.length) pwrite(fd, buffer.subarray(runStart), offset + runStart);
  return dataEnd === 0 ? 0 : offset + dataEnd;
}
