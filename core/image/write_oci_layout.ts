/**
 * Writes an OCI image layout (image-spec, image-layout.md). Blobs and manifests go out byte for byte
 * as they came in; only a Docker manifest is written as its OCI twin, because readers of layouts
 * (umoci) know no other.
 */
import { digestOf } from "../archive/digest.ts";
import type { Descriptor, Digest } from "../terms.ts";
import type { ArchiveTarget } from "./archive_target.ts";
import { type BlobStore, hexOf } from "./blobs.ts";
import { convertManifest, OCI_MANIFEST, writeManifest } from "./manifest.ts";
import { type SavedImage, useBlob } from "./saved_image.ts";

const encoder = new TextEncoder();
const REF_NAME = "org.opencontainers.image.ref.name";

export const LAYOUT_FILE = JSON.stringify({ imageLayoutVersion: "1.0.0" });

export interface OciDocuments {
  readonly image: SavedImage;
  readonly bytes: Uint8Array;
  readonly digest: Digest;
}

/** The image's manifest as a layout has it. */
export function ociManifest(image: SavedImage): OciDocuments {
  if (image.mediaType === OCI_MANIFEST) {
    return { image, bytes: image.manifestBytes, digest: image.manifestDigest };
  }
  const bytes = writeManifest(OCI_MANIFEST, convertManifest(image.manifest, OCI_MANIFEST));
  return { image, bytes, digest: digestOf(bytes) };
}

/** What `index.json` says of the image: one entry for each of its names. */
export function indexEntries({ image, bytes, digest }: OciDocuments): Descriptor[] {
  const entry = { mediaType: OCI_MANIFEST, digest, size: bytes.length };
  if (image.names.length === 0) return [entry];
  return image.names.map((name) => ({ ...entry, annotations: { [REF_NAME]: name } }));
}

/** The text of `index.json`. */
export function indexText(entries: readonly Descriptor[]): string {
  return JSON.stringify({ schemaVersion: 2, manifests: entries });
}

/** A whole new layout; `target` is ended. */
export function writeOciLayout(
  store: BlobStore,
  images: readonly SavedImage[],
  target: ArchiveTarget,
): void {
  const documents = images.map(ociManifest);
  target.file("oci-layout", encoder.encode(LAYOUT_FILE));
  target.file("index.json", encoder.encode(indexText(documents.flatMap(indexEntries))));
  target.folder("blobs");
  target.folder("blobs/sha256");
  const written = new Set<Digest>();
  for (const document of documents) writeBlobs(store, document, target, written);
  target.end();
}

/** The blobs of one image that are not in `written` yet. */
export function writeBlobs(
  store: BlobStore,
  { image, bytes, digest }: OciDocuments,
  target: ArchiveTarget,
  written: Set<Digest>,
): void {
  const once = (blob: Digest, put: (name: string) => void): void => {
    if (written.has(blob)) return;
    written.add(blob);
    put(`blobs/sha256/${hexOf(blob)}`);
  };
  once(digest, (name) => target.file(name, bytes));
  once(image.configDigest, (name) => target.file(name, image.configBytes));
  for (const layer of image.manifest.layers) {
    once(
      layer.digest,
      (name) => useBlob(store, layer.digest, (fd, size) => target.copy(name, fd, size)),
    );
  }
}
