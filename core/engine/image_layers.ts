/**
 * The layers and blobs of images on their way in: finds out what the store has already, takes over
 * and unpacks the rest, and keeps other processes from doing the same at the same time.
 */
import { decompressed, detectCompression, MAGIC_BYTES } from "../archive/compression.ts";
import { Sha256Sink } from "../archive/digest.ts";
import type { RecipeWriter } from "../archive/recipe.ts";
import { CoracleError } from "../errors.ts";
import { hasBlob } from "../image/blobs.ts";
import { type BlobStaging, sendFile, type StagedFile } from "../image/blob_staging.ts";
import type { FoundImage, FoundLayer, KeptLayer } from "../image/found_image.ts";
import { chainIds } from "../layer/chain.ts";
import { chainOf, type LayerToCommit, lockChain, stageLayer } from "../layer/store.ts";
import { LayerUnpacker } from "../layer/unpack.ts";
import { isBlobUsed } from "../state/images.ts";
import { layerByChainId } from "../state/layers.ts";
import { type Fd, pread, read } from "../sys/at.ts";
import { removeFile } from "../sys/files.ts";
import type { FileLock } from "../sys/lock.ts";
import type { ByteSink, ChainId, DiffId, Digest, LayerId, TreeSink } from "../terms.ts";
import type { Engine } from "./engine.ts";

/** What one `load` or `import` has gathered so far. */
export interface Intake {
  readonly engine: Pick<Engine, "db" | "paths" | "layers">;
  readonly staging: BlobStaging;
  /** Layers that are made, in the order in which they must be committed. */
  readonly layers: Map<ChainId, LayerToCommit>;
}

/** An image whose bytes are all here: in the store or staged. */
export interface TakenImage {
  readonly layers: readonly KeptLayer[];
  /** Chain id of the top layer; null for an image without layers. */
  readonly top: ChainId | null;
}

/** Of bytes that are read to be hashed and thrown away. */
const NOTHING: TreeSink = { entry: () => {}, write: () => {}, end: () => {} };

/**
 * Locks the chain ids of all layers that the images still need, in an order that is the same in
 * every process (by depth, then by id), so that two loads cannot wait for each other. The nearest
 * layer that is there already is locked too, so that no removal takes it, or what is below it, away.
 */
export function lockMissing(
  intake: Intake,
  images: readonly FoundImage[],
): { release(): void } {
  const chains = images.map(({ config }) => chainIds(config.rootfs.diff_ids));
  for (;;) {
    const there = chains.map((ids) => nearestThere(intake, ids));
    const lock = lockChains(intake, chains, there);
    // Between the look and the lock a removal may have been at work.
    if (chains.every((ids, i) => nearestThere(intake, ids) >= (there[i] ?? -1))) return lock;
    lock.release();
  }
}

/** Index of the topmost layer that the store has; -1 for none. */
function nearestThere({ engine }: Intake, ids: readonly ChainId[]): number {
  return ids.findLastIndex((id) => layerByChainId(engine.db, id) !== undefined);
}

/** Of each chain the layers from the given index on. */
function lockChains(
  { engine }: Intake,
  chains: readonly (readonly ChainId[])[],
  from: readonly number[],
): { release(): void } {
  const wanted = new Map<ChainId, number>();
  chains.forEach((ids, i) =>
    ids.forEach((id, depth) => depth >= (from[i] ?? -1) && wanted.set(id, depth))
  );
  const order = [...wanted].sort(([a, i], [b, j]) => i - j || (a < b ? -1 : 1));
  const locks: FileLock[] = [];
  const release = () => {
    for (const lock of locks.splice(0)) {
      removeFile(lock.path);
      lock.release();
    }
  };
  try {
    for (const [id] of order) locks.push(lockChain(engine.layers, id));
  } catch (error) {
    release();
    throw error;
  }
  return { release };
}

/** Takes over everything of the image that the store does not have. The chain is locked. */
export async function takeImage(intake: Intake, image: FoundImage): Promise<TakenImage> {
  const ids = chainIds(image.config.rootfs.diff_ids);
  const kept: KeptLayer[] = [];
  for (const [i, layer] of image.layers.entries()) {
    const chainId = ids[i];
    if (chainId === undefined) break;
    kept.push(await takeLayer(intake, layer, { chainId, below: ids[i - 1] ?? null }));
  }
  return { layers: kept, top: ids.at(-1) ?? null };
}

interface Place {
  readonly chainId: ChainId;
  readonly below: ChainId | null;
}

async function takeLayer(intake: Intake, found: FoundLayer, place: Place): Promise<KeptLayer> {
  const isMade = intake.layers.has(place.chainId) ||
    layerByChainId(intake.engine.db, place.chainId) !== undefined;
  const compression = compressionOf(found);
  const digest = found.descriptor?.digest ??
    (compression === "none" ? found.diffId as string as Digest : null);
  if (isMade && digest !== null && isKept(intake, digest)) {
    return { digest, size: found.piece.size, compression };
  }
  const file = found.piece.staged ??
    found.piece.use((fd, offset) => intake.staging.copy(fd, offset, found.piece.size));
  if (file.size !== found.piece.size) throw damaged(found, "it is cut off");
  const into = isMade ? null : stageLayer(intake.engine.layers, {
    chain: chainBelow(intake, place.below),
  });
  try {
    const read = await readLayer(intake.staging, file, {
      into: into?.stage ?? NOTHING,
      diffId: found.diffId,
      compression,
      withRecipe: true,
    });
    if (found.descriptor !== null && read.digest !== found.descriptor.digest) {
      throw damaged(found, `its bytes have the digest ${read.digest}`);
    }
    intake.staging.keep(file, read.digest);
    if (into !== null) {
      intake.layers.set(place.chainId, {
        layer: into,
        chainId: place.chainId,
        diffId: found.diffId,
        size: read.bytes,
      });
    }
    return { digest: read.digest, size: file.size, compression };
  } catch (error) {
    into?.stage.abort();
    throw error;
  }
}

function isKept(intake: Intake, digest: Digest): boolean {
  // A file without a record may be torn by a power cut: only what a record names is relied on.
  const { db, paths } = intake.engine;
  return intake.staging.keeps(digest) || (isBlobUsed(db, digest) && hasBlob(paths, digest));
}

function damaged(found: FoundLayer, why: string): CoracleError {
  const name = found.descriptor?.digest ?? found.diffId;
  return new CoracleError("corrupt", `cannot use layer "${name}"`, {
    why,
    hint: "get the image again; the copy is damaged",
  });
}

function compressionOf(found: FoundLayer): KeptLayer["compression"] {
  const head = found.piece.use((fd, offset) => headAt(fd, offset));
  const compression = detectCompression(head);
  if (compression === "xz" || compression === "bzip2") {
    throw damaged(found, `it is compressed with ${compression}, which images may not use`);
  }
  return compression;
}

export function headAt(fd: Fd, offset: number): Uint8Array {
  const head = new Uint8Array(new ArrayBuffer(MAGIC_BYTES));
  return head.subarray(0, pread(fd, head, offset));
}

/** Ids of the layers below, nearest first; made by this process or there before. */
function chainBelow(intake: Intake, below: ChainId | null): LayerId[] {
  if (below === null) return [];
  const made = intake.layers.get(below);
  if (made !== undefined) return [made.layer.id, ...made.layer.chain];
  const row = layerByChainId(intake.engine.db, below);
  if (row === undefined) throw new Error(`layer ${below} was not made before its child`);
  return [row.id, ...chainOf(intake.engine.layers, row.id)];
}

export interface ReadLayer {
  /** Of the bytes as they are. */
  readonly digest: Digest;
  readonly diffId: DiffId;
  /** Sum of the sizes of the files, bytes. */
  readonly bytes: number;
}

export interface ReadLayerOptions {
  readonly into: TreeSink;
  /** Undefined when any content is right (`import`). */
  readonly diffId?: DiffId;
  readonly compression: "none" | "gzip" | "zstd";
  /** Writes the layer's recipe on the way and keeps it in the staging. */
  readonly withRecipe?: boolean;
}

/** Unpacks and digests a staged layer in one pass. Fails with `corrupt` on wrong content. */
export async function readLayer(
  staging: BlobStaging,
  file: StagedFile,
  options: ReadLayerOptions,
): Promise<ReadLayer> {
  const recipe = options.withRecipe ? staging.recipe() : null;
  try {
    const done = await unpackStaged(staging, file, options, recipe?.recorder);
    recipe?.keep(done.diffId);
    return done;
  } catch (error) {
    recipe?.abort();
    throw error;
  }
}

async function unpackStaged(
  staging: BlobStaging,
  file: StagedFile,
  { into, diffId, compression }: ReadLayerOptions,
  recorder: RecipeWriter | undefined,
): Promise<ReadLayer> {
  const unpacker = new LayerUnpacker({
    into,
    ...(diffId === undefined ? {} : { diffId }),
    ...(recorder === undefined ? {} : { recorder }),
  });
  if (compression === "none") {
    staging.use(file, (fd) => sendFile(fd, unpacker));
    const done = unpacker.finish();
    return { digest: done.diffId as string as Digest, diffId: done.diffId, bytes: done.bytes };
  }
  const hash = file.digest === null ? new Sha256Sink() : null;
  await staging.useAsync(file, async (fd) => {
    const source = hash === null ? fd : hashed(fd, hash);
    for await (const chunk of decompressed(source, compression)) unpacker.write(chunk);
    // Bytes after the end of the compressed data belong to the blob's digest all the same.
    if (hash !== null) sendFile(fd, hash);
  });
  const done = unpacker.finish();
  return { digest: file.digest ?? hash?.digest() ?? "" as Digest, ...done };
}

const CHUNK = 256 * 1024;

async function* hashed(fd: Fd, hash: ByteSink): AsyncGenerator<Uint8Array> {
  for (;;) {
    // The decompressor works on the chunk on another thread while the next is read.
    const chunk = new Uint8Array(new ArrayBuffer(CHUNK));
    const count = read(fd, chunk);
    if (count === 0) return;
    const bytes = count === CHUNK ? chunk : chunk.subarray(0, count);
    hash.write(bytes);
    yield bytes;
  }
}
