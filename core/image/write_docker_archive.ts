/**
 * Writes what `docker save` and `podman save` write, as Docker has read it since 1.10: a list of
 * images, their configs, and every layer once as a plain tar. The list comes first, so that a reader
 * of a stream knows what follows.
 */
import type { Descriptor, DiffId, Digest } from "../terms.ts";
import type { ArchiveTarget } from "./archive_target.ts";
import { type BlobStore, hexOf } from "./blobs.ts";
import { isPlainLayer, plainLayer, type SavedImage, writeLayerBlob } from "./saved_image.ts";
import { splitName } from "./reference.ts";

const encoder = new TextEncoder();

function layerName(diffId: DiffId): string {
  return `${hexOf(diffId as string as Digest)}.tar`;
}

/** The images in one archive; `target` is ended. */
export async function writeDockerArchive(
  store: BlobStore,
  images: readonly SavedImage[],
  target: ArchiveTarget,
): Promise<void> {
  const list = images.map(({ configDigest, names, diffIds }) => ({
    Config: `${hexOf(configDigest)}.json`,
    RepoTags: names,
    Layers: diffIds.map(layerName),
  }));
  target.file("manifest.json", encoder.encode(JSON.stringify(list)));
  target.file("repositories", encoder.encode(JSON.stringify(repositories(images))));
  const written = new Set<string>();
  for (const image of images) {
    const name = `${hexOf(image.configDigest)}.json`;
    if (!written.has(name)) target.file(name, image.configBytes);
    written.add(name);
  }
  for (const image of images) {
    for (const [i, layer] of image.manifest.layers.entries()) {
      const diffId = image.diffIds[i];
      if (diffId === undefined || written.has(diffId)) continue;
      written.add(diffId);
      await writeLayer(store, target, { digest: layer.digest, diffId, layer });
    }
  }
  target.end();
}

async function writeLayer(
  store: BlobStore,
  target: ArchiveTarget,
  kept: {
    readonly digest: Digest;
    readonly diffId: DiffId;
    readonly layer: Descriptor;
  },
): Promise<void> {
  const { digest, diffId, layer } = kept;
  const name = layerName(diffId);
  if (isPlainLayer(layer, diffId)) {
    writeLayerBlob(store, target, name, layer);
  } else await target.stream(name, () => plainLayer(store, digest, diffId));
}

/** By repository and tag the top layer, which some scripts look up. */
function repositories(images: readonly SavedImage[]): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = {};
  for (const { names, diffIds } of images) {
    const top = diffIds.at(-1);
    if (top === undefined) continue;
    for (const name of names) {
      const { repository, tag } = splitName(name);
      found[repository] = { ...found[repository], [tag]: hexOf(top as string as Digest) };
    }
  }
  return found;
}
