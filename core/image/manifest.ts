/**
 * Manifests and indexes: OCI image-spec (manifest.md, image-index.md) and Docker's schema 2, read
 * strictly, written in one form, and turned from one family into the other.
 */
import type { Descriptor, Digest, Manifest } from "../terms.ts";
import { DocumentReader, type JsonObject, MANIFEST_BYTES, parseJson } from "./json_document.ts";
import { wrongDocument } from "./json_document.ts";

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json";
export const DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar";

/** More than any union file system can stack, twice over. */
const MOST_LAYERS = 1024;
const MOST_MANIFESTS = 4096;

export type LayerCompression = "none" | "gzip" | "zstd";

const LAYER_TYPES: ReadonlyMap<string, LayerCompression> = new Map([
  [OCI_LAYER, "none"],
  [`${OCI_LAYER}+gzip`, "gzip"],
  [`${OCI_LAYER}+zstd`, "zstd"],
  [DOCKER_LAYER, "none"],
  [`${DOCKER_LAYER}.gzip`, "gzip"],
  [`${DOCKER_LAYER}.zstd`, "zstd"],
]);

/** What the media type of a layer announces. */
export function layerCompression(mediaType: string): LayerCompression {
  return LAYER_TYPES.get(mediaType) ?? "none";
}

/** `compression` as the media type of the family of `manifestType`. */
export function layerType(manifestType: string, compression: LayerCompression): string {
  const isDocker = manifestType === DOCKER_MANIFEST;
  if (compression === "none") return isDocker ? DOCKER_LAYER : OCI_LAYER;
  return isDocker ? `${DOCKER_LAYER}.${compression}` : `${OCI_LAYER}+${compression}`;
}

/** One entry of an index: a descriptor whose platform may be missing. */
export type IndexEntry = Descriptor;

export type ParsedDocument =
  | { readonly kind: "manifest"; readonly mediaType: string; readonly manifest: Manifest }
  | { readonly kind: "index"; readonly entries: readonly IndexEntry[] };

/**
 * A manifest or an index. `announced` is the media type by which it was referred to, if any. Fails
 * with `corrupt`, or with `unsupported` and a reason for what is not an image we can run.
 */
export function parseManifest(
  bytes: Uint8Array,
  document: string,
  announced?: string,
): ParsedDocument {
  const reader = new DocumentReader(document);
  const root = reader.object(parseJson(bytes, document, MANIFEST_BYTES), "(root)");
  if (root.schemaVersion === 1) {
    throw wrongDocument(document, "it has Docker's schema 1, which nothing writes since 2016");
  }
  if (root.schemaVersion !== 2) throw reader.fail("schemaVersion", "2");
  // CVE-2021-41190: a document with both would be one thing to us and another to somebody else.
  const isIndex = root.manifests !== undefined;
  if (isIndex && (root.layers !== undefined || root.config !== undefined)) {
    throw wrongDocument(document, "it is a manifest and an index at once");
  }
  const mediaType = reader.optionalText(root.mediaType, "mediaType") ?? announced;
  if (isIndex) {
    if (mediaType !== undefined && mediaType !== OCI_INDEX && mediaType !== DOCKER_LIST) {
      throw wrongDocument(document, `it is an index but says that it is ${mediaType}`);
    }
    return { kind: "index", entries: readIndex(reader, root) };
  }
  const manifest = readManifest(reader, root);
  return { kind: "manifest", mediaType: manifestType(document, mediaType, manifest), manifest };
}

function manifestType(document: string, said: string | undefined, manifest: Manifest): string {
  const isDockerConfig = manifest.config.mediaType === DOCKER_CONFIG;
  const mediaType = said ?? (isDockerConfig ? DOCKER_MANIFEST : OCI_MANIFEST);
  if (mediaType !== OCI_MANIFEST && mediaType !== DOCKER_MANIFEST) {
    throw wrongDocument(document, `it is a manifest but says that it is ${mediaType}`);
  }
  return mediaType;
}

function readIndex(reader: DocumentReader, root: JsonObject): IndexEntry[] {
  return reader.list(root.manifests, "manifests", MOST_MANIFESTS)
    .map((item, i) => readDescriptor(reader, item, `manifests[${i}]`));
}

function readManifest(reader: DocumentReader, root: JsonObject): Manifest {
  const config = readDescriptor(reader, root.config, "config");
  if (config.mediaType !== OCI_CONFIG && config.mediaType !== DOCKER_CONFIG) {
    throw wrongDocument(
      reader.document,
      `it is not a container image: its config is ${config.mediaType}`,
    );
  }
  const layers = reader.list(root.layers, "layers", MOST_LAYERS)
    .map((item, i) => readDescriptor(reader, item, `layers[${i}]`));
  for (const layer of layers) checkLayerType(reader.document, layer);
  const annotations = reader.optionalTexts(root.annotations, "annotations");
  const mediaType = reader.optionalText(root.mediaType, "mediaType");
  return {
    schemaVersion: 2,
    ...(mediaType === undefined ? {} : { mediaType }),
    config,
    layers,
    ...(annotations === undefined ? {} : { annotations }),
  };
}

function checkLayerType(document: string, layer: Descriptor): void {
  const { mediaType } = layer;
  if (LAYER_TYPES.has(mediaType)) return;
  if (mediaType.includes("foreign") || mediaType.includes("nondistributable")) {
    throw wrongDocument(
      document,
      `layer ${layer.digest} is ${mediaType}: such layers are not part of an image, they must be ` +
        "fetched from their vendor",
    );
  }
  if (mediaType.includes("encrypted")) {
    throw wrongDocument(document, `layer ${layer.digest} is encrypted (${mediaType})`);
  }
  throw wrongDocument(document, `layer ${layer.digest} has the unknown type ${mediaType}`);
}

function readDescriptor(reader: DocumentReader, value: unknown, key: string): Descriptor {
  const fields = reader.object(value, key);
  const annotations = reader.optionalTexts(fields.annotations, `${key}.annotations`);
  const platform = readPlatform(reader, fields.platform, `${key}.platform`);
  return {
    mediaType: reader.text(fields.mediaType, `${key}.mediaType`),
    digest: reader.digest(fields.digest, `${key}.digest`),
    size: reader.size(fields.size, `${key}.size`),
    ...(annotations === undefined ? {} : { annotations }),
    ...(platform === undefined ? {} : { platform }),
  };
}

function readPlatform(
  reader: DocumentReader,
  value: unknown,
  key: string,
): Descriptor["platform"] {
  if (value === undefined || value === null) return undefined;
  const fields = reader.object(value, key);
  const variant = reader.optionalText(fields.variant, `${key}.variant`);
  return {
    architecture: reader.text(fields.architecture, `${key}.architecture`),
    os: reader.text(fields.os, `${key}.os`),
    ...(variant === undefined || variant === "" ? {} : { variant }),
  };
}

export interface HostPlatform {
  readonly architecture: string;
  readonly os: string;
}

/** Is the entry something else than an image: an attestation or a signature of buildkit's? */
export function isAttachment(entry: IndexEntry): boolean {
  return entry.platform?.os === "unknown" ||
    entry.annotations?.["vnd.docker.reference.type"] !== undefined;
}

/**
 * The entry for the host among those of one image: the host's platform (a plain one before a
 * variant), or the only one there is, whatever its platform; undefined when none fits.
 */
export function choosePlatform(
  entries: readonly IndexEntry[],
  host: HostPlatform,
): IndexEntry | undefined {
  const images = entries.filter((entry) => !isAttachment(entry));
  if (images.length === 1) return images[0];
  const fitting = images.filter(({ platform }) =>
    platform?.os === host.os && platform.architecture === host.architecture
  );
  const wanted = USUAL_VARIANTS[host.architecture];
  return fitting.find(({ platform }) => platform?.variant === undefined) ??
    fitting.find(({ platform }) => platform?.variant === wanted) ?? fitting[0] ??
    images.find(({ platform }) => platform === undefined);
}

const USUAL_VARIANTS: Readonly<Record<string, string>> = { arm64: "v8", arm: "v7", amd64: "v1" };

function plainDescriptor(descriptor: Descriptor): Descriptor {
  const { mediaType, size, digest, annotations } = descriptor;
  return { mediaType, size, digest, ...(annotations === undefined ? {} : { annotations }) };
}

/** The manifest's bytes in the one form we write: Docker's key order, no white space. */
export function writeManifest(mediaType: string, manifest: Manifest): Uint8Array {
  const isDocker = mediaType === DOCKER_MANIFEST;
  const { annotations } = manifest;
  return new TextEncoder().encode(JSON.stringify({
    schemaVersion: 2,
    mediaType,
    config: plainDescriptor(manifest.config),
    layers: manifest.layers.map(plainDescriptor),
    // Docker's schema has no annotations.
    ...(isDocker || annotations === undefined ? {} : { annotations }),
  }));
}

/** The same image as a manifest of the other family; the blobs stay as they are. */
export function convertManifest(manifest: Manifest, mediaType: string): Manifest {
  const isDocker = mediaType === DOCKER_MANIFEST;
  return {
    schemaVersion: 2,
    mediaType,
    config: { ...manifest.config, mediaType: isDocker ? DOCKER_CONFIG : OCI_CONFIG },
    layers: manifest.layers.map((layer) => ({
      ...layer,
      mediaType: layerType(mediaType, layerCompression(layer.mediaType)),
    })),
    ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
  };
}

/** Every blob the manifest needs. */
export function blobsOf(manifest: Manifest): Digest[] {
  return [manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)];
}
