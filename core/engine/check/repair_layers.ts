/** Layers are unpacked again beside the damaged ones and take their places, under the same ids. */
import { CoracleError } from "../../errors.ts";
import { type BlobStaging } from "../../image/blob_staging.ts";
import { closeGate } from "../../layer/gate.ts";
import { findRecipe, tryRecreation } from "../../layer/recipe.ts";
import { chainOf, isLayerMounted, layerHolders, lockLayer } from "../../layer/store.ts";
import { layerById, type LayerRow, layersAbove, listLayers } from "../../state/layers.ts";
import type { DiffId, LayerId, TreeSink } from "../../terms.ts";
import type { Engine } from "../engine.ts";
import { readLayer } from "../image_layers.ts";
import type { Finding } from "./finding.ts";
import { type RepairSources, withCompression } from "./repair_sources.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export interface RepairTools {
  readonly engine: Parts;
  readonly staging: BlobStaging;
  readonly sources: RepairSources;
  /** Why something could not be repaired; for the finding of this id. */
  note(id: string, why: string): void;
}

const NOTHING: TreeSink = { entry: () => {}, write: () => {}, end: () => {} };

/** The layers that the findings are about, parents first. */
export async function repairLayers(
  tools: RepairTools,
  findings: readonly Finding[],
): Promise<void> {
  const { db } = tools.engine;
  const wanted = new Map<string, boolean>();
  for (const { kind, object, id, path } of findings) {
    if (object !== "layer") continue;
    const isFile = kind.startsWith("file-");
    // A lost short name is no reason to unpack a layer: the driver makes it again.
    const isDamage = kind === "layer-missing" || kind === "layer-damaged" && !path.includes("/");
    if (isFile || isDamage) wanted.set(id, true);
    else if (kind.startsWith("recipe-") && !wanted.has(id)) wanted.set(id, false);
  }
  for (const row of listLayers(db).reverse()) {
    const isTree = wanted.get(row.id);
    if (isTree === undefined) continue;
    if (row.diffId === null) {
      tools.note(row.id, "only its own files have its content, and there is no copy of them");
    } else if (isTree || !await repairRecipe(tools, row, row.diffId)) {
      await repairTree(tools, row, row.diffId);
    }
  }
}

/** True when the layer's files and its new recipe give its digest. */
async function repairRecipe(
  { engine, sources, staging }: RepairTools,
  row: LayerRow,
  diffId: DiffId,
): Promise<boolean> {
  for (const bytes of sources.layer(diffId)) {
    const { file, compression } = withCompression(staging, bytes);
    try {
      await readLayer(staging, file, { into: NOTHING, diffId, compression, withRecipe: true });
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      continue;
    }
    staging.publishRecipes();
    const found = findRecipe(engine.layers, diffId, engine.paths.recipes);
    return found !== null && tryRecreation(engine.layers, { ...found, layer: row.id }).isSame;
  }
  return false;
}

async function repairTree(tools: RepairTools, row: LayerRow, diffId: DiffId): Promise<void> {
  const { engine, sources, staging } = tools;
  let why = "no kept blob and no archive given with --from has it";
  for (const bytes of sources.layer(diffId)) {
    const users = usersNow(engine, row.id);
    if (users.length > 0) return tools.note(row.id, postponed(users));
    try {
      why = await refill(tools, row, { diffId, ...withCompression(staging, bytes) }) ?? "";
      if (why !== "") tools.note(row.id, why);
      return;
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      why = `${bytes.from}: ${error.message}`;
    }
  }
  tools.note(row.id, why);
}

function postponed(users: readonly string[]): string {
  return `postponed while it is mounted: ${users.join(", ")}`;
}

/** Holders and mounts of the layer and of all that build on it. */
function usersNow({ db, layers }: Parts, id: LayerId): string[] {
  return [id, ...layersAbove(db, id)].flatMap((each) => {
    const holders = layerHolders(layers, each);
    return holders.length > 0 || !isLayerMounted(layers, each) ? holders : [`layer ${each}`];
  });
}

/** Null when it is done, else why it was postponed. */
async function refill(
  { engine, staging }: RepairTools,
  row: LayerRow,
  from: { readonly diffId: DiffId } & ReturnType<typeof withCompression>,
): Promise<string | null> {
  const { db, layers } = engine;
  const { driver } = layers;
  const { id } = row;
  const { diffId, file, compression } = from;
  const stage = driver.begin({
    id,
    chain: chainOf(layers, id),
    kind: "image",
    ...(driver.list().includes(id) ? { replaces: true } : {}),
  });
  try {
    await readLayer(staging, file, { into: stage, diffId, compression, withRecipe: true });
    driver.sync();
    using _gate = closeGate(db, "repair");
    using _lock = lockLayer(layers, id);
    // Looked at again: from here on nobody mounts.
    const users = usersNow(engine, id);
    if (users.length > 0 || layerById(db, id) === undefined) {
      stage.abort();
      return users.length > 0 ? postponed(users) : null;
    }
    stage.commit();
    driver.sync();
  } catch (error) {
    stage.abort();
    throw error;
  }
  staging.publishRecipes();
  return null;
}
