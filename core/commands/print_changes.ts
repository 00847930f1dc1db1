/** Lists of changes as Podman's `diff` prints them: lines, or JSON with a list per kind. */
import { CoracleError } from "../errors.ts";
import { type Change, text } from "../terms.ts";
import type { Output } from "./output.ts";

const LETTERS = { add: "A", modify: "C", delete: "D" } as const;
const LISTS = { modify: "changed", add: "added", delete: "deleted" } as const;

export function printChanges(
  output: Output,
  changes: readonly Change[],
  format: string | undefined,
): void {
  if (isJson(format)) return output.write(`${JSON.stringify(byKind(changes), null, 5)}\n`);
  for (const { kind, path } of changes) output.line(`${LETTERS[kind]} /${text(path)}`);
}

/** Fails with `usage` for any other format. */
function isJson(format: string | undefined): boolean {
  if (format === undefined || format === "") return false;
  if (/^(json|\{\{\s*json\s*\.\s*\}\})$/.test(format.trim())) return true;
  throw new CoracleError("usage", "cannot list the changes", {
    why: "only supported value for '--format' is 'json'",
  });
}

/** Kinds without a path are left out. */
function byKind(changes: readonly Change[]): Record<string, string[]> {
  const lists = Object.entries(LISTS).map(([kind, list]): [string, string[]] => [
    list,
    changes.filter((change) => change.kind === kind).map(({ path }) => `/${text(path)}`),
  ]);
  return Object.fromEntries(lists.filter(([, paths]) => paths.length > 0));
}
