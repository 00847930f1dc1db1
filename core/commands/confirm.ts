/** The question before something is removed for good. */
import { CoracleError } from "../errors.ts";
import { read } from "../sys/at.ts";
import type { Output } from "./output.ts";

const STDIN = 0;

/** Asks on standard output and reads a line. Fails with `usage` when there is nobody to answer. */
export function confirm(output: Output, warning: string): boolean {
  output.line(warning);
  output.write("Are you sure you want to continue? [y/N] ");
  output.flush();
  const answer = readLine();
  if (answer === null) {
    throw new CoracleError("usage", "cannot ask for confirmation", {
      why: "standard input is at its end: EOF",
      hint: "use --force to go on without a question",
    });
  }
  return answer.trim().toLowerCase().startsWith("y");
}

/** Byte by byte, so that nothing after the line is taken from the next reader. */
function readLine(): string | null {
  const byte = new Uint8Array(new ArrayBuffer(1));
  const bytes: number[] = [];
  while (read(STDIN, byte) === 1) {
    const [value = 0] = byte;
    if (value === 0x0a) return Buffer.from(bytes).toString("utf8");
    bytes.push(value);
  }
  return bytes.length === 0 ? null : Buffer.from(bytes).toString("utf8");
}
