/** A layer store in a folder of its own, for the tests of this room. */
import { mkdtempSync, rmSync } from "node:fs";
import { driver as overlay } from "../../../drivers/layer/overlay.ts";
import type { DriverModule } from "../../../drivers/module.ts";
import { type LayerStore, removeLayer } from "../../../core/layer/store.ts";
import { closeDatabase, openDatabase } from "../../../core/state/database.ts";
import { listLayers } from "../../../core/state/layers.ts";
import { makeDirs } from "../../../core/sys/files.ts";
import { bootId } from "../../../core/sys/process.ts";

export interface FreshStore extends LayerStore {
  readonly base: string;
  /** The same store as another process sees it. */
  reopen(): LayerStore;
  close(): void;
}

export const needsRoot: string | false = process.getuid?.() === 0 ? false : "needs root";

export function freshStore(module: DriverModule<"layer"> = overlay): FreshStore {
  const base = mkdtempSync("/tmp/layer-store-");
  const place = { root: `${base}/layers`, runroot: `${base}/run`, options: {} };
  for (const path of [place.root, place.runroot, `${base}/locks`]) makeDirs(path);
  const open = (): LayerStore => ({
    db: openDatabase(`${base}/state.db`, bootId()),
    driver: module.open(place, undefined as never),
    locks: `${base}/locks`,
    holders: `${base}/holders`,
    records: `${base}/records`,
  });
  const store = open();
  const others: LayerStore[] = [];
  return {
    ...store,
    base,
    reopen() {
      const other = open();
      others.push(other);
      return other;
    },
    close() {
      for (const { id } of listLayers(store.db)) {
        store.driver.unmount({ id, chain: [] }, { detach: true });
        removeLayer({ ...store, holders: `${base}/none` }, id);
      }
      for (const { db } of [store, ...others]) closeDatabase(db);
      rmSync(base, { recursive: true });
    },
  };
}
