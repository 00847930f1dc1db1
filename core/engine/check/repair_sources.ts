/** Where repairs take good bytes from: the blobs that are kept, and archives the user gives. */
import { detectCompression } from "../../archive/compression.ts";
import { digestOf, Sha256Sink } from "../../archive/digest.ts";
import { CoracleError } from "../../errors.ts";
import type { Piece } from "../../image/archive_folder.ts";
import { type BlobStaging, sendFile, type StagedFile } from "../../image/blob_staging.ts";
import { blobPath, blobSize, hasBlob } from "../../image/blobs.ts";
import { type FoundImage, type KeptLayer, madeManifest } from "../../image/found_image.ts";
import { openImageSource } from "../../image/image_source.ts";
import { DOCKER_MANIFEST, writeManifest } from "../../image/manifest.ts";
import { listImages } from "../../state/images.ts";
import { architecture } from "../../sys/host.ts";
import type { DiffId, Digest } from "../../terms.ts";
import type { Engine } from "../engine.ts";
import { headAt } from "../image_layers.ts";
import { readImageConfig, readImageManifest } from "../images.ts";

/** Bytes of a layer, not looked at yet: whoever unpacks them compares the digest. */
export interface LayerBytes {
  readonly file: StagedFile;
  readonly compression: "none" | "gzip" | "zstd";
  /** For people. */
  readonly from: string;
}

export interface RepairSources {
  /** Each place that has the layer, in the order in which they are to be tried. */
  layer(diffId: DiffId): Generator<LayerBytes>;
  /** A manifest or a config out of an archive; checked. */
  document(digest: Digest): Uint8Array | null;
  /** A layer's blob out of an archive, checked, in the staging. */
  blob(digest: Digest): StagedFile | null;
  close(): void;
}

/** Fails with what reading an archive fails with. */
export async function openRepairSources(
  engine: Pick<Engine, "db" | "paths">,
  staging: BlobStaging,
  archives: readonly string[],
): Promise<RepairSources> {
  const opened: { readonly images: readonly FoundImage[]; close(): void; path: string }[] = [];
  const host = { os: "linux", architecture: architecture() };
  for (const path of archives) {
    opened.push({ ...await openImageSource({ path }, { staging, host }), path });
  }
  const images = opened.flatMap(({ images, path }) => images.map((image) => ({ image, path })));
  const kept = keptBlobs(engine);
  return {
    *layer(diffId) {
      for (const digest of kept.get(diffId) ?? []) {
        if (hasBlob(engine.paths, digest)) yield keptBytes(engine, digest);
      }
      for (const { image, path } of images) {
        for (const { diffId: other, piece } of image.layers) {
          if (other === diffId) yield pieceBytes(staging, piece, path);
        }
      }
    },
    document: (digest) =>
      images.flatMap(({ image }) => documentsOf(image))
        .find((bytes) => digestOf(bytes) === digest) ?? null,
    blob: (digest) => {
      for (const { image: { layers } } of images) {
        for (const { descriptor, diffId, piece } of layers) {
          const isIt = descriptor?.digest === digest || diffId as string === digest;
          const file = isIt ? staged(staging, piece) : null;
          if (file !== null && digestOfFile(staging, file) === digest) return file;
        }
      }
      return null;
    },
    close: () => {
      for (const one of opened) one.close();
    },
  };
}

/** By diff id the blobs of the images that have the layer, as their documents say. */
function keptBlobs(engine: Pick<Engine, "db" | "paths">): Map<DiffId, Set<Digest>> {
  const found = new Map<DiffId, Set<Digest>>();
  for (const row of listImages(engine.db)) {
    try {
      const { layers } = readImageManifest(engine, row).manifest;
      readImageConfig(engine, row).rootfs.diff_ids.forEach((diffId, i) => {
        const digest = layers[i]?.digest;
        if (digest !== undefined) found.set(diffId, (found.get(diffId) ?? new Set()).add(digest));
      });
    } catch (error) {
      // Its documents are damaged: another image or an archive may know.
      if (!(error instanceof CoracleError)) throw error;
    }
  }
  return found;
}

function keptBytes({ paths }: Pick<Engine, "paths">, digest: Digest): LayerBytes {
  const path = blobPath(paths, digest);
  const file = { path, size: blobSize(paths, digest), digest: null };
  return { file, compression: "none", from: `blob ${digest}` };
}

function pieceBytes(staging: BlobStaging, piece: Piece, path: string): LayerBytes {
  return { file: staged(staging, piece), compression: "none", from: JSON.stringify(path) };
}

function staged(staging: BlobStaging, piece: Piece): StagedFile {
  return piece.staged ?? piece.use((fd, offset) => staging.copy(fd, offset, piece.size));
}

/** What the bytes say themselves of their compression; images have no others. */
export function withCompression(staging: BlobStaging, bytes: LayerBytes): LayerBytes {
  const compression = staging.use(bytes.file, (fd) => detectCompression(headAt(fd, 0)));
  return compression === "gzip" || compression === "zstd" ? { ...bytes, compression } : bytes;
}

function digestOfFile(staging: BlobStaging, file: StagedFile): Digest {
  const hash = new Sha256Sink();
  staging.use(file, (fd) => sendFile(fd, hash));
  return hash.digest();
}

/** Config and manifest; an archive without manifest gives the one that `load` would have made. */
function documentsOf(image: FoundImage): Uint8Array[] {
  if (image.manifest !== null) return [image.configBytes, image.manifest.bytes];
  const layers: KeptLayer[] = image.layers.map(({ diffId, piece }) => ({
    digest: diffId as string as Digest,
    size: piece.size,
    compression: "none",
  }));
  return [image.configBytes, writeManifest(DOCKER_MANIFEST, madeManifest(image, layers))];
}
