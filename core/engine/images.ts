/** From what the user typed (name, id, digest) to the image's row, and what the store has about it. */
import { CoracleError } from "../errors.ts";
import { readBlob } from "../image/blobs.ts";
import { parseConfig } from "../image/image_config.ts";
import { CONFIG_BYTES, MANIFEST_BYTES } from "../image/json_document.ts";
import { parseManifest } from "../image/manifest.ts";
import {
  candidateNames,
  type ImageReference,
  matchesSuffix,
  parseReference,
  repositoryOf,
  splitName,
} from "../image/reference.ts";
import type { Database } from "../state/database.ts";
import {
  imageById,
  imageByName,
  type ImageRow,
  imagesByIdPrefix,
  imagesByManifest,
  listImageNames,
  namesOfImage,
} from "../state/images.ts";
import type { Digest, ImageConfig, ImageId, Manifest } from "../terms.ts";
import type { Engine } from "./engine.ts";

export interface FoundImageRow {
  readonly row: ImageRow;
  /** The full name by which it was found; by id or digest its first name, "" when it has none. */
  readonly name: string;
  /** Was it found by its id, or the beginning of it? */
  readonly byId: boolean;
}

/**
 * The image called `wanted`: a full name, then `localhost/` and `docker.io/library/` before it, then
 * the end of any image's name, then an id or the unique beginning of one, then a digest. Fails with
 * `notfound` ("image not known", "no such image") and with `usage` when several fit.
 */
export function findImage(engine: Pick<Engine, "db">, wanted: string): FoundImageRow {
  const found = lookForImage(engine.db, wanted);
  if (found !== undefined) return found;
  throw new CoracleError("notfound", `cannot find image "${wanted}"`, {
    why: `${wanted}: image not known: no such image`,
    hint: 'list them with "coracle images"; bring one with "coracle load" or "coracle import"',
  });
}

/** As `findImage`, but undefined when there is none. */
export function lookForImage(db: Database, wanted: string): FoundImageRow | undefined {
  const exact = imageByName(db, wanted);
  if (exact !== undefined) return { row: exact, name: wanted, byId: false };
  if (wanted.startsWith("sha256:")) return byIdOrDigest(db, wanted.slice("sha256:".length));
  const reference = referenceOrUndefined(wanted);
  const named = reference === undefined ? undefined : byReference(db, wanted, reference);
  return named ?? byIdOrDigest(db, wanted);
}

function referenceOrUndefined(wanted: string): ImageReference | undefined {
  try {
    return parseReference(wanted);
  } catch (error) {
    if (error instanceof CoracleError) return undefined;
    throw error;
  }
}

function byReference(
  db: Database,
  wanted: string,
  reference: ImageReference,
): FoundImageRow | undefined {
  if (reference.digest !== undefined) return byDigest(db, reference, reference.digest);
  for (const name of candidateNames(reference)) {
    const row = imageByName(db, name);
    if (row !== undefined) return { row, name, byId: false };
  }
  if (reference.domain !== "") return undefined;
  const names = listImageNames(db).filter(({ name }) => matchesSuffix(name, reference));
  const [first] = names;
  if (first === undefined) return undefined;
  const others = names.filter(({ image }) => image !== first.image);
  if (others.length > 0) throw ambiguous(wanted, names.map(({ name }) => name));
  const row = imageById(db, first.image);
  return row && { row, name: first.name, byId: false };
}

function ambiguous(wanted: string, names: readonly string[]): CoracleError {
  return new CoracleError("usage", `cannot choose image "${wanted}"`, {
    why: `several images are called so: ${names.join(", ")}`,
    hint: "give the whole name, or an id",
  });
}

/** `name@sha256:…`: an image with this manifest that has a name in this repository. */
function byDigest(
  db: Database,
  reference: ImageReference,
  digest: Digest,
): FoundImageRow | undefined {
  const wanted = repositoryOf(reference);
  for (const row of imagesByManifest(db, digest)) {
    const name = namesOfImage(db, row.id).find((name) => {
      const { repository } = splitName(name);
      return repository === wanted ||
        (reference.domain === "" && repository.endsWith(`/${wanted}`));
    });
    if (name !== undefined) return { row, name, byId: false };
  }
  return undefined;
}

function byIdOrDigest(db: Database, hex: string): FoundImageRow | undefined {
  const withName = (row: ImageRow, byId: boolean): FoundImageRow => ({
    row,
    name: namesOfImage(db, row.id)[0] ?? "",
    byId,
  });
  if (hex.length === 64) {
    const row = imageById(db, hex as ImageId);
    if (row !== undefined) return withName(row, true);
    const [same] = imagesByManifest(db, `sha256:${hex}` as Digest);
    return same && withName(same, false);
  }
  const [first, second] = imagesByIdPrefix(db, hex);
  if (second !== undefined) {
    throw new CoracleError("usage", `cannot choose image "${hex}"`, {
      why: "several ids begin so",
      hint: "give more characters of the id",
    });
  }
  return first && withName(first, true);
}

/** The image's configuration, out of the blob store. Fails with `corrupt`. */
export function readImageConfig(engine: Pick<Engine, "paths">, row: ImageRow): ImageConfig {
  const { bytes, digest } = readConfigBytes(engine, row);
  return parseConfig(bytes, `config "${digest}"`);
}

/** The configuration's bytes as they came. */
export function readConfigBytes(
  engine: Pick<Engine, "paths">,
  row: ImageRow,
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly digest: Digest } {
  const digest = `sha256:${row.id}` as Digest;
  return { bytes: readBlob(engine.paths, digest, CONFIG_BYTES), digest };
}

export interface StoredManifest {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly manifest: Manifest;
}

/** The image's manifest, out of the blob store. Fails with `corrupt`. */
export function readImageManifest(engine: Pick<Engine, "paths">, row: ImageRow): StoredManifest {
  const bytes = readBlob(engine.paths, row.manifest, MANIFEST_BYTES);
  const document = `manifest "${row.manifest}"`;
  const parsed = parseManifest(bytes, document);
  if (parsed.kind === "index") {
    throw new CoracleError("corrupt", `cannot use the image's ${document}`, {
      why: "it is an index",
    });
  }
  const { mediaType, manifest } = parsed;
  return { bytes, digest: row.manifest, mediaType, manifest };
}
