/** An error as lines for people and as an object for programs (`--log-format json`). */
import { CoracleError, ProcessError, SysError } from "../errors.ts";

export interface ErrorObject {
  /** A stable word out of `ErrorCode`, or `bug`. */
  readonly code: string;
  readonly what: string;
  readonly why?: string;
  readonly hint?: string;
  readonly status: number;
  readonly call?: string;
  readonly path?: string;
  readonly errno?: string;
  readonly command?: readonly string[];
  readonly stderr?: string;
  /** Only of a bug. */
  readonly stack?: string;
}

const FAILED = 125;

export function errorObject(error: unknown): ErrorObject {
  if (!(error instanceof CoracleError)) {
    const stack = error instanceof Error ? error.stack : undefined;
    return { code: "bug", what: messageOf(error), status: FAILED, ...(stack ? { stack } : {}) };
  }
  return {
    code: error.code,
    what: error.what,
    ...(error.why === undefined ? {} : { why: error.why }),
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    status: error.exitStatus,
    ...(error instanceof SysError
      ? { call: error.call, path: error.path, errno: error.errnoName }
      : {}),
    ...(error instanceof ProcessError ? { command: error.command, stderr: error.stderr } : {}),
  };
}

/** `coracle: cannot …`, `try: …`, and the causes below when asked for. */
export function errorLines(error: unknown, options: { readonly withCauses: boolean }): string[] {
  if (!(error instanceof CoracleError)) {
    const stack = error instanceof Error ? error.stack : undefined;
    return [
      `coracle: this is a bug in coracle: ${messageOf(error)}`,
      ...(stack === undefined ? [] : [stack]),
    ];
  }
  const lines = [`coracle: ${visible(error.message)}`];
  if (error.hint !== undefined) lines.push(`try: ${visible(error.hint)}`);
  if (!options.withCauses) return lines;
  if (error.stack !== undefined) lines.push(...error.stack.split("\n").slice(1));
  for (let cause = error.cause; cause !== undefined; cause = causeOf(cause)) {
    const stack = cause instanceof Error ? cause.stack : undefined;
    lines.push(`because: ${stack ?? messageOf(cause)}`);
  }
  return lines;
}

/**
 * Names in messages come from archives and other people's images: control characters in them must
 * not reach the terminal.
 */
function visible(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g,
    (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
