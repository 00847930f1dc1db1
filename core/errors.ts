/**
 * The one error class of coracle, its codes, and the exit status each code has on the command line.
 *
 * A message begins with "cannot" and the action, quotes names and paths, says what was found and
 * what was wanted, and has no full stop. Where scripts rely on Podman's words ("no such container",
 * "no such image") those words are in the line.
 */

/** Stable, machine-readable reasons; scripts see them with `--log-format json`. */
export type ErrorCode =
  | "notfound" // a named object does not exist
  | "exists" // the name or id is taken
  | "busy" // in use: running, mounted, locked, has children
  | "state" // the object is in a state that does not allow the operation
  | "usage" // the command line is wrong
  | "config" // a configuration file is wrong
  | "unsupported" // this host, driver or build cannot do it
  | "corrupt" // data does not match its digest, format or record
  | "denied" // permission, or a path that leaves its root
  | "partial" // the work was done in part; what is missing was said
  | "notexecutable" // the command of a container is there but cannot be executed
  | "notcommand" // the command of a container does not exist
  | "failed"; // everything else

/** Exit status of the process for an error that reaches the door; as Podman's. */
export const EXIT_STATUS: Readonly<Record<ErrorCode, number>> = {
  notfound: 125,
  exists: 125,
  busy: 125,
  state: 125,
  usage: 125,
  config: 125,
  unsupported: 125,
  corrupt: 125,
  denied: 125,
  partial: 3,
  notexecutable: 126,
  notcommand: 127,
  failed: 125,
};

export interface ErrorDetails {
  /** The reason, one clause. */
  readonly why?: string;
  /** What the user can do next; printed on a line of its own after "try: ". */
  readonly hint?: string;
  /** What happened below; shown with `--log-level debug`. */
  readonly cause?: unknown;
  /** Exit status when this command has another one than the code's default (Podman: 1 or 2 in places). */
  readonly exitStatus?: number;
}

/** Any failure that a user can meet. Everything else that is thrown is a bug of ours. */
export class CoracleError extends Error {
  readonly code: ErrorCode;
  /** What could not be done: `cannot start container "web"`. */
  readonly what: string;
  readonly why: string | undefined;
  readonly hint: string | undefined;
  readonly exitStatus: number;

  constructor(code: ErrorCode, what: string, details: ErrorDetails = {}) {
    super(details.why === undefined ? what : `${what}: ${details.why}`, { cause: details.cause });
    this.name = "CoracleError";
    this.code = code;
    this.what = what;
    this.why = details.why;
    this.hint = details.hint;
    this.exitStatus = details.exitStatus ?? EXIT_STATUS[code];
  }
}

/** A failed system call: which call, on what, and the errno as a number and a name. */
export class SysError extends CoracleError {
  readonly call: string;
  readonly path: string;
  /** errno, e.g. 2. */
  readonly errno: number;
  /** errno's name, e.g. "ENOENT". */
  readonly errnoName: string;

  constructor(
    call: string,
    path: string,
    errno: { readonly number: number; readonly name: string; readonly words: string },
  ) {
    const code: ErrorCode = errno.name === "ENOENT"
      ? "notfound"
      : errno.name === "EEXIST"
      ? "exists"
      : errno.name === "EBUSY"
      ? "busy"
      : errno.name === "EPERM" || errno.name === "EACCES"
      ? "denied"
      : "failed";
    super(code, `cannot ${call} ${JSON.stringify(path)}`, { why: errno.words });
    this.name = "SysError";
    this.call = call;
    this.path = path;
    this.errno = errno.number;
    this.errnoName = errno.name;
  }
}

/** A child process that ended badly: its command, its status or signal, and the end of its stderr. */
export class ProcessError extends CoracleError {
  readonly command: readonly string[];
  /** Exit status 0-255, or null when a signal ended it. */
  readonly status: number | null;
  readonly signal: string | null;
  /** The last lines of standard error, at most 4 KiB. */
  readonly stderr: string;

  constructor(
    command: readonly string[],
    end: {
      readonly status: number | null;
      readonly signal: string | null;
      readonly stderr: string;
    },
    details: ErrorDetails & { readonly code?: ErrorCode; readonly what?: string } = {},
  ) {
    const how = end.signal === null ? `exit status ${end.status}` : `killed by ${end.signal}`;
    const said = end.stderr.trim();
    super(details.code ?? "failed", details.what ?? `cannot run ${JSON.stringify(command[0])}`, {
      why: said === "" ? how : `${said} (${how})`,
      ...details,
    });
    this.name = "ProcessError";
    this.command = command;
    this.status = end.status;
    this.signal = end.signal;
    this.stderr = said;
  }
}

/** True when `error` is a SysError with one of the given errno names. */
export function isErrno(error: unknown, ...names: string[]): error is SysError {
  return error instanceof SysError && names.includes(error.errnoName);
}

/** True when `error` is a CoracleError with one of the given codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): error is CoracleError {
  return error instanceof CoracleError && codes.includes(error.code);
}
