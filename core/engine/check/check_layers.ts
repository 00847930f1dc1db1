/** Layers against their records, their recipes and what the driver says. */
import { hasCode } from "../../errors.ts";
import { compareTree, readEntries, type WrongObject } from "../../layer/check_tree.ts";
import { findRecipe, type LayerRecipe, tryRecreation } from "../../layer/recipe.ts";
import { layerById, type LayerRow, listLayers, unusedImageLayers } from "../../state/layers.ts";
import { close, O } from "../../sys/at.ts";
import { openText } from "../../sys/files.ts";
import { type LayerId, type RawPath, text } from "../../terms.ts";
import type { Engine } from "../engine.ts";
import { type Finding, finding, type FindingKind } from "./finding.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export interface CheckOptions {
  /** Reads the content of every file and compares it. */
  readonly digest: boolean;
}

/** A layer has at most this many findings of files; the rest is counted in one. */
const MOST_FILES = 100;

export function checkLayers(engine: Parts, options: CheckOptions): Finding[] {
  const { db, layers } = engine;
  const there = new Set(layers.driver.list());
  const found: Finding[] = [];
  // Parents first, as they have to be repaired.
  for (const row of listLayers(db).reverse()) {
    const affects = usersOf(engine, row.id);
    found.push(...checkLayer(engine, row, { ...options, isThere: there.has(row.id), affects }));
  }
  for (const id of there) {
    if (layerById(db, id) !== undefined) continue;
    found.push(finding("layer-unknown", { object: "layer", id, detail: "it has no record" }));
  }
  for (const id of unusedImageLayers(db)) {
    found.push(finding("layer-unused", { object: "layer", id, detail: "no image needs it" }));
  }
  return found;
}

interface LayerLook extends CheckOptions {
  readonly isThere: boolean;
  readonly affects: readonly string[];
}

function checkLayer(engine: Parts, row: LayerRow, look: LayerLook): Finding[] {
  const { id } = row;
  const { affects } = look;
  const of = { object: "layer", id, affects } as const;
  if (!look.isThere) {
    // Removed by another process meanwhile?
    if (layerById(engine.db, id) === undefined) return [];
    return [finding("layer-missing", { ...of, detail: "its directory is gone" })];
  }
  const damage = engine.layers.driver.verify({ id, chain: [] }, "exists").map((each) => {
    const kind = each.kind === "torn" ? "layer-torn" : "layer-damaged";
    return finding(kind, { ...of, path: text(each.path), detail: each.detail });
  });
  const isReadable = damage.every(({ kind, path }) => kind === "layer-torn" || path.includes("/"));
  if (!isReadable || row.diffId === null) return damage;
  return [...damage, ...checkFiles(engine, row, look)];
}

function checkFiles(engine: Parts, { id, diffId }: LayerRow, look: LayerLook): Finding[] {
  const { affects, digest } = look;
  const of = { object: "layer", id, affects } as const;
  const recipe = diffId === null ? null : findRecipe(engine.layers, diffId, engine.paths.recipes);
  if (recipe === null) {
    const detail = "it has no recipe: its files cannot be compared";
    return [finding("recipe-missing", { ...of, affects: [], detail })];
  }
  try {
    const compared = compareFiles(engine, { ...recipe, layer: id }, digest);
    const found = compared.wrong.map((one) => {
      const kind: FindingKind = `file-${one.kind}`;
      return finding(kind, { ...of, path: text(one.path), detail: one.detail });
    });
    if (found.length === 0 && !compared.isSame) {
      const detail = "its files do not give the digest of the layer";
      return [finding("recipe-damaged", { ...of, detail })];
    }
    return shortened(found, of);
  } catch (error) {
    if (!hasCode(error, "corrupt")) throw error;
    return [finding("recipe-damaged", { ...of, detail: error.why ?? error.what })];
  }
}

interface Compared {
  readonly wrong: readonly WrongObject[];
  /** The files give the layer's digest, as far as that was looked at and can be told. */
  readonly isSame: boolean;
}

function compareFiles({ layers }: Parts, from: LayerRecipe, digest: boolean): Compared {
  const recipe = openText(from.recipe, O.RDONLY | O.NOFOLLOW);
  try {
    const described = readEntries(recipe);
    const wrong = new Map<RawPath, WrongObject>();
    const tree = layers.driver.openTree(from.layer);
    try {
      const paths = digest ? pathsOf(layers, from.layer) : [];
      compareTree(described, tree, (one) => wrong.set(one.path, one), paths);
    } finally {
      close(tree);
    }
    if (!digest) return { wrong: [...wrong.values()], isSame: true };
    const report = tryRecreation(layers, from);
    // What a later member of the archive replaced is in no tree.
    const current = report.wrong.filter(({ index }) => described.isCurrent(index));
    for (const one of current) if (!wrong.has(one.path)) wrong.set(one.path, one);
    const isSame = report.isSame || current.length < report.wrong.length;
    return { wrong: [...wrong.values()], isSame };
  } finally {
    close(recipe);
  }
}

function pathsOf({ driver }: Parts["layers"], id: LayerId): RawPath[] {
  return driver.changes({ id, chain: [] }).filter(({ kind }) => kind !== "delete")
    .map(({ path }) => path);
}

function shortened(
  found: readonly Finding[],
  of: Pick<Finding, "object" | "id" | "affects">,
): Finding[] {
  if (found.length <= MOST_FILES) return [...found];
  const detail = `${found.length - MOST_FILES} more of its files are not as they were`;
  return [...found.slice(0, MOST_FILES), finding("file-changed", { ...of, detail })];
}

/** Names of the images and containers that show the layer. */
export function usersOf({ db }: Pick<Engine, "db">, id: LayerId): string[] {
  const rows = db.handle.prepare(
    `WITH RECURSIVE up (id) AS (
       SELECT ? UNION SELECT l.id FROM layers l JOIN up ON l.parent = up.id
     )
     SELECT 'image ' || coalesce((SELECT name FROM image_names n WHERE n.image = i.id LIMIT 1),
       substr(i.id, 1, 12)) AS called FROM images i JOIN up ON i.layer = up.id
     UNION SELECT 'container ' || name FROM containers c JOIN up ON c.layer = up.id
     ORDER BY called`,
  ).all(id);
  return rows.map((row) => String(row.called));
}
