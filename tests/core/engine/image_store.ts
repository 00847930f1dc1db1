/** A store of its own in a temporary folder, for the tests of images: real disk, real driver. */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { driver as overlay } from "../../../drivers/layer/overlay.ts";
import type { Engine, StorePaths } from "../../../core/engine/engine.ts";
import { storePaths } from "../../../core/engine/engine.ts";
import { openDatabase } from "../../../core/state/database.ts";
import { makeDirs } from "../../../core/sys/files.ts";
import { bootId } from "../../../core/sys/process.ts";

export type ImageEngine = Pick<Engine, "db" | "paths" | "layers">;

export interface TestStore extends Disposable {
  readonly engine: ImageEngine;
  readonly paths: StorePaths;
  /** For files of the test; removed with the store. */
  readonly folder: string;
}

/** Opens (or opens again) the store in `folder`. */
export function openStore(folder: string): ImageEngine {
  const paths = storePaths(join(folder, "root"), join(folder, "run"));
  for (const path of Object.values(paths)) makeDirs(path, 0o700);
  const db = openDatabase(join(paths.root, "state.db"), bootId());
  const place = {
    root: join(paths.layers, "overlay"),
    runroot: join(paths.runroot, "overlay"),
    options: {},
  };
  makeDirs(place.root);
  makeDirs(place.runroot);
  const driver = overlay.open(place);
  const holders = join(paths.runroot, "holders");
  makeDirs(holders);
  return {
    db,
    paths,
    layers: { db, driver, locks: paths.locks, holders, records: `${paths.records}/layers` },
  };
}

export function newStore(): TestStore {
  const folder = mkdtempSync(join(process.env.TMPDIR ?? "/tmp", "image-test-"));
  const engine = openStore(folder);
  return {
    engine,
    folder,
    paths: engine.paths,
    [Symbol.dispose]() {
      engine.db.handle.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
