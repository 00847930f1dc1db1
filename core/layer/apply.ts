/**
 * A tar into a layer that is there, writable and empty, all of it or nothing: the tree is made beside
 * the layer and takes its place in one rename.
 */
import type { LayerStage } from "../../drivers/layer/driver.ts";
import { CoracleError } from "../errors.ts";
import { passGate } from "./gate.ts";
import { holdersOf } from "./holders.ts";
import { layerById } from "../state/layers.ts";
import type { LayerId } from "../terms.ts";
import { isLayerMounted, type LayerStore, lockLayer, refOf } from "./store.ts";
import { type UnpackedLayer, unpackLayer } from "./unpack.ts";

/**
 * Unpacks the uncompressed tar `source` into the layer, whose lock it holds meanwhile. Fails with
 * `state` (read-only, or not empty), `busy` (mounted), `corrupt`; the layer then is as it was.
 */
export async function applyLayer(
  store: LayerStore,
  id: LayerId,
  source: AsyncIterable<Uint8Array>,
): Promise<UnpackedLayer> {
  using _lock = lockLayer(store, id);
  const stage = beginFilling(store, id);
  try {
    const unpacked = await unpackLayer(source, { into: stage });
    // Before it takes the place of the layer: the old one is whole, and so must this be.
    store.driver.sync();
    stage.commit();
    store.driver.sync();
    return unpacked;
  } catch (error) {
    stage.abort();
    throw error;
  }
}

function beginFilling(store: LayerStore, id: LayerId): LayerStage {
  const layer = refOf(store, id, "fill");
  const refuse = (code: "state" | "busy", why: string, hint: string) =>
    new CoracleError(code, `cannot fill layer "${id}"`, { why, hint });
  const row = layerById(store.db, id);
  if (row?.writable !== true) {
    throw refuse("state", "it is read-only", `make a new one: coracle layer create --parent ${id}`);
  }
  if (holdersOf(store.holders, id).length > 0 || isLayerMounted(store, id)) {
    throw refuse("busy", "it is mounted", `coracle layer unmount ${id}`);
  }
  passGate(store.db, `cannot fill layer "${id}"`, ["migrate"]);
  if (store.driver.changes(layer).length > 0) {
    const next = `coracle layer commit ${id}, then make a new one on it with --parent`;
    throw refuse("state", "it is not empty", next);
  }
  const { volatile } = row;
  return store.driver.begin({
    ...layer,
    kind: "container",
    replaces: true,
    ...(volatile ? { volatile } : {}),
  });
}
