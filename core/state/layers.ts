/** Records of layers: who builds on whom, and what each is called. */
import type { ChainId, DiffId, LayerId } from "../terms.ts";
import { all, type Database, one, type Row, run } from "./database.ts";

export interface LayerRow {
  readonly id: LayerId;
  readonly parent: LayerId | null;
  readonly kind: "image" | "container";
  /** Only layers of images have one; two images with the same layers share them by it. */
  readonly chainId: ChainId | null;
  readonly diffId: DiffId | null;
  /** Given by the user of `layer create`. */
  readonly name: string | null;
  /** Bytes of the delta, measured when it was committed; 0 for writable ones. */
  readonly size: number;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  readonly writable: boolean;
  /** Will be thrown away; not synced. */
  readonly volatile: boolean;
}

function fromRow(row: Row): LayerRow {
  return {
    id: row.id as LayerId,
    parent: row.parent as LayerId | null,
    kind: row.kind as LayerRow["kind"],
    chainId: row.chain_id as ChainId | null,
    diffId: row.diff_id as DiffId | null,
    name: row.name as string | null,
    size: Number(row.size),
    created: row.created as string,
    writable: row.writable === 1,
    volatile: row.volatile === 1,
  };
}

export function insertLayer(db: Database, row: LayerRow): void {
  run(
    db,
    `INSERT INTO layers (id, parent, kind, chain_id, diff_id, name, size, created, writable, volatile)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    row.id,
    row.parent,
    row.kind,
    row.chainId,
    row.diffId,
    row.name,
    row.size,
    row.created,
    row.writable ? 1 : 0,
    row.volatile ? 1 : 0,
  );
}

export function layerById(db: Database, id: LayerId): LayerRow | undefined {
  const row = one(db, "SELECT * FROM layers WHERE id = ?", id);
  return row && fromRow(row);
}

export function layerByName(db: Database, name: string): LayerRow | undefined {
  const row = one(db, "SELECT * FROM layers WHERE name = ?", name);
  return row && fromRow(row);
}

export function layerByChainId(db: Database, chainId: ChainId): LayerRow | undefined {
  const row = one(db, "SELECT * FROM layers WHERE chain_id = ?", chainId);
  return row && fromRow(row);
}

/** At most two layers whose ids begin so: enough to see that one is not the only one. */
export function layersByIdPrefix(db: Database, prefix: string): LayerRow[] {
  if (!/^[a-z0-9]+$/.test(prefix)) return [];
  return all(
    db,
    "SELECT * FROM layers WHERE id >= ? AND id < ? ORDER BY id LIMIT 2",
    prefix,
    `${prefix}~`,
  ).map(fromRow);
}

/** What keeps the layer besides its children: the names or ids of images and containers. */
export function usersOfLayer(
  db: Database,
  id: LayerId,
): { readonly images: string[]; readonly containers: string[] } {
  const images = all(
    db,
    `SELECT coalesce((SELECT name FROM image_names n WHERE n.image = i.id ORDER BY added LIMIT 1),
       i.id) AS called FROM images i WHERE layer = ? ORDER BY called`,
    id,
  ).map((row) => row.called as string);
  const containers = all(db, "SELECT name FROM containers WHERE layer = ? ORDER BY name", id)
    .map((row) => row.name as string);
  return { images, containers };
}

/** Layers unpacked from this tar; the same one may stand on several others. */
export function layersByDiffId(db: Database, diffId: DiffId): LayerRow[] {
  return all(db, "SELECT * FROM layers WHERE diff_id = ? ORDER BY id", diffId).map(fromRow);
}

export function isDiffIdUsed(db: Database, diffId: DiffId): boolean {
  return one(db, "SELECT 1 AS used FROM layers WHERE diff_id = ? LIMIT 1", diffId) !== undefined;
}

/** The layer's parents, nearest first. */
export function layerChain(db: Database, id: LayerId): LayerId[] {
  return all(
    db,
    `WITH RECURSIVE up (id, parent, depth) AS (
       SELECT id, parent, 0 FROM layers WHERE id = ?
       UNION ALL SELECT l.id, l.parent, up.depth + 1 FROM layers l JOIN up ON l.id = up.parent
     ) SELECT id FROM up WHERE depth > 0 ORDER BY depth`,
    id,
  ).map((row) => row.id as LayerId);
}

export function layerChildren(db: Database, id: LayerId): LayerId[] {
  return all(db, "SELECT id FROM layers WHERE parent = ? ORDER BY id", id)
    .map((row) => row.id as LayerId);
}

export function countLayers(db: Database): number {
  return Number(one(db, "SELECT count(*) AS layers FROM layers")?.layers ?? 0);
}

/** All layers that build on this one, at any distance. */
export function layersAbove(db: Database, id: LayerId): LayerId[] {
  return all(
    db,
    `WITH RECURSIVE up (id) AS (
       SELECT id FROM layers WHERE parent = ?
       UNION SELECT l.id FROM layers l JOIN up ON l.parent = up.id
     ) SELECT id FROM up ORDER BY id`,
    id,
  ).map((row) => row.id as LayerId);
}

/** Every layer, children before their parents: an order in which they can be removed. */
export function listLayers(db: Database): LayerRow[] {
  return all(
    db,
    `WITH RECURSIVE down (id, depth) AS (
       SELECT id, 0 FROM layers WHERE parent IS NULL
       UNION ALL SELECT l.id, down.depth + 1 FROM layers l JOIN down ON l.parent = down.id
     ) SELECT layers.* FROM layers JOIN down USING (id) ORDER BY down.depth DESC, layers.id`,
  ).map(fromRow);
}

/** Image layers that no layer, image or container needs: what a killed load or an rmi leaves. */
export function unusedImageLayers(db: Database): LayerId[] {
  return all(
    db,
    `SELECT id FROM layers l WHERE kind = 'image' AND name IS NULL AND chain_id IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM layers c WHERE c.parent = l.id)
       AND NOT EXISTS (SELECT 1 FROM images i WHERE i.layer = l.id)
       AND NOT EXISTS (SELECT 1 FROM containers c WHERE c.layer = l.id)`,
  ).map((row) => row.id as LayerId);
}

/** Quiet when it is gone; fails with `busy` when something builds on it. */
export function deleteLayer(db: Database, id: LayerId): void {
  run(db, "DELETE FROM layers WHERE id = ?", id);
}

/** A writable layer becomes read-only, with its measured size. */
export function sealLayer(db: Database, id: LayerId, size: number): void {
  run(db, "UPDATE layers SET writable = 0, kind = 'image', size = ? WHERE id = ?", size, id);
}
