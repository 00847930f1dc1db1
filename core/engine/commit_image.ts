/**
 * The last step of `load` and `import`: blobs and layers are put in place and made durable, then the
 * records are written in one transaction, and only then is the image visible.
 */
import { hasBlob, recipePath, removeBlob } from "../image/blobs.ts";
import { markBlobs } from "../image/mark_blobs.ts";
import type { BlobStaging } from "../image/blob_staging.ts";
import { CoracleError } from "../errors.ts";
import { commitLayers } from "../layer/store.ts";
import { transaction } from "../state/database.ts";
import {
  blobsOfImage,
  imageById,
  type ImageRow,
  insertImage,
  isBlobUsed,
  nameImage,
  replaceManifest,
} from "../state/images.ts";
import { isDiffIdUsed, layerByChainId, layerById, layerChain } from "../state/layers.ts";
import { exists, lookAtText } from "../sys/files.ts";
import type { ChainId, DiffId, Digest, ImageConfig, ImageId, LayerId } from "../terms.ts";
import type { Engine } from "./engine.ts";
import type { Intake } from "./image_layers.ts";
import { lockImages } from "./recover_images.ts";
import { writeImageNotes } from "./store_records.ts";

/** An image ready to become visible. */
export interface NewImage {
  readonly id: ImageId;
  readonly manifest: Digest;
  /** The manifest came with the image; one made here never replaces it. */
  readonly isManifestOriginal: boolean;
  readonly config: ImageConfig;
  /** Everything the image needs: manifest, config, layers. */
  readonly blobs: readonly Digest[];
  /** Bytes of manifest and config. */
  readonly documentBytes: number;
  readonly top: ChainId | null;
  /** Full names it gets, each taken from whoever has it. */
  readonly names: readonly string[];
  /** The image it was committed from, if any. */
  readonly parent?: ImageId | null;
}

/**
 * Fails with `busy` when a removal took away what the store had when the intake began; then nothing
 * of it is in the store.
 */
export function commitImages(intake: Intake, images: readonly NewImage[]): void {
  const { engine, staging } = intake;
  try {
    commit(intake, images);
  } catch (error) {
    using _lock = lockImages(engine.paths);
    for (const blob of staging.kept) {
      if (!isBlobUsed(engine.db, blob)) removeBlob(engine.paths, blob);
    }
    throw error;
  }
}

function commit(intake: Intake, wanted: readonly NewImage[]): void {
  const { engine, staging } = intake;
  const images = wanted.map((image) => withoutDropped(intake, image));
  staging.publish();
  const layers = [...intake.layers.values()];
  if (layers.length > 0) commitLayers(engine.layers, layers);
  // The commit of layers has made their file system durable; blobs are usually on the same one.
  if (layers.length === 0 || !isOneFileSystem(engine, staging)) staging.sync();
  const replaced = images.flatMap((image) => blobsReplaced(engine, image));
  using _marks = replaced.length === 0 ? null : markBlobs(engine.paths, replaced);
  using _lock = lockImages(engine.paths);
  ensureBlobs(engine, staging, images);
  transaction(engine.db, () => {
    for (const image of images) insert(engine, image);
  }, { durable: true });
  // Those of an image that is there in another form, which stays, have no record.
  for (const blob of [...replaced, ...staging.kept]) {
    if (!isBlobUsed(engine.db, blob)) removeBlob(engine.paths, blob);
  }
  writeImageNotes(engine);
}

/** A layer below may have no blob any more (`drop-blobs`): its tree and recipe stand for it. */
function withoutDropped({ engine, staging }: Intake, image: NewImage): NewImage {
  const isDropped = (blob: Digest) =>
    !hasBlob(engine.paths, blob) && !staging.keeps(blob) &&
    exists(recipePath(engine.paths, blob as string as DiffId)) &&
    isDiffIdUsed(engine.db, blob as string as DiffId);
  return { ...image, blobs: image.blobs.filter((blob) => !isDropped(blob)) };
}

/** The blobs of an image that is there with another manifest, which this one replaces. */
function blobsReplaced({ db }: Pick<Engine, "db">, image: NewImage): Digest[] {
  const before = imageById(db, image.id);
  const isSame = before === undefined || before.manifest === image.manifest;
  return isSame || !image.isManifestOriginal ? [] : blobsOfImage(db, image.id);
}

function isOneFileSystem(engine: Pick<Engine, "paths">, staging: BlobStaging): boolean {
  return lookAtText(engine.paths.layers)?.dev === staging.device;
}

/** Under the lock: a removal may have taken blobs of ours with those of an image it removed. */
function ensureBlobs(
  engine: Pick<Engine, "paths">,
  staging: BlobStaging,
  images: readonly NewImage[],
): void {
  staging.publishRecipes();
  const missing = images.flatMap(({ blobs }) => blobs)
    .filter((blob) => !hasBlob(engine.paths, blob));
  if (missing.length === 0) return;
  if (!missing.every((blob) => staging.keeps(blob))) {
    throw new CoracleError("busy", "cannot finish the image", {
      why: "another process removed an image that shares content with it",
      hint: "run the command again",
    });
  }
  staging.publish();
  staging.sync();
}

function insert(engine: Pick<Engine, "db">, image: NewImage): void {
  const { db } = engine;
  const { blobs } = image;
  const before = imageById(db, image.id);
  if (before === undefined) insertImage(db, rowOf(engine, image), blobs);
  else if (image.isManifestOriginal && before.manifest !== image.manifest) {
    replaceManifest(db, image.id, image.manifest, blobs);
  } else if (before.manifest === image.manifest) insertImage(db, rowOf(engine, image), blobs);
  for (const name of image.names) nameImage(db, name, image.id);
}

function rowOf(engine: Pick<Engine, "db">, image: NewImage): ImageRow {
  const { config, top } = image;
  const now = new Date().toISOString();
  return {
    id: image.id,
    manifest: image.manifest,
    layer: top === null ? null : layerOf(engine, top),
    parent: image.parent ?? null,
    size: image.documentBytes + treeBytes(engine, top),
    created: config.created ?? "",
    loaded: now,
    labels: config.config?.Labels ?? {},
    architecture: config.architecture ?? "",
    os: config.os ?? "",
  };
}

function layerOf(engine: Pick<Engine, "db">, chainId: ChainId): LayerId {
  const row = layerByChainId(engine.db, chainId);
  if (row === undefined) throw new Error(`layer ${chainId} is missing`);
  return row.id;
}

function treeBytes(engine: Pick<Engine, "db">, top: ChainId | null): number {
  if (top === null) return 0;
  const id = layerOf(engine, top);
  return [id, ...layerChain(engine.db, id)]
    .reduce((sum, layer) => sum + (layerById(engine.db, layer)?.size ?? 0), 0);
}
