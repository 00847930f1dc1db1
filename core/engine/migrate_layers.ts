/**
 * `storage migrate`: all layers go to another driver, under the same ids. The new ones are made whole
 * beside the old; one transaction makes the other driver the store's; then the old ones go. While it
 * works, the gate of the layer store keeps others from making and mounting layers.
 */
import type { LayerDriver } from "../../drivers/layer/driver.ts";
import { CoracleError } from "../errors.ts";
import { closeGate } from "../layer/gate.ts";
import { findRecipe, tryRecreation } from "../layer/recipe.ts";
import { chainOf, isLayerMounted, layerHolders, lockLayer } from "../layer/store.ts";
import { containerById, listContainers } from "../state/containers.ts";
import { forgetMeta, meta, setMeta, transaction } from "../state/database.ts";
import { layerById, type LayerRow, listLayers } from "../state/layers.ts";
import { removeTree } from "../sys/files.ts";
import { mountsBelow, unmount } from "../sys/mount.ts";
import type { ContainerId, LayerId, RawPath } from "../terms.ts";
import { recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { LEFTOVER, MIGRATION } from "./leftover_layers.ts";
import { writeLayerDriverNote } from "./store_records.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export interface Migration {
  readonly from: string;
  readonly to: string;
  /** Layers of the store. */
  readonly layers: number;
  /** Of these, made by an earlier attempt that was interrupted. */
  readonly continued: number;
  /** Sockets in containers, which no archive format has and which are not taken along. */
  readonly sockets: readonly RawPath[];
}

/**
 * Moves every layer to `target`. Fails with `busy` when layers are mounted, naming the containers,
 * with `corrupt` when a layer is not the same afterwards; then, and after a kill, the store is as it
 * was, and another attempt goes on where this one ended.
 */
export function migrateLayers(engine: Parts, target: LayerDriver): Migration {
  const { db, layers, paths } = engine;
  const from = layers.driver.name;
  using _gate = closeGate(db, "migrate");
  refuseMounted(engine, target.name);
  const done = earlierAttempt(engine, target);
  const continued = done.size;
  const sockets: RawPath[] = [];
  const rows = listLayers(db).reverse();
  for (const row of rows) {
    if (!done.has(row.id)) sockets.push(...moveLayer(engine, row, target));
  }
  target.sync();
  transaction(db, () => {
    setMeta(db, "layer_driver", target.name);
    setMeta(db, LEFTOVER, from);
    forgetMeta(db, MIGRATION);
  }, { durable: true });
  writeLayerDriverNote(paths, target.name);
  removeLeftover(engine, layers.driver);
  return { from, to: target.name, layers: rows.length, continued, sockets };
}

function refuseMounted(engine: Parts, to: string): void {
  const { db, layers } = engine;
  const users = new Set<string>();
  for (const { id } of listLayers(db)) {
    const holders = layerHolders(layers, id);
    for (const holder of holders) users.add(userName(engine, id, holder));
    if (holders.length === 0 && isLayerMounted(layers, id)) users.add(`layer "${id}"`);
  }
  if (users.size === 0) return;
  throw new CoracleError("busy", `cannot move the store to the layer driver "${to}"`, {
    why: `layers are mounted for ${[...users].sort().join(", ")}`,
    hint: "stop the containers and unmount the layers first",
  });
}

function userName({ db }: Parts, layer: LayerId, holder: string): string {
  const [kind, id = ""] = holder.split(":");
  if (kind === "container") {
    return `container "${containerById(db, id as ContainerId)?.name ?? id}"`;
  }
  return kind === "user" ? `the user (layer "${layer}")` : `process ${holder}`;
}

/**
 * The layers that an earlier attempt of this boot has made and that cannot have changed since; all
 * else there is of the target goes. After a reboot nothing of it is sure to be on the disk.
 */
function earlierAttempt({ db }: Parts, target: LayerDriver): Set<LayerId> {
  const mark = `${target.name} ${db.bootId}`;
  const isOurs = meta(db, MIGRATION) === mark;
  setMeta(db, MIGRATION, mark);
  target.recover((id) => layerById(db, id) !== undefined);
  const kept = new Set<LayerId>();
  const rows = new Map(listLayers(db).map((row) => [row.id, row]));
  for (const id of target.list()) {
    // Only layers of images are sure to be what they were; the others are quickly made again.
    if (isOurs && rows.get(id)?.chainId) kept.add(id);
    else {
      target.unmount({ id, chain: [] }, { detach: true });
      target.remove(id);
    }
  }
  return kept;
}

/** Returns the sockets that stay behind. */
function moveLayer(engine: Parts, row: LayerRow, target: LayerDriver): readonly RawPath[] {
  const { db, layers } = engine;
  const { id, volatile } = row;
  using _lock = lockLayer(layers, id);
  // A container may be removed meanwhile.
  if (layerById(db, id) === undefined) return [];
  const chain = chainOf(layers, id);
  const stage = target.begin({
    id,
    chain,
    kind: row.writable ? "container" : "image",
    ...quotaOf(engine, row, target),
    ...(volatile && target.can.volatile ? { volatile } : {}),
  });
  try {
    const { sockets } = layers.driver.entries({ id, chain }, stage);
    stage.commit();
    proveSame(engine, row, target);
    return sockets;
  } catch (error) {
    stage.abort();
    target.remove(id);
    throw error;
  }
}

/** The limit that its container was made with. Fails with `unsupported` where there are none. */
function quotaOf({ db }: Parts, row: LayerRow, target: LayerDriver): { quotaBytes?: number } {
  const container = row.writable
    ? listContainers(db).find(({ layer }) => layer === row.id)
    : undefined;
  const bytes = container && recordOf(container).resolved.request.storageSize;
  if (bytes === undefined) return {};
  if (target.can.quota) return { quotaBytes: bytes };
  throw new CoracleError("unsupported", `cannot move container "${container?.name}"`, {
    why: `its size is limited, and the layer driver "${target.name}" cannot do that here`,
  });
}

/** The layer of an image must give its digest from the new tree as it does from the old. */
function proveSame(engine: Parts, { id, diffId }: LayerRow, target: LayerDriver): void {
  const { layers, paths } = engine;
  const recipe = diffId === null ? null : findRecipe(layers, diffId, paths.recipes);
  if (recipe === null) return;
  const now = tryRecreation({ ...layers, driver: target }, { ...recipe, layer: id });
  if (now.isSame) return;
  const before = tryRecreation(layers, { ...recipe, layer: id });
  if (before.wrong.length === now.wrong.length && !before.isSame) return;
  throw new CoracleError("corrupt", `cannot move layer "${id}" to "${target.name}"`, {
    why: "it would not be the same there",
  });
}

/** The layers of a driver that is not the store's any more; quiet when they are gone. */
export function removeLeftover(
  { db, paths }: Pick<Engine, "db" | "paths">,
  driver: LayerDriver,
): void {
  for (const id of driver.list()) {
    driver.unmount({ id, chain: [] }, { detach: true });
    driver.remove(id);
  }
  const directory = `${paths.layers}/${driver.name}`;
  // A probe that was killed leaves a mount.
  for (const { target } of mountsBelow(directory)) unmount(target, { detach: true });
  removeTree(directory);
  transaction(db, () => {
    if (meta(db, LEFTOVER) === driver.name) forgetMeta(db, LEFTOVER);
    if (meta(db, MIGRATION)?.startsWith(`${driver.name} `)) forgetMeta(db, MIGRATION);
  });
}
