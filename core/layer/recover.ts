/** What killed processes and reboots left of layers, and of who holds them. */
import type { RecoveryReport } from "../../drivers/layer/driver.ts";
import { countLayers, layerById } from "../state/layers.ts";
import { tryLock } from "../sys/lock.ts";
import type { LayerId } from "../terms.ts";
import {
  abandonedLayers,
  allHolders,
  dropEarlierBoots,
  dropHolder,
  holdersOf,
  isUserHolder,
} from "./holders.ts";
import { listLayerRecords, removeLayerRecord } from "./records.ts";
import { chainOf, isLayerMounted, type LayerStore, lockLayer } from "./store.ts";

/**
 * Removes what killed processes left: half-made and half-removed layers, layers without a row,
 * mounts that nobody holds. Cheap when there is nothing; safe at any time, beside other processes.
 */
export function recoverLayers(store: LayerStore): RecoveryReport {
  dropEarlierBoots(store.holders);
  for (const id of abandonedLayers(store.holders)) {
    using _lock = lockLayer(store, id);
    // Looked at again under the lock: a living process may hold it by now.
    if (holdersOf(store.holders, id).length > 0) continue;
    store.driver.unmount({ id, chain: chainOf(store, id) }, { detach: true });
  }
  dropEndedMounts(store);
  const report = store.driver.recover((id) => layerById(store.db, id) !== undefined);
  for (const name of report.removed) {
    const id = name as LayerId;
    // What a layer was replaced with goes by the layer's id too.
    if (layerById(store.db, id) === undefined) removeLayerRecord(store.records, id);
  }
  dropStrayRecords(store);
  return report;
}

/** Records of layers that are gone: a recovery was killed between the tree and the record. */
function dropStrayRecords(store: LayerStore): void {
  const recorded = listLayerRecords(store.records);
  if (recorded.length <= countLayers(store.db)) return;
  // Who makes a layer has its tree in place before its record.
  const trees = new Set(store.driver.list());
  for (const id of recorded) {
    if (!trees.has(id) && layerById(store.db, id) === undefined) {
      removeLayerRecord(store.records, id);
    }
  }
}

/** A kill between a mount of the user's and its holder, or umount(8) by hand: the kernel knows best. */
function dropEndedMounts(store: LayerStore): void {
  for (const [id, held] of allHolders(store.holders)) {
    if (!held.every(isUserHolder)) continue;
    using lock = tryLock(`${store.locks}/layer-${id}`);
    if (lock === null || isLayerMounted(store, id)) continue;
    for (const holder of held) dropHolder(store.holders, id, holder);
  }
}
