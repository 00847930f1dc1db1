/**
 * Where the last lines of a log begin, found from its end, so that ten lines of a huge log cost no
 * more than ten lines of a small one.
 */
import { type Fd, pread } from "../sys/at.ts";
import { emptyLogLine, LOG_HEADER, readLogLine } from "./log_line.ts";

const BLOCK = 65536;
const NEWLINE = 10;

/** Counts lines backwards over several files, newest file first. */
export interface TailSearch {
  /**
   * Looks through a file of `size` bytes from its end. Returns the offset of the first wanted line,
   * or null when all of this file is wanted and older ones too, as far as they exist.
   */
  search(fd: Fd, size: number): number | null;
}

/**
 * A search for the last `count` lines of the container's output; the parts of one line count once.
 * With `count` 0 nothing is wanted.
 */
export function searchTail(count: number): TailSearch {
  // A part counts when no later part of its stream was seen: it is the unfinished last line.
  const isSeen = [false, false, false];
  const line = emptyLogLine();
  let found = 0;

  /** True when the line at `start` ends one line more than is wanted. */
  function isBeyond(bytes: Uint8Array, start: number, end: number): boolean {
    if (!readLogLine(bytes, start, end, line)) return false;
    const isEnd = !line.partial || !isSeen[line.stream];
    isSeen[line.stream] = true;
    return isEnd && ++found > count;
  }

  return {
    search(fd, size) {
      const buffer = Buffer.alloc(BLOCK + LOG_HEADER);
      /** Offset behind the last line that was not looked at yet, without its newline. */
      let lineEnd = size;
      let end = size;
      while (end > 0) {
        const from = Math.max(0, end - BLOCK);
        const filled = fill(fd, buffer, from, Math.min(size, end + LOG_HEADER) - from);
        let at = Math.min(end - from, filled) - 1;
        while (at >= 0) {
          const newline = buffer.lastIndexOf(NEWLINE, at);
          if (newline < 0) break;
          const lineStart = from + newline + 1;
          if (lineStart < lineEnd) {
            // What lies behind the buffer is text, which is not looked at.
            const stop = Math.min(lineEnd - from, filled);
            if (isBeyond(buffer, newline + 1, stop)) return Math.min(lineEnd + 1, size);
          }
          lineEnd = from + newline;
          at = newline - 1;
        }
        if (from === 0 && lineEnd > 0) {
          const stop = Math.min(lineEnd, filled);
          if (isBeyond(buffer, 0, stop)) return Math.min(lineEnd + 1, size);
        }
        end = from;
      }
      return null;
    },
  };
}

function fill(fd: Fd, buffer: Uint8Array, offset: number, wanted: number): number {
  let filled = 0;
  while (filled < wanted) {
    const count = pread(fd, buffer.subarray(filled, wanted), offset + filled);
    if (count === 0) break;
    filled += count;
  }
  return filled;
}
