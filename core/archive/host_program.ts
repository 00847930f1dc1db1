/**
 * A stream through a program of the host (xz, bzip2): what goes in and what comes out take turns, so
 * that neither pipe can fill up while we wait at the other.
 */
import { CoracleError, hasCode, isErrno } from "../errors.ts";
import { close, type Fd, read, setNonBlocking, writeSome } from "../sys/at.ts";
import { pipe, poll } from "../sys/pipe.ts";
import { ignoreSignal, sendSignal, SIGNALS } from "../sys/process.ts";
import { spawnChild, waitChild } from "../sys/spawn.ts";

export interface HostProgram {
  readonly command: readonly [name: string, ...options: string[]];
  /** The Debian package that has it. */
  readonly package: string;
}

interface Child {
  readonly pid: number;
  readonly output: Fd;
  readonly messages: Fd;
  /** -1 once it is closed. */
  input: Fd;
  hasEnded: boolean;
}

const CHUNK = 256 * 1024;

/**
 * The program's output for `source` as its input. Throws `corrupt` with the program's own words when
 * it fails, `unsupported` when it is not installed.
 */
export async function* throughProgram(
  program: HostProgram,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const child = startProgram(program);
  try {
    for await (const chunk of source) {
      for (let rest = chunk; rest.length > 0 && child.input >= 0;) {
        const [out, into] = poll([
          { fd: child.output, events: "in" },
          { fd: child.input, events: "out" },
        ], -1);
        if (out?.ready) {
          const bytes = take(child.output);
          // Nothing more comes although input is left: the program has failed.
          if (bytes === null) endInput(child);
          else yield bytes;
        } else if (into?.ready) rest = rest.subarray(give(child, rest));
      }
      if (child.input < 0) break;
    }
    endInput(child);
    for (let bytes = take(child.output); bytes !== null; bytes = take(child.output)) yield bytes;
    checkEnd(program, child);
  } finally {
    stop(child);
  }
}

function startProgram(program: HostProgram): Child {
  const input = pipe();
  const output = pipe();
  const messages = pipe();
  const ours = [input.write, output.read, messages.read];
  try {
    const ends = { stdin: input.read, stdout: output.write, stderr: messages.write };
    const pid = spawnChild(program.command, ends);
    // A program that ends early is EPIPE for us and must not end us.
    ignoreSignal(SIGNALS["PIPE"] ?? 13);
    setNonBlocking(input.write, true);
    return {
      pid,
      input: input.write,
      output: output.read,
      messages: messages.read,
      hasEnded: false,
    };
  } catch (error) {
    ours.forEach(close);
    throw hasCode(error, "notfound") ? notInstalled(program, error) : error;
  } finally {
    [input.read, output.write, messages.write].forEach(close);
  }
}

function take(fd: Fd): Uint8Array | null {
  const bytes = new Uint8Array(new ArrayBuffer(CHUNK));
  const count = read(fd, bytes);
  return count === 0 ? null : bytes.subarray(0, count);
}

function give(child: Child, bytes: Uint8Array): number {
  try {
    return writeSome(child.input, bytes);
  } catch (error) {
    if (!isErrno(error, "EPIPE")) throw error;
    endInput(child);
    return 0;
  }
}

function endInput(child: Child): void {
  if (child.input >= 0) close(child.input);
  child.input = -1;
}

function checkEnd(program: HostProgram, child: Child): void {
  const said = Buffer.from(take(child.messages) ?? []).toString("utf8").trim();
  const { status, signal } = waitChild(child.pid);
  child.hasEnded = true;
  if (status === 0) return;
  const [name] = program.command;
  const how = signal === null
    ? `${name} ended with status ${status}`
    : `${name} was ended by ${signal}`;
  throw new CoracleError("corrupt", `cannot decompress ${name} data`, {
    why: said === "" ? how : said.split("\n").at(-1),
  });
}

function stop(child: Child): void {
  endInput(child);
  close(child.output);
  close(child.messages);
  if (child.hasEnded) return;
  sendSignal(child.pid, SIGNALS["KILL"] ?? 9);
  waitChild(child.pid);
}

function notInstalled(program: HostProgram, cause: unknown): CoracleError {
  const [name] = program.command;
  return new CoracleError("unsupported", `cannot decompress ${name} data`, {
    why: `the program ${JSON.stringify(name)} is not installed`,
    hint: `install the Debian package ${JSON.stringify(program.package)}`,
    cause,
  });
}
