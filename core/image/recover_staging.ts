/**
 * Gives back what killed processes left in `staging/`. Beside `blob_staging.ts` and not in it, so
 * that every command can ask without loading what hashes.
 */
import { listNames, lookAtText, removeFile, removeTree } from "../sys/files.ts";
import { isAlive } from "../sys/process.ts";
import type { DiffId, Digest } from "../terms.ts";
import { type BlobStore, recipePath, removeBlob } from "./blobs.ts";

/** `<pid>-<start>-<n>` of a staging folder. */
const OWNED = /^(\d+)-(\d+)-\d+$/;

/** Folders in `staging` whose process is dead. One directory read when there is none. */
export function abandonedStaging(store: BlobStore): string[] {
  return listNames(store.staging).filter((name) => {
    const [, pid, start] = OWNED.exec(name) ?? [];
    return start !== undefined && !isAlive({ pid: Number(pid), start });
  });
}

/**
 * Removes a dead process' folder, and before it the blobs and recipes it had put into the store
 * without a record (or had taken the record from). The caller holds the lock under which records of
 * blobs change.
 */
export function removeAbandoned(
  store: BlobStore,
  name: string,
  uses: { blob(digest: Digest): boolean; recipe(diffId: DiffId): boolean },
): void {
  const path = `${store.staging}/${name}`;
  if (lookAtText(path) === null) return;
  for (const file of listNames(path)) {
    const [, hex, recipe] = /^([0-9a-f]{64})(\.recipe)?$/.exec(file) ?? [];
    if (hex === undefined) continue;
    const digest = `sha256:${hex}`;
    if (recipe === undefined) {
      if (!uses.blob(digest as Digest)) removeBlob(store, digest as Digest);
    } else if (!uses.recipe(digest as DiffId)) removeFile(recipePath(store, digest as DiffId));
  }
  removeTree(path);
}
