/** An image on its way out of the store, and what the writers of the formats share. */
import { chunksOf, decompressed } from "../archive/compression.ts";
import { Sha256Sink } from "../archive/digest.ts";
import { CoracleError } from "../errors.ts";
import { close, type Fd } from "../sys/at.ts";
import type { Descriptor, DiffId, Digest, Manifest } from "../terms.ts";
import type { ArchiveTarget } from "./archive_target.ts";
import { type BlobStore, hasBlob, openBlob } from "./blobs.ts";
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

/**
 * Writes the layer as it came: its blob, or when that is not kept the same bytes out of the layer's
 * tree. Fails with `corrupt` when it has neither.
 */
export function writeLayerBlob(
  store: BlobStore,
  target: ArchiveTarget,
  name: string,
  layer: Descriptor,
): void {
  const chunks = hasBlob(store, layer.digest) ? null : recreatedLayer(store, layer.digest);
  if (chunks === null) {
    useBlob(store, layer.digest, (fd, size) => target.copy(name, fd, size));
  } else target.pieces(name, layer.size, chunks);
}

/** Null when the layer cannot be made again; a compressed one never can. */
function recreatedLayer(store: BlobStore, digest: Digest): Iterable<Uint8Array> | null {
  return store.recreate?.(digest as string as DiffId) ?? null;
}

/** The bytes of a layer's blob, or of the layer made again. */
export async function* layerBytes(store: BlobStore, digest: Digest): AsyncGenerator<Uint8Array> {
  const chunks = hasBlob(store, digest) ? null : recreatedLayer(store, digest);
  if (chunks !== null) return yield* chunks;
  const { fd } = openBlob(store, digest);
  try {
    yield* chunksOf(fd);
  } finally {
    close(fd);
  }
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
  // Of a compressed blob that is lost the tree still has what is wanted here.
  const again = hasBlob(store, digest) ? null : recreatedLayer(store, diffId as string as Digest);
  if (again !== null) return yield* again;
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
