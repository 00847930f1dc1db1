/**
 * A union of aufs as the exact calls of mount(2) that make it; pure. One call cannot carry many
 * layers: see `CALL_BYTES` and `CALL_BRANCHES`, and what happens beyond them.
 */
import { CoracleError } from "../../core/errors.ts";
import { splitMountOptions } from "../../core/sys/mount.ts";
import type { MountPlan } from "./driver.ts";

/** AUFS_BRANCH_MAX of kernels as they are usually built: the writable branch and 126 below it. */
export const MOST_BRANCHES = 127;
export const MOST_LOWERS = MOST_BRANCHES - 1;

/**
 * Most branches that one call may name. The kernel keeps the options of a call in one page without
 * minding its end: from about 84 on it panics, whatever their length.
 */
export const CALL_BRANCHES = 48;

/**
 * Most bytes of options in one call. The kernel cuts them after 4095 without a word, and what is
 * left may be valid: the mount then succeeds with layers missing.
 */
export const CALL_BYTES = 4000;

/** "+wh": whiteouts in the branch are obeyed, also those that did not come from aufs itself. */
const LOWER = "ro+wh";
const UPPER = "rw";

/** One call of mount(2) for a union. */
export interface AufsCall {
  /** Words of mount(8); "remount" in all calls but the first. */
  readonly flags: readonly string[];
  readonly data: string;
  /** Branches that the union must have after this call. */
  readonly branches: number;
}

export interface AufsBranch {
  /** Relative to the plan's base. */
  readonly path: string;
  readonly permission: typeof LOWER | typeof UPPER;
}

/** The branches of a plan, topmost first. */
export function branchesOf(plan: MountPlan): AufsBranch[] {
  const lowers = plan.lowers.map((path): AufsBranch => ({ path, permission: LOWER }));
  return plan.upper === undefined ? lowers : [{ path: plan.upper, permission: UPPER }, ...lowers];
}

/**
 * The calls for a plan of type "aufs", in order: the first mounts the topmost branches with the
 * plan's options, the others append the rest from the top down. Options come before branches: what
 * the kernel refuses is then refused before it holds anything, and what it cuts off is missing in
 * the count. Fails with `unsupported` when the branches or the options are too many.
 */
export function aufsCalls(plan: MountPlan): AufsCall[] {
  const branches = branchesOf(plan);
  checkBranches(plan, branches);
  const { flags, data } = splitMountOptions(plan.options);
  const words = branches.map(({ path, permission }) => `${path}=${permission}`);
  const first = fit(words, 0, { before: data === "" ? "br:" : `${data},br:`, between: ":" });
  if (first.end === 0) throw tooLong(plan, data.length);
  const calls: AufsCall[] = [{ flags, data: first.data, branches: first.end }];
  for (let at = first.end; at < words.length;) {
    const next = fit(words, at, { before: "append:", between: ",append:" });
    if (next.end === at) throw tooLong(plan, words[at]?.length ?? 0);
    calls.push({ flags: ["remount", ...flags], data: next.data, branches: next.end });
    at = next.end;
  }
  return calls;
}

/** As many words from `start` on as one call may have; `end` is the first that is left. */
function fit(
  words: readonly string[],
  start: number,
  text: { readonly before: string; readonly between: string },
): { data: string; end: number } {
  let data = text.before;
  let end = start;
  for (; end < words.length && end - start < CALL_BRANCHES; end++) {
    const more = (end === start ? "" : text.between) + words[end];
    if (bytesOf(data + more) > CALL_BYTES) break;
    data += more;
  }
  return { data, end };
}

function bytesOf(data: string): number {
  return Buffer.byteLength(data);
}

/**
 * A name in the options ends at the first of `:`, `,` and `=`, and there is no way to write one
 * otherwise: only names that this driver made may come here.
 */
const SAFE_NAME = /^[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+)*$/;

function checkBranches(plan: MountPlan, branches: readonly AufsBranch[]): void {
  for (const { path } of branches) {
    if (!SAFE_NAME.test(path)) throw new Error(`${JSON.stringify(path)} cannot be a branch`);
  }
  if (new Set(branches.map(({ path }) => path)).size < branches.length) {
    throw new Error(`a branch of "${plan.path}" is named twice`);
  }
  if (branches.length === 0) throw new Error(`"${plan.path}" has no branches`);
  if (branches.length > MOST_BRANCHES) {
    throw new CoracleError("unsupported", `cannot mount "${plan.path}"`, {
      why: `it has ${branches.length} layers, and aufs shows at most ${MOST_BRANCHES}`,
    });
  }
}

function tooLong(plan: MountPlan, length: number): CoracleError {
  return new CoracleError("unsupported", `cannot mount "${plan.path}"`, {
    why: `an option of ${length} bytes leaves no room for layers in the ${CALL_BYTES} of one call`,
  });
}
