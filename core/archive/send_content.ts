/**
 * Sends the content of an open file, exactly as many bytes as were announced, whatever happens to the
 * file meanwhile. Holes are not read.
 */
import type { ByteSink } from "../terms.ts";
import { dataExtents } from "../sys/copy.ts";
import { type Fd, pread, read, type Stat } from "../sys/at.ts";
import { ZEROS } from "./tar_header.ts";

/** One buffer for all files: everything here is synchronous, and sinks do not keep bytes. */
let buffer: Uint8Array<ArrayBuffer> | null = null;

/** Below this much missing, asking for the holes costs more than reading zeros. */
const WORTH_ASKING = 64 * 1024;

/** Sends `stat.size` bytes; false when the file had fewer and zeros stand for the rest. */
export function sendContent(fd: Fd, stat: Stat, sink: ByteSink): boolean {
  buffer ??= new Uint8Array(new ArrayBuffer(256 * 1024));
  if (stat.size - stat.blocks * 512 >= WORTH_ASKING) {
    return sendExtents(fd, stat.size, sink, buffer);
  }
  let left = stat.size;
  while (left > 0) {
    const count = read(fd, left < buffer.length ? buffer.subarray(0, left) : buffer);
    if (count === 0) {
      sendZeros(left, sink);
      return false;
    }
    sink.write(count === buffer.length ? buffer : buffer.subarray(0, count));
    left -= count;
  }
  return true;
}

function sendExtents(fd: Fd, size: number, sink: ByteSink, into: Uint8Array): boolean {
  let at = 0;
  for (const { offset, length } of dataExtents(fd, size)) {
    const start = Math.min(Math.max(offset, at), size);
    sendZeros(start - at, sink);
    at = start;
    const end = Math.min(offset + length, size);
    while (at < end) {
      const count = pread(fd, into.subarray(0, Math.min(into.length, end - at)), at);
      if (count === 0) {
        sendZeros(size - at, sink);
        return false;
      }
      sink.write(into.subarray(0, count));
      at += count;
    }
  }
  sendZeros(size - at, sink);
  return true;
}

function sendZeros(length: number, sink: ByteSink): void {
  for (let left = length; left > 0; left -= ZEROS.length) {
    sink.write(left >= ZEROS.length ? ZEROS : ZEROS.subarray(0, left));
  }
}
