/** Gives back what a killed `load`, `import`, `save` or `rmi` left: staged blobs, unused layers. */
import { recipePath } from "../image/blobs.ts";
import { abandonedStaging, removeAbandoned } from "../image/recover_staging.ts";
import { removeLayer } from "../layer/store.ts";
import { isBlobUsed } from "../state/images.ts";
import { isDiffIdUsed, layerById, unusedImageLayers } from "../state/layers.ts";
import { removeFile } from "../sys/files.ts";
import { type FileLock, lockFile, tryLock } from "../sys/lock.ts";
import type { ChainId, DiffId, LayerId } from "../terms.ts";
import type { Engine, StorePaths } from "./engine.ts";
import { refreshImageNotes } from "./store_records.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

/**
 * Held while records of images change together with the blobs they name. Short: never while user
 * data is read or written.
 */
export function lockImages(paths: StorePaths): FileLock {
  return lockFile(`${paths.locks}/images`);
}

/** Path of the lock of a chain id, as `lockChain` of the layer store has it. */
export function chainLockPath(paths: StorePaths, chainId: ChainId): string {
  return `${paths.locks}/chain-${chainId.replace(":", "-")}`;
}

/** Safe at any time, in any process. With nothing to do one directory read and one query. */
export function recoverImages(engine: Parts): void {
  refreshImageNotes(engine);
  recoverStaging(engine);
  removeUnusedLayers(engine);
}

function recoverStaging({ db, paths }: Pick<Parts, "db" | "paths">): void {
  const names = abandonedStaging(paths);
  if (names.length === 0) return;
  using _lock = lockImages(paths);
  for (const name of names) {
    removeAbandoned(paths, name, {
      blob: (digest) => isBlobUsed(db, digest),
      recipe: (diffId) => isDiffIdUsed(db, diffId),
    });
  }
}

/**
 * Removes the image layers that nothing needs, from the top down. One that another process is
 * building on right now (it holds the chain's lock) is left to that process.
 */
export function removeUnusedLayers(engine: Parts): void {
  const passed = new Set<LayerId>();
  for (;;) {
    // A layer becomes unused when the one above it goes.
    const next = unusedImageLayers(engine.db).find((id) => !passed.has(id));
    if (next === undefined) return;
    passed.add(next);
    removeUnused(engine, next);
  }
}

function removeUnused(engine: Parts, id: LayerId): void {
  const { db, paths, layers } = engine;
  const { chainId = null, diffId = null } = layerById(db, id) ?? {};
  if (chainId === null) return;
  const path = chainLockPath(paths, chainId);
  using lock = tryLock(path);
  if (lock === null || !unusedImageLayers(db).includes(id)) return;
  // As in Podman an image that the user has mounted can go, and its mount goes with it.
  removeLayer(layers, id, { endUserMounts: true });
  removeFile(path);
  if (diffId !== null) removeUnusedRecipe(engine, diffId);
}

/** A `load` of the same layer puts the recipe back under this lock when it has written its row. */
function removeUnusedRecipe({ db, paths }: Pick<Parts, "db" | "paths">, diffId: DiffId): void {
  using _lock = lockImages(paths);
  if (!isDiffIdUsed(db, diffId)) removeFile(recipePath(paths, diffId));
}
