/** For tables of wrong input: what an error says, and its code. */
import { CoracleError } from "../../../core/errors.ts";

/** The reason in the error that `act` throws; a bug of ours is thrown on. */
export function whyOf(act: () => unknown, code = "usage"): string {
  try {
    act();
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    if (error.code !== code) throw error;
    return error.why ?? "";
  }
  throw new Error("nothing was thrown");
}
