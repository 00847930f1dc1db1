/** An image on its way out of the store, and what the writers of the formats share. */
import { decompressed } from "../archive/compression.ts";
import { Sha256Sink } from "../archive/digest.ts";
import { CoracleError } from "../errors.ts";
import { close, type Fd } from "../sys/at.ts";
import type { Descriptor, DiffId, Digest, Manifest } from "../terms.ts";
import { type BlobStore, openBlob } from "./blobs.ts";
import { layerCompression } from "./manifest.ts";

export interface SavedImage {
  /** Full names; may be empty. */
  readonly names: readonly string[];
  readonly configDigest: Digest;
  readonly configBytes: Uint8Array;
  /** The manifest's bytes as they are kept. */
  readonly manifestBytes: Uint8Array;
  readonly manifestDigest: Digest;
  readonly mediaType: string;
  readonly manifest: Manifest;
  /** Bottom first, as many as the manifest's layers. */
  readonly diffIds: readonly DiffId[];
}

/** Is the blob of this layer the plain tar? A media type may say gzip of what is not. */
export function isPlainLayer(layer: Descriptor, diffId: DiffId): boolean {
  return layerCompression(layer.mediaType) === "none" || layer.digest === diffId as string;
}

/** Calls `work` with the blob open; closes it. */
export function useBlob<T>(
  store: BlobStore,
  digest: Digest,
  work: (fd: Fd, size: number) => T,
): T {
  const { fd, stat } = openBlob(store, digest);
  try {
    return work(fd, stat.size);
  } finally {
    close(fd);
  }
}

/**
 * The layer's plain tar out of its compressed blob. Fails with `corrupt` at the end when the bytes
 * are not those of `diffId`.
 */
export async function* plainLayer(
  store: BlobStore,
  digest: Digest,
  diffId: DiffId,
): AsyncGenerator<Uint8Array> {
  const { fd } = openBlob(store, digest);
  try {
    const hash = new Sha256Sink();
    for await (const chunk of decompressed(fd)) {
      hash.write(chunk);
      yield chunk;
    }
    const found = hash.digest() as string;
    if (found !== diffId) {
      throw new CoracleError("corrupt", `cannot save layer "${digest}"`, {
        why: `its content has the digest ${found}, not ${diffId}`,
        hint: "load the image again",
      });
    }
  } finally {
    close(fd);
  }
}
