/**
 * Reads what `docker save` and `podman save` write: `manifest.json` with the images, their configs
 * and layers. The form from before 2016 is in `docker_archive_old.ts`.
 */
import { digestOf } from "../archive/digest.ts";
import type { Digest } from "../terms.ts";
import { type ArchiveFolder, readPiece } from "./archive_folder.ts";
import type { FoundImage } from "./found_image.ts";
import { checkLayerCount, parseConfig } from "./image_config.ts";
import {
  CONFIG_BYTES,
  DocumentReader,
  MANIFEST_BYTES,
  parseJson,
  wrongDocument,
} from "./json_document.ts";
import { fullName, parseReference } from "./reference.ts";

const MOST_IMAGES = 10_000;
const MOST_LAYERS = 1024;
const MOST_TAGS = 10_000;
const DOCUMENT = '"manifest.json"';

/** `manifest.json` as it was parsed: a list in an archive of Docker's, an object in `docker-dir`. */
export function readManifestList(folder: ArchiveFolder): unknown {
  return parseJson(readPiece(folder, "manifest.json", MANIFEST_BYTES), DOCUMENT, MANIFEST_BYTES);
}

/** The images that the list names. Fails with `corrupt`. */
export function readDockerArchive(folder: ArchiveFolder, list: unknown): FoundImage[] {
  const reader = new DocumentReader(DOCUMENT);
  const items = reader.list(list, "(root)", MOST_IMAGES);
  if (items.length === 0) throw wrongDocument(DOCUMENT, "it lists no image");
  return items.map((item, i) => readImage(folder, reader, { item, key: `[${i}]` }));
}

function readImage(
  folder: ArchiveFolder,
  reader: DocumentReader,
  place: { readonly item: unknown; readonly key: string },
): FoundImage {
  const { item, key } = place;
  const fields = reader.object(item, key);
  const configName = reader.text(fields.Config, `${key}.Config`);
  const configBytes = readPiece(folder, configName, CONFIG_BYTES);
  const configDigest = digestOf(configBytes);
  checkNamedDigest(configName, configDigest);
  const document = `config "${configDigest}"`;
  const config = parseConfig(configBytes, document);
  const tags = fields.RepoTags ?? [];
  const names = reader.list(tags, `${key}.RepoTags`, MOST_TAGS)
    .map((tag, i) => dockerName(reader.text(tag, `${key}.RepoTags[${i}]`)));
  const layers = reader.list(fields.Layers ?? [], `${key}.Layers`, MOST_LAYERS);
  checkLayerCount(config, layers.length, document);
  return {
    names: [...new Set(names)],
    config,
    configBytes,
    configDigest,
    manifest: null,
    layers: config.rootfs.diff_ids.map((diffId, i) => {
      const name = reader.text(layers[i], `${key}.Layers[${i}]`);
      const piece = folder.piece(name);
      if (piece === null) {
        throw wrongDocument(`layer ${JSON.stringify(name)}`, "it is missing from the archive");
      }
      return { piece, diffId, descriptor: null };
    }),
  };
}

/** A config is called by its digest: `<hex>.json`, or `blobs/sha256/<hex>`. */
function checkNamedDigest(name: string, digest: Digest): void {
  const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1];
  if (named === undefined || digest === `sha256:${named}`) return;
  throw wrongDocument(`config ${JSON.stringify(name)}`, `its bytes have the digest ${digest}`);
}

/** In these archives a name without a registry belongs to Docker's. */
export function dockerName(tag: string): string {
  const reference = parseReference(tag);
  if (reference.domain !== "") return fullName({ ...reference, digest: undefined });
  return fullName({ ...reference, domain: "docker.io", digest: undefined });
}
