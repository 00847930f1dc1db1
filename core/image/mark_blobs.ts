/** Marks for recovery: which blobs a process was about to remove when it was killed. */
import { isErrno } from "../errors.ts";
import { AT_FDCWD, linkAt } from "../sys/at.ts";
import { makeDirs, removeTree } from "../sys/files.ts";
import { selfIdentity } from "../sys/process.ts";
import { type Digest, raw } from "../terms.ts";
import { blobPath, type BlobStore, hexOf } from "./blobs.ts";

let lastNumber = 0;

/** A new folder of this process beneath `staging`, named so that recovery knows its owner. */
export function makeStagingFolder(staging: string): string {
  const { pid, start } = selfIdentity();
  const path = `${staging}/${pid}-${start}-${++lastNumber}`;
  makeDirs(path, 0o700);
  return path;
}

/**
 * Links the blobs into a staging folder of this process until it is disposed. A recovery that finds
 * the folder after a kill removes those of them that no record names.
 */
export function markBlobs(store: BlobStore, blobs: readonly Digest[]): Disposable {
  const folder = makeStagingFolder(store.staging);
  for (const blob of blobs) {
    try {
      linkAt(AT_FDCWD, raw(blobPath(store, blob)), AT_FDCWD, raw(`${folder}/${hexOf(blob)}`));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
  return { [Symbol.dispose]: () => removeTree(folder) };
}
