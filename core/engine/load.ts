/** `load`: images out of an archive or a folder into the store, all of them or none. */
import { digestOf } from "../archive/digest.ts";
import { BlobStaging } from "../image/blob_staging.ts";
import { type FoundImage, madeManifest } from "../image/found_image.ts";
import { openImageSource } from "../image/image_source.ts";
import { blobsOf, DOCKER_MANIFEST, writeManifest } from "../image/manifest.ts";
import { hexOf } from "../image/blobs.ts";
import { architecture } from "../sys/host.ts";
import type { Fd } from "../sys/at.ts";
import type { ImageId } from "../terms.ts";
import { namingInput } from "./archive_errors.ts";
import { commitImages, type NewImage } from "./commit_image.ts";
import type { Engine } from "./engine.ts";
import { type Intake, lockMissing, takeImage, type TakenImage } from "./image_layers.ts";

export interface LoadedImage {
  readonly id: ImageId;
  /** Full names in the archive's order; empty for an image without a name. */
  readonly names: readonly string[];
}

type Parts = Pick<Engine, "db" | "paths" | "layers">;
type Input = { readonly path: string } | { readonly stdin: Fd };

/**
 * Loads every image of the input. Nothing is visible until all of it is safe on the disk; a failure
 * or a kill leaves nothing (a kill: after the next command). Fails with `notfound`, `corrupt`,
 * `unsupported` (no image for this host), and with what the disk says.
 */
export function loadImages(engine: Parts, input: Input): Promise<LoadedImage[]> {
  return namingInput("load", input, () => load(engine, input));
}

async function load(engine: Parts, input: Input): Promise<LoadedImage[]> {
  using staging = new BlobStaging(engine.paths);
  const host = { os: "linux", architecture: architecture() };
  const source = await openImageSource(input, { staging, host });
  try {
    return await takeAll({ engine, staging, layers: new Map() }, source.images);
  } finally {
    source.close();
  }
}

async function takeAll(intake: Intake, found: readonly FoundImage[]): Promise<LoadedImage[]> {
  const locks = lockMissing(intake, found);
  try {
    const images: NewImage[] = [];
    for (const image of found) {
      images.push(newImage(intake.staging, image, await takeImage(intake, image)));
    }
    commitImages(intake, images);
    return images.map(({ id, names }) => ({ id, names }));
  } catch (error) {
    for (const { layer } of intake.layers.values()) layer.stage.abort();
    throw error;
  } finally {
    locks.release();
  }
}

/** Stages the image's documents, and makes the manifest of an archive that has none. */
function newImage(staging: BlobStaging, found: FoundImage, taken: TakenImage): NewImage {
  const manifest = found.manifest?.manifest ?? madeManifest(found, taken.layers);
  const bytes = found.manifest?.bytes ?? writeManifest(DOCKER_MANIFEST, manifest);
  const digest = found.manifest?.digest ?? digestOf(bytes);
  staging.put(bytes);
  staging.put(found.configBytes);
  return {
    id: hexOf(found.configDigest) as ImageId,
    manifest: digest,
    isManifestOriginal: found.manifest !== null,
    config: found.config,
    blobs: [digest, ...blobsOf(manifest)],
    documentBytes: bytes.length + found.configBytes.length,
    top: taken.top,
    names: found.names,
  };
}
