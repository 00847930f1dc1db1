/** An image as a reader of archives found it: everything about it but the bytes of its layers. */
import { digestOf } from "../archive/digest.ts";
import type { Descriptor, DiffId, Digest, ImageConfig, Manifest } from "../terms.ts";
import type { ArchiveFolder, Piece } from "./archive_folder.ts";
import { readPiece } from "./archive_folder.ts";
import { checkLayerCount, parseConfig } from "./image_config.ts";
import { CONFIG_BYTES, wrongDocument } from "./json_document.ts";
import { DOCKER_CONFIG, DOCKER_MANIFEST, type LayerCompression, layerType } from "./manifest.ts";

export interface FoundLayer {
  readonly piece: Piece;
  readonly diffId: DiffId;
  /** What the manifest says of the bytes; null when the archive has no manifest. */
  readonly descriptor: Descriptor | null;
}

export interface FoundImage {
  /** Full names, in the archive's order; may be empty. */
  readonly names: readonly string[];
  readonly config: ImageConfig;
  readonly configBytes: Uint8Array;
  /** Digest of the config: the image's id. */
  readonly configDigest: Digest;
  /** The manifest as it is in the archive; null when it must be made (`madeManifest`). */
  readonly manifest: FoundManifest | null;
  readonly layers: readonly FoundLayer[];
}

export interface FoundManifest {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly manifest: Manifest;
}

/** Bytes of a document that must have this digest. */
export function readChecked(
  folder: ArchiveFolder,
  name: string,
  wanted: { readonly digest: Digest; readonly size?: number; readonly limit: number },
): Uint8Array {
  const bytes = readPiece(folder, name, wanted.limit);
  if (wanted.size !== undefined && bytes.length !== wanted.size) {
    throw wrongDocument(
      `blob "${wanted.digest}"`,
      `it has ${bytes.length} bytes, ${wanted.size} were announced`,
    );
  }
  const digest = digestOf(bytes);
  if (digest !== wanted.digest) {
    throw wrongDocument(`blob "${wanted.digest}"`, `its bytes have the digest ${digest}`);
  }
  return bytes;
}

/** The image of a manifest whose blobs are files named by `nameOf` their digest. */
export function imageOfManifest(
  folder: ArchiveFolder,
  found: FoundManifest,
  options: { readonly names: readonly string[]; readonly nameOf: (digest: Digest) => string },
): FoundImage {
  const { config: descriptor, layers } = found.manifest;
  const document = `config "${descriptor.digest}"`;
  const configBytes = readChecked(folder, options.nameOf(descriptor.digest), {
    digest: descriptor.digest,
    size: descriptor.size,
    limit: CONFIG_BYTES,
  });
  const config = parseConfig(configBytes, document);
  checkLayerCount(config, layers.length, document);
  return {
    names: options.names,
    config,
    configBytes,
    configDigest: descriptor.digest,
    manifest: found,
    layers: layers.map((layer, i) => {
      const piece = folder.piece(options.nameOf(layer.digest));
      if (piece === null) {
        throw wrongDocument(`layer "${layer.digest}"`, "it is missing from the archive");
      }
      if (piece.size !== layer.size) {
        throw wrongDocument(
          `layer "${layer.digest}"`,
          `it has ${piece.size} bytes, ${layer.size} were announced`,
        );
      }
      return { piece, descriptor: layer, diffId: config.rootfs.diff_ids[i] ?? ("" as DiffId) };
    }),
  };
}

/** A layer's bytes as they are kept. */
export interface KeptLayer {
  readonly digest: Digest;
  readonly size: number;
  readonly compression: LayerCompression;
}

/** The manifest of an image that came without one: as Docker's and Podman's readers make it. */
export function madeManifest(image: FoundImage, layers: readonly KeptLayer[]): Manifest {
  return {
    schemaVersion: 2,
    mediaType: DOCKER_MANIFEST,
    config: {
      mediaType: DOCKER_CONFIG,
      size: image.configBytes.length,
      digest: image.configDigest,
    },
    layers: layers.map(({ digest, size, compression }) => ({
      mediaType: layerType(DOCKER_MANIFEST, compression),
      size,
      digest,
    })),
  };
}
