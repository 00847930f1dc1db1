/**
 * Turns k8s-file lines into what `logs` shows: the container's bytes, each stream apart, optionally
 * with times and a name in front of every line.
 */
import { emptyLogLine, logTime, readLogLine } from "./log_line.ts";

export interface PrintOptions {
  /** Only lines later than this, nanoseconds since 1970. */
  readonly since?: bigint;
  /** Only lines earlier than this, nanoseconds since 1970. */
  readonly until?: bigint;
  /** The time in front of every line. */
  readonly timestamps?: boolean;
  /** Text in front of every line, before the time (the container's name or id and a space). */
  readonly prefix?: string;
}

/** Receives output in order, in large pieces; must not keep `bytes` after it returns. */
export interface LogSink {
  write(stream: 1 | 2, bytes: Uint8Array): void;
}

/** Takes the bytes of log files in any pieces. */
export interface LogPrinter {
  feed(bytes: Buffer): void;
  /** The bytes of one file are over: prints a last line that has no newline. */
  endFile(): void;
  /** Sends what is waiting to the sink. */
  flush(): void;
  /** A line later than `until` was met: nothing more will be printed. */
  isPastUntil(): boolean;
}

const NEWLINE = 10;
const ROOM = 256 * 1024;
/** A container can write a line of any length, but the monitor cuts it into parts far below this. */
const LONGEST_LINE = 1024 * 1024;

export function openPrinter(options: PrintOptions, sink: LogSink): LogPrinter {
  const out = Buffer.alloc(ROOM);
  let used = 0;
  let stream: 1 | 2 = 1;
  /** The stream stands in the middle of a line of the container. */
  const isInside = [false, false, false];
  const line = emptyLogLine();
  const isPlain = options.since === undefined && options.until === undefined &&
    !options.timestamps && !options.prefix;
  const prefix = Buffer.from(options.prefix ?? "");
  let rest = Buffer.alloc(0);
  let pastUntil = false;
  let lastTime = "";
  let lastIsWanted = true;

  function flush(): void {
    if (used > 0) sink.write(stream, out.subarray(0, used));
    used = 0;
  }

  function put(bytes: Buffer, start: number, end: number): void {
    if (used + end - start > ROOM) flush();
    if (end - start > ROOM) return sink.write(stream, bytes.subarray(start, end));
    bytes.copy(out, used, start, end);
    used += end - start;
  }

  /** Is the line's time between `since` and `until`? Lines written together have one time. */
  function isWanted(time: string): boolean {
    if (time === lastTime) return lastIsWanted;
    lastTime = time;
    const at = logTime(time);
    if (at === null) return lastIsWanted = true;
    if (options.until !== undefined && at >= options.until) pastUntil = true;
    return lastIsWanted = !pastUntil && (options.since === undefined || at > options.since);
  }

  /** Everything but the text; false when the line is not to be shown. */
  function putFront(bytes: Buffer, start: number): boolean {
    const time = bytes.toString("latin1", start, line.timeEnd);
    if (!isWanted(time)) return false;
    if (isInside[line.stream]) return true;
    put(prefix, 0, prefix.length);
    if (options.timestamps) {
      // As Go writes a time: an offset of nothing is "Z".
      const shown = Buffer.from(`${time.replace(/\+00:00$/, "Z")} `);
      put(shown, 0, shown.length);
    }
    return true;
  }

  /** `end` is behind the newline, if `hasNewline`. */
  function print(bytes: Buffer, start: number, end: number, hasNewline: boolean): void {
    const textEnd = hasNewline ? end - 1 : end;
    if (!readLogLine(bytes, start, textEnd, line)) return;
    if (line.stream !== stream) {
      flush();
      stream = line.stream;
    }
    if (!isPlain && !putFront(bytes, start)) return;
    put(bytes, line.textStart, line.partial ? textEnd : end);
    isInside[stream] = line.partial;
  }

  return {
    feed(chunk) {
      let bytes = chunk;
      if (rest.length > 0) {
        bytes = Buffer.concat([rest, chunk]);
        rest = Buffer.alloc(0);
      }
      let start = 0;
      while (!pastUntil) {
        const newline = bytes.indexOf(NEWLINE, start);
        if (newline < 0) break;
        print(bytes, start, newline + 1, true);
        start = newline + 1;
      }
      // The chunk is the caller's: what is kept must be a copy. Garbage without end is not kept.
      if (bytes.length - start < LONGEST_LINE) rest = Buffer.from(bytes.subarray(start));
    },
    endFile() {
      if (rest.length > 0 && !pastUntil) print(rest, 0, rest.length, false);
      rest = Buffer.alloc(0);
    },
    flush,
    isPastUntil: () => pastUntil,
  };
}
