/** Asks before something is removed for good. */
import { CoracleError } from "../errors.ts";
import { read } from "../sys/at.ts";
import type { Output } from "./output.ts";

/** Longer than any answer. */
const ANSWER = 1024;

/**
 * Prints the question with " [y/N] " and reads a line of standard input. Only an answer that begins
 * with "y" is a yes. Fails with `usage` when there is nobody to answer.
 */
export function confirm(
  output: Output,
  question = "Are you sure you want to continue?",
): boolean {
  output.write(`${question} [y/N] `);
  output.flush();
  const answer = readLine();
  if (answer !== null) return answer.trim().toLowerCase().startsWith("y");
  output.line("");
  throw new CoracleError("usage", "cannot ask for confirmation", {
    why: "EOF on standard input",
    hint: 'answer "y", or use "--force"',
  });
}

/** Byte by byte: what follows the line belongs to somebody else. Null at the end of input. */
function readLine(): string | null {
  const bytes: number[] = [];
  const one = new Uint8Array(new ArrayBuffer(1));
  while (bytes.length < ANSWER) {
    if (read(0, one) === 0) return bytes.length === 0 ? null : Buffer.from(bytes).toString();
    const byte = one[0] ?? 10;
    if (byte === 10) break;
    bytes.push(byte);
  }
  return Buffer.from(bytes).toString();
}
