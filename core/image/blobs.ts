/**
 * The content store: manifests, configs and layers as they came, each in a file named by its digest
 * (`blobs/sha256/<hex>`). Reading and removing; blobs come in through `blob_staging.ts`.
 */
import { CoracleError, isErrno } from "../errors.ts";
import { close, type Fd, O, read, type Stat, statFd } from "../sys/at.ts";
import { listNames, lookAtText, openText, removeFile } from "../sys/files.ts";
import type { DiffId, Digest } from "../terms.ts";

/** The directories of the content store; `StorePaths` has both. */
export interface BlobStore {
  readonly blobs: string;
  readonly staging: string;
  /** Recipes of layers, each named by the hex digits of the layer's diff id. */
  readonly recipes: string;
  /**
   * The plain tar of a layer whose blob is not kept, made again from its tree; each chunk is memory
   * of its own. Null when it cannot be. Throws `corrupt` on the way when the tree is damaged.
   */
  readonly recreate?: (diffId: DiffId) => Iterable<Uint8Array> | null;
}

/** A blob's file name: the digest without its algorithm. */
export function hexOf(digest: Digest): string {
  return digest.slice("sha256:".length);
}

export function blobFolder(store: BlobStore): string {
  return `${store.blobs}/sha256`;
}

/** Where the recipe of a layer is kept. */
export function recipePath(store: Pick<BlobStore, "recipes">, diffId: DiffId): string {
  return `${store.recipes}/${diffId.slice("sha256:".length)}`;
}

export function blobPath(store: BlobStore, digest: Digest): string {
  return `${blobFolder(store)}/${hexOf(digest)}`;
}

/** Is the file there? Only a blob that a record names may be relied on. */
export function hasBlob(store: BlobStore, digest: Digest): boolean {
  return lookAtText(blobPath(store, digest)) !== null;
}

/** Bytes of the blob. Fails with `corrupt` when it is missing. */
export function blobSize(store: BlobStore, digest: Digest): number {
  const found = lookAtText(blobPath(store, digest));
  if (found === null) throw missing(digest);
  return found.size;
}

function missing(digest: Digest): CoracleError {
  return new CoracleError("corrupt", `cannot read blob "${digest}"`, {
    why: "it is missing from the store",
    hint: "load the image again",
  });
}

/** Opens the blob for reading; the caller closes. Fails with `corrupt` when it is missing. */
export function openBlob(store: BlobStore, digest: Digest): { fd: Fd; stat: Stat } {
  try {
    const fd = openText(blobPath(store, digest), O.RDONLY | O.NOFOLLOW);
    return { fd, stat: statFd(fd) };
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw missing(digest);
    throw error;
  }
}

/** The whole blob, at most `limit` bytes. For manifests and configs. */
export function readBlob(store: BlobStore, digest: Digest, limit: number): Uint8Array<ArrayBuffer> {
  const { fd, stat } = openBlob(store, digest);
  try {
    if (stat.size > limit) {
      throw new CoracleError("corrupt", `cannot read blob "${digest}"`, {
        why: `it has ${stat.size} bytes, the limit is ${limit}`,
      });
    }
    const bytes = new Uint8Array(new ArrayBuffer(stat.size));
    let done = 0;
    for (let count = 1; done < bytes.length && count > 0; done += count) {
      count = read(fd, bytes.subarray(done));
    }
    return bytes.subarray(0, done);
  } finally {
    close(fd);
  }
}

/** Quiet when it is gone. No record may name it any more. */
export function removeBlob(store: BlobStore, digest: Digest): void {
  removeFile(blobPath(store, digest));
}

/** Every blob on disk, whatever the records say. */
export function listBlobs(store: BlobStore): Digest[] {
  return listNames(blobFolder(store))
    .filter((name) => /^[0-9a-f]{64}$/.test(name))
    .map((name) => `sha256:${name}` as Digest);
}
