/**
 * One line of a k8s-file log, as conmon writes it:
 * `2026-01-02T03:04:05.123456789+00:00 stdout F text`. `F` ends a line of the container's output,
 * `P` is a part of one: its newline is the log's, not the container's.
 */

/** Where the parts of a line are; one object is reused for all lines. */
export interface LogLine {
  /** 1 stdout, 2 stderr. */
  stream: 1 | 2;
  /** No newline of the container follows. */
  partial: boolean;
  /** The time is from the line's start up to here. */
  timeEnd: number;
  /** The text is from here to the line's end. */
  textStart: number;
}

export function emptyLogLine(): LogLine {
  return { stream: 1, partial: false, timeEnd: 0, textStart: 0 };
}

const SPACE = 32;
const LETTER_P = 80;
const LETTER_F = 70;
const LETTER_E = 101;
const LETTER_O = 111;
/** Length of a time with nanoseconds and an offset, the only form conmon writes. */
const TIME = 35;
/** Enough bytes from a line's start to read everything but its text. */
export const LOG_HEADER = 64;

/**
 * Reads the line that lies in `bytes` from `start` to `end` (without its newline) into `line`. False
 * for a line that is not of this format: torn by a power failure, or not written by a monitor.
 */
export function readLogLine(bytes: Uint8Array, start: number, end: number, line: LogLine): boolean {
  let time = start + TIME;
  if (bytes[time] !== SPACE) {
    time = bytes.indexOf(SPACE, start);
    if (time < 0) return false;
  }
  // " stdout F " is 10 bytes; an empty last field may lose its space.
  if (time + 9 > end || bytes[time + 7] !== SPACE) return false;
  // s-t-d-o-u-t or s-t-d-e-r-r: the fourth letter tells.
  const letter = bytes[time + 4];
  const tag = bytes[time + 8];
  if (letter !== LETTER_O && letter !== LETTER_E) return false;
  if (tag !== LETTER_P && tag !== LETTER_F) return false;
  line.stream = letter === LETTER_O ? 1 : 2;
  line.partial = tag === LETTER_P;
  line.timeEnd = time;
  line.textStart = Math.min(time + 10, end);
  return true;
}

/** Nanoseconds since 1970 of a time as in the log (RFC 3339); null when it is not one. */
export function logTime(text: string): bigint | null {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!parts) return null;
  const seconds = Date.parse(parts[1]! + parts[3]!);
  if (Number.isNaN(seconds)) return null;
  return BigInt(seconds) * 1_000_000n + BigInt((parts[2] ?? "").padEnd(9, "0"));
}
