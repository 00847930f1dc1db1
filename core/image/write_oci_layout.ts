/**
 * Writes an OCI image layout (image-spec, image-layout.md). Blobs and manifests go out byte for byte
 * as they came in; only a Docker manifest is written as its OCI twin, because readers of layouts
 * (umoci) know no other.
 */
import { digestOf } from "../archive/digest.ts";
import { exists, makeDirs, moveInto, readTextOrNull, writeAtomic } from "../sys/files.ts";
import type { Descriptor, Digest } from "../terms.ts";
import { type ArchiveTarget, folderTarget } from "./archive_target.ts";
import { type BlobStore, hexOf } from "./blobs.ts";
import { wrongDocument } from "./json_document.ts";
import {
  blobsOf,
  convertManifest,
  OCI_INDEX,
  OCI_MANIFEST,
  parseManifest,
  writeManifest,
} from "./manifest.ts";
import { type SavedImage, writeLayerBlob } from "./saved_image.ts";

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
    once(layer.digest, (name) => writeLayerBlob(store, target, name, layer));
  }
}

/**
 * Adds images to the layout in the folder `path`: blobs first, then the index in one step. An entry
 * with a name that one of the images has is replaced.
 */
export function addToOciLayout(
  store: BlobStore,
  images: readonly SavedImage[],
  path: string,
): void {
  const documents = images.map(ociManifest);
  const index = readIndex(path);
  const names = new Set(images.flatMap((image) => image.names));
  const digests = new Set<string>(documents.map(({ digest }) => digest));
  const kept = index.manifests.filter((entry) => {
    const name = entry.annotations?.[REF_NAME];
    return name === undefined ? !digests.has(entry.digest) : !names.has(name);
  });
  makeDirs(`${path}/blobs/sha256`);
  const written = new Set(
    documents.flatMap(({ image, digest }) => [digest, ...blobsOf(image.manifest)])
      .filter((blob) => exists(`${path}/blobs/sha256/${hexOf(blob)}`)),
  );
  const target = wholeFiles(path);
  for (const document of documents) writeBlobs(store, document, target, written);
  const manifests = [...kept, ...documents.flatMap(indexEntries)];
  writeAtomic(`${path}/index.json`, JSON.stringify({ ...index, manifests }));
}

/** The index with every key it has, those too that we do not know. */
function readIndex(path: string): { manifests: readonly Descriptor[] } {
  const text = readTextOrNull(`${path}/index.json`);
  if (text === null) return { ...JSON.parse(indexText([])) };
  const parsed = parseManifest(encoder.encode(text), '"index.json"', OCI_INDEX);
  if (parsed.kind !== "index") throw wrongDocument('"index.json"', "it is not an index");
  return JSON.parse(text);
}

/** A target whose files appear whole: a blob that is there must be good, also after a kill. */
function wholeFiles(path: string): ArchiveTarget {
  const target = folderTarget(path);
  const beside = "blobs/.new";
  const place = (name: string) => moveInto(`${path}/${beside}`, `${path}/${name}`);
  return {
    ...target,
    file(name, bytes) {
      target.file(beside, bytes);
      place(name);
    },
    copy(name, from, size) {
      target.copy(beside, from, size);
      place(name);
    },
    pieces(name, size, chunks) {
      target.pieces(beside, size, chunks);
      place(name);
    },
  };
}
