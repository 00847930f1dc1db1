/**
 * Writes a folder as skopeo's `dir:` has it: a Docker manifest and the blobs by their digests. What
 * that manifest cannot name (zstd) or the user wants smaller (`--compress`) is written anew.
 */
import { compressed } from "../archive/compression.ts";
import { Sha256Sink } from "../archive/digest.ts";
import { moveInto } from "../sys/files.ts";
import type { Descriptor, DiffId } from "../terms.ts";
import type { ArchiveTarget } from "./archive_target.ts";
import { type BlobStore, hexOf } from "./blobs.ts";
import {
  convertManifest,
  DOCKER_MANIFEST,
  layerCompression,
  layerType,
  writeManifest,
} from "./manifest.ts";
import {
  isPlainLayer,
  layerBytes,
  plainLayer,
  type SavedImage,
  writeLayerBlob,
} from "./saved_image.ts";

const encoder = new TextEncoder();

export interface DockerDirOptions {
  /** The folder behind `target`. */
  readonly path: string;
  /** Plain layers are compressed with gzip. */
  readonly compress: boolean;
}

/** One image; `target` is ended. */
export async function writeDockerDir(
  store: BlobStore,
  image: SavedImage,
  target: ArchiveTarget,
  options: DockerDirOptions,
): Promise<void> {
  target.file("version", encoder.encode("Directory Transport Version: 1.1\n"));
  const layers: Descriptor[] = [];
  for (const [i, layer] of image.manifest.layers.entries()) {
    const diffId = image.diffIds[i] ?? "" as DiffId;
    layers.push(await writeLayer(store, { layer, diffId }, target, options));
  }
  target.file(hexOf(image.configDigest), image.configBytes);
  const isSame = image.mediaType === DOCKER_MANIFEST &&
    layers.every((layer, i) => layer.digest === image.manifest.layers[i]?.digest);
  const manifest = convertManifest({ ...image.manifest, layers }, DOCKER_MANIFEST);
  target.file(
    "manifest.json",
    isSame ? image.manifestBytes : writeManifest(DOCKER_MANIFEST, manifest),
  );
  target.end();
}

async function writeLayer(
  store: BlobStore,
  kept: { readonly layer: Descriptor; readonly diffId: DiffId },
  target: ArchiveTarget,
  options: DockerDirOptions,
): Promise<Descriptor> {
  const { layer, diffId } = kept;
  const isPlain = isPlainLayer(layer, diffId);
  if (isPlain && options.compress) {
    const zipped = () => compressed(layerBytes(store, layer.digest), { format: "gzip" });
    return await writeAnew(zipped, target, options, "gzip");
  }
  if (layerCompression(layer.mediaType) === "zstd" && !isPlain) {
    return await writeAnew(() => plainLayer(store, layer.digest, diffId), target, options, "none");
  }
  writeLayerBlob(store, target, hexOf(layer.digest), layer);
  return layer;
}

/** Its digest is known only afterwards: written under another name first. */
async function writeAnew(
  source: () => AsyncIterable<Uint8Array>,
  target: ArchiveTarget,
  options: DockerDirOptions,
  compression: "gzip" | "none",
): Promise<Descriptor> {
  const hash = new Sha256Sink();
  await target.stream(".layer", async function* () {
    for await (const chunk of source()) {
      hash.write(chunk);
      yield chunk;
    }
  });
  const { size } = hash;
  const digest = hash.digest();
  moveInto(`${options.path}/.layer`, `${options.path}/${hexOf(digest)}`);
  return { mediaType: layerType(DOCKER_MANIFEST, compression), size, digest };
}
