/**
 * Reads archives from before Docker 1.10 (2016): `repositories` names the top layer of each image,
 * and every layer is a folder with `json` (its metadata and parent) and `layer.tar`. Such images
 * have no config; one is made as Docker makes it when it loads them.
 */
import { digestOf, Sha256Sink } from "../archive/digest.ts";
import { pread } from "../sys/at.ts";
import type { DiffId, Digest, ImageHistory } from "../terms.ts";
import { type ArchiveFolder, type Piece, readPiece } from "./archive_folder.ts";
import { dockerName } from "./docker_archive.ts";
import type { FoundImage } from "./found_image.ts";
import { parseConfig } from "./image_config.ts";
import {
  CONFIG_BYTES,
  DocumentReader,
  type JsonObject,
  MANIFEST_BYTES,
  parseJson,
  wrongDocument,
} from "./json_document.ts";

const V1_ID = /^[0-9a-f]{64}$/;
const MOST_LAYERS = 1024;
const CHUNK = 256 * 1024;

export function isOldDockerArchive(folder: ArchiveFolder): boolean {
  return folder.piece("repositories") !== null || tips(folder).length > 0;
}

/** Ids of the folders with a layer. */
function layerIds(folder: ArchiveFolder): string[] {
  return folder.names().flatMap((name) => {
    const [id = "", file, more] = name.split("/");
    return file === "json" && more === undefined && V1_ID.test(id) ? [id] : [];
  });
}

/** The layers that are nobody's parent: the images of an archive without names. */
function tips(folder: ArchiveFolder): string[] {
  const ids = layerIds(folder);
  const parents = new Set(ids.map((id) => parentOf(readMetadata(folder, id))));
  return ids.filter((id) => !parents.has(id));
}

/** The images of the archive. Fails with `corrupt`. */
export function readOldDockerArchive(folder: ArchiveFolder): FoundImage[] {
  const digests = new Map<string, Digest>();
  const named = namesByTip(folder);
  const ids = named.size > 0 ? [...named.keys()] : tips(folder);
  return ids.map((id) => readImage(folder, { id, names: named.get(id) ?? [], digests }));
}

function namesByTip(folder: ArchiveFolder): Map<string, string[]> {
  const found = new Map<string, string[]>();
  if (folder.piece("repositories") === null) return found;
  const reader = new DocumentReader('"repositories"');
  const bytes = readPiece(folder, "repositories", MANIFEST_BYTES);
  const root = reader.object(parseJson(bytes, reader.document, MANIFEST_BYTES), "(root)");
  for (const repository of Object.keys(root)) {
    const tags = reader.optionalTexts(root[repository], repository) ?? {};
    for (const [tag, id] of Object.entries(tags)) {
      if (!V1_ID.test(id)) throw reader.fail(`${repository}.${tag}`, "a layer");
      found.set(id, [...(found.get(id) ?? []), dockerName(`${repository}:${tag}`)]);
    }
  }
  return found;
}

function readMetadata(folder: ArchiveFolder, id: string): JsonObject {
  const name = `${id}/json`;
  const reader = new DocumentReader(JSON.stringify(name));
  const bytes = readPiece(folder, name, CONFIG_BYTES);
  return reader.object(parseJson(bytes, reader.document, CONFIG_BYTES), "(root)");
}

function parentOf(metadata: JsonObject): string | undefined {
  const { parent } = metadata;
  return typeof parent === "string" && V1_ID.test(parent) ? parent : undefined;
}

function readImage(
  folder: ArchiveFolder,
  image: {
    readonly id: string;
    readonly names: readonly string[];
    /** Of the layers hashed so far, which images of one archive share. */
    readonly digests: Map<string, Digest>;
  },
): FoundImage {
  const chain: { id: string; metadata: JsonObject; piece: Piece }[] = [];
  for (let id: string | undefined = image.id; id !== undefined;) {
    const name = `${id}/layer.tar`;
    const piece = folder.piece(name);
    if (piece === null) {
      throw wrongDocument(`layer ${JSON.stringify(name)}`, "it is missing from the archive");
    }
    const metadata = readMetadata(folder, id);
    chain.unshift({ id, metadata, piece });
    if (chain.length > MOST_LAYERS) {
      throw wrongDocument(`layer "${image.id}"`, `it has more than ${MOST_LAYERS} parents`);
    }
    id = parentOf(metadata);
  }
  const diffIds = chain.map(({ id, piece }) => {
    const digest = image.digests.get(id) ?? digestOfPiece(piece);
    image.digests.set(id, digest);
    return digest as string as DiffId;
  });
  const configBytes = makeConfig(chain.map(({ metadata }) => metadata), diffIds);
  const configDigest = digestOf(configBytes);
  return {
    names: image.names,
    config: parseConfig(configBytes, `config "${configDigest}"`),
    configBytes,
    configDigest,
    manifest: null,
    layers: chain.map(({ piece }, i) => ({
      piece,
      diffId: diffIds[i] ?? ("" as DiffId),
      descriptor: null,
    })),
  };
}

/** The content decides what the layer is, so it is read once for its digest before it is unpacked. */
function digestOfPiece(piece: Piece): Digest {
  if (piece.staged?.digest) return piece.staged.digest;
  const hash = new Sha256Sink();
  const buffer = new Uint8Array(new ArrayBuffer(CHUNK));
  piece.use((fd, offset) => {
    for (let done = 0; done < piece.size;) {
      const count = pread(
        fd,
        buffer.subarray(0, Math.min(CHUNK, piece.size - done)),
        offset + done,
      );
      if (count === 0) throw wrongDocument("layer", "it is cut off");
      hash.write(buffer.subarray(0, count));
      done += count;
    }
  });
  return hash.digest();
}

/** Keys of the old metadata that say where it was kept, not what the image is. */
const OLD_KEYS = new Set(["id", "parent", "parent_id", "layer_id", "throwaway", "Size"]);

/** As Docker's image/v1 MakeConfigFromV1Config: the top layer's metadata with a list of layers. */
function makeConfig(chain: readonly JsonObject[], diffIds: readonly DiffId[]): Uint8Array {
  const top = chain.at(-1) ?? {};
  const config: Record<string, unknown> = {};
  for (const key of Object.keys(top).sort()) {
    if (!OLD_KEYS.has(key)) config[key] = top[key];
  }
  config.history = chain.map(historyOf);
  config.rootfs = { type: "layers", diff_ids: diffIds };
  return new TextEncoder().encode(JSON.stringify(config));
}

function historyOf(metadata: JsonObject): ImageHistory {
  const { created, author, comment, container_config: made } = metadata;
  const command = typeof made === "object" && made !== null && "Cmd" in made ? made.Cmd : undefined;
  const text = (key: string, value: unknown) =>
    typeof value === "string" && value !== "" ? { [key]: value } : {};
  return {
    ...text("created", created),
    ...text("author", author),
    ...text("created_by", Array.isArray(command) ? command.join(" ") : undefined),
    ...text("comment", comment),
  };
}
