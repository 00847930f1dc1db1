/**
 * `image drop-blobs`: the bytes of layers as they came are given back, because tree and recipe give
 * them again. What came compressed comes back uncompressed, so the image gets another manifest.
 */
import { digestOf } from "../archive/digest.ts";
import { contentBytes, readRecipe } from "../archive/recipe.ts";
import { CoracleError, hasCode } from "../errors.ts";
import { BlobStaging } from "../image/blob_staging.ts";
import { blobSize, hasBlob, removeBlob } from "../image/blobs.ts";
import { layerType, writeManifest } from "../image/manifest.ts";
import { markBlobs } from "../image/mark_blobs.ts";
import { isPlainLayer } from "../image/saved_image.ts";
import { findRecipe } from "../layer/recipe.ts";
import { imageById, isBlobUsed, replaceManifest } from "../state/images.ts";
import { close, O } from "../sys/at.ts";
import { openText } from "../sys/files.ts";
import type { Descriptor, DiffId, Digest, ImageId } from "../terms.ts";
import { ensureRecipe } from "./blob_recipe.ts";
import type { Engine } from "./engine.ts";
import { readImageConfig, readImageManifest } from "./images.ts";
import { lockImages } from "./recover_images.ts";
import { writeImageNotes } from "./store_records.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export interface DropOptions {
  /** Layers that came compressed keep their blobs, and the image its manifest. */
  readonly keepCompressed?: boolean;
}

export interface DroppedBlobs {
  readonly image: ImageId;
  /** Given back; what another image still needs is not. */
  readonly bytes: number;
  /** The manifest it has from now on, when that is another one. */
  readonly newManifest: Digest | null;
  /** Layers whose blob is still needed, and why. */
  readonly kept: readonly { readonly digest: Digest; readonly why: string }[];
}

/**
 * Drops the blobs of the image's layers, each after its tar was made again and found to be the same.
 * Fails with `notfound` when the image is gone meanwhile.
 */
export async function dropBlobs(
  engine: Parts,
  id: ImageId,
  options: DropOptions = {},
): Promise<DroppedBlobs> {
  using staging = new BlobStaging(engine.paths);
  const row = imageById(engine.db, id);
  if (row === undefined) throw gone(id);
  const { manifest, mediaType } = readImageManifest(engine, row);
  const diffIds = readImageConfig(engine, row).rootfs.diff_ids;
  const kept: DroppedBlobs["kept"][number][] = [];
  const layers: Descriptor[] = [];
  for (const [i, layer] of manifest.layers.entries()) {
    const diffId = diffIds[i] ?? "" as DiffId;
    const isPlain = isPlainLayer(layer, diffId);
    let why = !isPlain && options.keepCompressed ? "it is compressed" : null;
    if (why === null && hasBlob(engine.paths, layer.digest)) {
      why = await whyNot(() => ensureRecipe(engine, staging, { digest: layer.digest, diffId }));
    }
    if (why !== null) kept.push({ digest: layer.digest, why });
    layers.push(
      why !== null || isPlain ? layer : plainDescriptor(engine, layer, {
        diffId,
        mediaType: layerType(mediaType, "none"),
      }),
    );
  }
  const isSame = layers.every((layer, i) => layer.digest === manifest.layers[i]?.digest);
  const bytes = isSame ? null : writeManifest(mediaType, { ...manifest, layers });
  const newManifest = bytes === null ? null : digestOf(bytes);
  if (bytes !== null) staging.put(bytes);
  staging.publish();
  staging.sync();
  const needed = new Set([
    newManifest ?? row.manifest,
    manifest.config.digest,
    ...kept.map(({ digest }) => digest),
  ]);
  const old = new Set([row.manifest, ...manifest.layers.map(({ digest }) => digest)]);
  const given = replace(engine, { id, manifest: row.manifest }, {
    manifest: newManifest ?? row.manifest,
    blobs: [...needed],
    old: [...old],
  });
  return { image: id, bytes: given, newManifest, kept };
}

function gone(id: ImageId): CoracleError {
  return new CoracleError("notfound", `cannot drop the blobs of image "${id.slice(0, 12)}"`, {
    why: "image not known: it was removed or loaded again meanwhile",
  });
}

/** Null when it worked. */
async function whyNot(work: () => Promise<void>): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (!hasCode(error, "corrupt")) throw error;
    return error.why ?? error.what;
  }
}

function plainDescriptor(
  { layers, paths }: Parts,
  { annotations }: Descriptor,
  plain: { readonly diffId: DiffId; readonly mediaType: string },
): Descriptor {
  const found = findRecipe(layers, plain.diffId, paths.recipes);
  if (found === null) throw new Error(`layer ${plain.diffId} has no recipe`);
  const fd = openText(found.recipe, O.RDONLY);
  let size = 0;
  try {
    for (const step of readRecipe(fd)) {
      size += step.kind === "raw" ? step.bytes.length : contentBytes(step.file);
    }
  } finally {
    close(fd);
  }
  return {
    mediaType: plain.mediaType,
    size,
    digest: plain.diffId as string as Digest,
    ...(annotations === undefined ? {} : { annotations }),
  };
}

/** Records first, then blobs; returns the bytes given back. */
function replace(
  { db, paths }: Parts,
  before: { readonly id: ImageId; readonly manifest: Digest },
  after: {
    readonly manifest: Digest;
    readonly blobs: readonly Digest[];
    readonly old: readonly Digest[];
  },
): number {
  // The marks go last, outside the lock: with them goes the space, which takes time.
  using _marks = markBlobs(paths, after.old);
  using _lock = lockImages(paths);
  if (imageById(db, before.id)?.manifest !== before.manifest) throw gone(before.id);
  replaceManifest(db, before.id, after.manifest, after.blobs);
  writeImageNotes({ db, paths });
  let bytes = 0;
  for (const blob of after.old) {
    if (isBlobUsed(db, blob) || !hasBlob(paths, blob)) continue;
    bytes += blobSize(paths, blob);
    removeBlob(paths, blob);
  }
  return bytes;
}
