/** Records of images, their names, and the blobs each needs. */
import type { Digest, ImageId, LayerId } from "../terms.ts";
import { all, type Database, meta, one, type Row, run, setMeta, transaction } from "./database.ts";

export interface ImageRow {
  readonly id: ImageId;
  /** Digest of the manifest, whose bytes are in the blob store. */
  readonly manifest: Digest;
  /** Top layer; null for an image without layers. */
  readonly layer: LayerId | null;
  /** Image it was committed from, if any. */
  readonly parent: ImageId | null;
  /** Sum of the sizes of its layers' trees and its metadata, bytes. */
  readonly size: number;
  /** RFC 3339, from the image's config. */
  readonly created: string;
  /** RFC 3339, when it came into this store. */
  readonly loaded: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly architecture: string;
  readonly os: string;
}

function fromRow(row: Row): ImageRow {
  return {
    id: row.id as ImageId,
    manifest: row.manifest as Digest,
    layer: row.layer as LayerId | null,
    parent: row.parent as ImageId | null,
    size: Number(row.size),
    created: row.created as string,
    loaded: row.loaded as string,
    labels: JSON.parse(row.labels as string),
    architecture: row.architecture as string,
    os: row.os as string,
  };
}

/** How often images or their names have changed: a copy of them beside the database knows its age. */
export function imageChanges(db: Database): number {
  return Number(meta(db, "image_changes") ?? 0);
}

function countChange(db: Database): void {
  setMeta(db, "image_changes", String(imageChanges(db) + 1));
}

/** Adds the image with the blobs it needs; an image that is there already is left as it is. */
export function insertImage(db: Database, row: ImageRow, blobs: readonly Digest[]): void {
  transaction(db, () => {
    run(
      db,
      `INSERT INTO images (id, manifest, layer, parent, size, created, loaded, labels, architecture, os)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
      row.id,
      row.manifest,
      row.layer,
      row.parent,
      row.size,
      row.created,
      row.loaded,
      JSON.stringify(row.labels),
      row.architecture,
      row.os,
    );
    for (const blob of new Set(blobs)) {
      run(db, "INSERT OR IGNORE INTO image_blobs (image, blob) VALUES (?, ?)", row.id, blob);
    }
    countChange(db);
  });
}

/** The image came again in another form: this is its manifest from now on, with the blobs of this one. */
export function replaceManifest(
  db: Database,
  id: ImageId,
  manifest: Digest,
  blobs: readonly Digest[],
): void {
  transaction(db, () => {
    run(db, "UPDATE images SET manifest = ? WHERE id = ?", manifest, id);
    run(db, "DELETE FROM image_blobs WHERE image = ?", id);
    for (const blob of new Set(blobs)) {
      run(db, "INSERT OR IGNORE INTO image_blobs (image, blob) VALUES (?, ?)", id, blob);
    }
    countChange(db);
  });
}

/** For repairs: the image's top layer is another one than its row says. */
export function setImageLayer(db: Database, id: ImageId, layer: LayerId | null): void {
  run(db, "UPDATE images SET layer = ? WHERE id = ?", layer, id);
}

export function imageById(db: Database, id: ImageId): ImageRow | undefined {
  const row = one(db, "SELECT * FROM images WHERE id = ?", id);
  return row && fromRow(row);
}

/** Images whose id begins with `prefix` (hex digits), at most two: enough to know whether it is unique. */
export function imagesByIdPrefix(db: Database, prefix: string): ImageRow[] {
  if (!/^[0-9a-f]+$/.test(prefix)) return [];
  return all(
    db,
    "SELECT * FROM images WHERE id >= ? AND id < ? ORDER BY id LIMIT 2",
    prefix,
    prefix + "g",
  ).map(fromRow);
}

/** Images whose manifest has this digest. */
export function imagesByManifest(db: Database, manifest: Digest): ImageRow[] {
  return all(db, "SELECT * FROM images WHERE manifest = ?", manifest).map(fromRow);
}

export function listImages(db: Database): ImageRow[] {
  return all(db, "SELECT * FROM images ORDER BY created DESC, id").map(fromRow);
}

/** Fails with `busy` when a container uses it. Its names go with it. */
export function deleteImage(db: Database, id: ImageId): void {
  transaction(db, () => {
    run(db, "DELETE FROM images WHERE id = ?", id);
    countChange(db);
  });
}

/** Gives `image` the full name (`docker.io/library/x:tag`), taking it from whoever had it. Returns that one. */
export function nameImage(db: Database, name: string, image: ImageId): ImageId | null {
  return transaction(db, () => {
    const before = imageByName(db, name);
    run(
      db,
      `INSERT INTO image_names (name, image, added)
       VALUES (?, ?, (SELECT coalesce(max(added), 0) + 1 FROM image_names))
       ON CONFLICT (name) DO UPDATE SET image = excluded.image`,
      name,
      image,
    );
    countChange(db);
    return before === undefined || before.id === image ? null : before.id;
  });
}

export function unnameImage(db: Database, name: string): boolean {
  return transaction(db, () => {
    countChange(db);
    return run(db, "DELETE FROM image_names WHERE name = ?", name) > 0;
  });
}

export function imageByName(db: Database, name: string): ImageRow | undefined {
  const row = one(
    db,
    "SELECT images.* FROM image_names JOIN images ON images.id = image WHERE name = ?",
    name,
  );
  return row && fromRow(row);
}

/** Full names of one image in the order they were given. */
export function namesOfImage(db: Database, image: ImageId): string[] {
  return all(db, "SELECT name FROM image_names WHERE image = ? ORDER BY added", image)
    .map((row) => row.name as string);
}

/** Every full name with its image, in the order given. */
export function listImageNames(db: Database): { name: string; image: ImageId }[] {
  return all(db, "SELECT name, image FROM image_names ORDER BY added")
    .map((row) => ({ name: row.name as string, image: row.image as ImageId }));
}

/** How many containers use each image; images without any are not in it. */
export function imageUses(db: Database): Map<ImageId, number> {
  const rows = all(
    db,
    "SELECT image, count(*) AS uses FROM containers WHERE image IS NOT NULL GROUP BY image",
  );
  return new Map(rows.map((row) => [row.image as ImageId, Number(row.uses)]));
}

/** Does any image need this blob? */
export function isBlobUsed(db: Database, blob: Digest): boolean {
  return one(db, "SELECT 1 AS used FROM image_blobs WHERE blob = ? LIMIT 1", blob) !== undefined;
}

export function blobsOfImage(db: Database, image: ImageId): Digest[] {
  return all(db, "SELECT blob FROM image_blobs WHERE image = ? ORDER BY blob", image)
    .map((row) => row.blob as Digest);
}

/** Every blob some image needs. */
export function usedBlobs(db: Database): Set<Digest> {
  return new Set(all(db, "SELECT DISTINCT blob FROM image_blobs").map((row) => row.blob as Digest));
}
