/**
 * Standard output and standard error of a command: buffered, synchronous writes to the file
 * descriptors. `process.stdout` is avoided: its first touch costs 9-13 ms in Bun.
 */
import { isErrno } from "../errors.ts";
import * as at from "../sys/at.ts";
import { isTerminal } from "../sys/terminal.ts";
import type { LogLevel } from "./context.ts";

const STDOUT = 1;
const STDERR = 2;
/** Pipes take 64 KiB at once; a larger buffer gains nothing. */
const BUFFER = 64 * 1024;
const LEVELS: readonly LogLevel[] = ["trace", "debug", "info", "warn", "error", "fatal", "panic"];

/** Whoever read our output has gone (`coracle ps | head -1`): the process ends without a word. */
export class OutputClosed extends Error {}

export interface OutputOptions {
  readonly logLevel?: LogLevel;
  readonly logFormat?: "text" | "json";
  readonly noOut?: boolean;
  /** Other descriptors than 1 and 2, for tests. */
  readonly stdout?: number;
  readonly stderr?: number;
}

export interface Output {
  /** Text and a newline to standard output. */
  line(text: string): void;
  /** As it is, to standard output; bytes are written before this returns. */
  write(data: string | Uint8Array): void;
  /** Bytes as they are to standard output (1) or standard error (2), after what is held. */
  writeTo(stream: 1 | 2, bytes: Uint8Array): void;
  /** A value as Podman prints it: JSON indented by four spaces, and a newline. */
  json(value: unknown): void;
  /** Text and a newline to standard error, after what standard output still holds. */
  error(text: string): void;
  /** `coracle: warning: …` to standard error unless the log level is above `warn`. */
  warn(text: string): void;
  /** `coracle: debug: …` to standard error with `--log-level debug` or `trace`. */
  debug(text: string): void;
  /** Sends what is buffered; `cli.ts` does it at the end, a command before it waits or attaches. */
  flush(): void;
  /** Is standard output a terminal? */
  readonly isTerminal: boolean;
}

function send(fd: number, bytes: Uint8Array): void {
  try {
    at.write(fd, bytes);
  } catch (cause) {
    if (isErrno(cause, "EPIPE")) throw new OutputClosed("the reader has gone", { cause });
    throw cause;
  }
}

/** The output of one process. Any of its methods throws `OutputClosed` when nobody reads any more. */
export function openOutput(options: OutputOptions = {}): Output {
  const out = options.stdout ?? STDOUT;
  const err = options.stderr ?? STDERR;
  const level = LEVELS.indexOf(options.logLevel ?? "warn");
  const encoder = new TextEncoder();
  let held = "";
  let terminal: boolean | undefined;

  const flush = (): void => {
    if (held === "") return;
    const bytes = encoder.encode(held);
    held = "";
    if (!options.noOut) send(out, bytes);
  };
  const write = (data: string | Uint8Array): void => {
    if (typeof data === "string") {
      held += data;
      if (held.length >= BUFFER) flush();
    } else {
      flush();
      if (!options.noOut) send(out, data);
    }
  };
  const error = (text: string): void => {
    flush();
    send(err, encoder.encode(`${text}\n`));
  };
  const writeTo = (stream: 1 | 2, bytes: Uint8Array): void => {
    if (stream === 1) return write(bytes);
    flush();
    send(err, bytes);
  };
  const log = (name: LogLevel, word: string, text: string): void => {
    if (LEVELS.indexOf(name) < level) return;
    if (options.logFormat === "json") error(JSON.stringify({ level: name, message: text }));
    else error(`coracle: ${word}: ${text}`);
  };

  return {
    line: (text) => write(`${text}\n`),
    write,
    writeTo,
    json: (value) => write(`${JSON.stringify(value, null, 4)}\n`),
    error,
    warn: (text) => log("warn", "warning", text),
    debug: (text) => log("debug", "debug", text),
    flush,
    get isTerminal() {
      return terminal ??= isTerminal(out);
    },
  };
}
