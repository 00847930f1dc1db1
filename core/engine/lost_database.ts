/**
 * A store whose database is gone must not be taken for a new one: the next recovery would remove
 * every layer and volume as nobody's.
 */
import { CoracleError } from "../errors.ts";
import { listNames, lookAtText } from "../sys/files.ts";
import type { StorePaths } from "./engine.ts";

export function databasePath(paths: Pick<StorePaths, "root">): string {
  return `${paths.root}/state.db`;
}

/** Looked at before the database is opened, which would make one. Fails with `corrupt`. */
export function refuseLostDatabase(paths: StorePaths): void {
  if (!isDatabaseLost(paths)) return;
  throw new CoracleError("corrupt", `cannot use the store ${JSON.stringify(paths.root)}`, {
    why: "it has content but its database state.db is gone",
    hint: 'put the database together again with "coracle system check --repair"',
  });
}

/** True when there is no database although the store has content. */
export function isDatabaseLost(paths: StorePaths): boolean {
  // In this order: whoever makes a store makes its database before its content.
  return !hasDatabase(paths) && hasContent(paths) && !hasDatabase(paths);
}

/** An empty file is what a power cut leaves of one. */
function hasDatabase(paths: StorePaths): boolean {
  return (lookAtText(databasePath(paths))?.size ?? 0) > 0;
}

function hasContent(paths: StorePaths): boolean {
  return [`${paths.blobs}/sha256`, paths.containers, paths.volumes, `${paths.records}/layers`]
    .some((folder) => listNames(folder).length > 0);
}
