/** What a case says about a refusal. */
import { strictEqual } from "node:assert/strict";
import { CoracleError, type ErrorCode } from "../../../core/errors.ts";

/** Runs `work`, which must fail with this code; gives the error. */
export function expectCode(code: ErrorCode, work: () => unknown): CoracleError {
  try {
    work();
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    strictEqual(error.code, code, error.message);
    return error;
  }
  throw new Error(`it should fail with "${code}" and did not`);
}
