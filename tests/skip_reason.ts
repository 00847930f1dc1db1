/**
 * Why a test cannot run on this host, said aloud: neither runtime prints the reason of a skipped
 * test. Use: `test("…", { skip: skipUnless({ root: true, programs: ["skopeo"] }) }, …)`.
 */
import process from "node:process";
import { findProgram } from "../tools/command.ts";

export interface Needs {
  readonly root?: boolean;
  /** Programs that have to be in PATH. */
  readonly programs?: readonly string[];
  /** Any other condition, as the reason when it is not met, else false. */
  readonly other?: string | false;
}

/** False when the host has everything, else the reason, which is also printed. */
export function skipUnless(needs: Needs): string | false {
  const missing = (needs.programs ?? []).filter((name) => findProgram(name) === null);
  const reason = needs.root && process.getuid?.() !== 0
    ? "needs root"
    : missing.length > 0
    ? `needs ${missing.join(", ")}`
    : needs.other;
  if (!reason) return false;
  console.log(`skipped: ${reason}`);
  return reason;
}
