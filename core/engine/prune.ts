/** What nobody uses any more goes: stopped containers, volumes and images without a container. */
import type { VolumeRow } from "../state/volumes.ts";
import { listContainers } from "../state/containers.ts";
import { CoracleError } from "../errors.ts";
import type { ContainerId, ImageId, State } from "../terms.ts";
import { containerSize } from "./container_size.ts";
import type { Engine } from "./engine.ts";
import { containerFilter } from "./filter_containers.ts";
import { imageFilter } from "./filter_images.ts";
import { listAllImages } from "./list_images.ts";
import { listedContainer } from "./list_containers.ts";
import { prunableVolumes } from "./list_volumes.ts";
import { removeContainer } from "./remove_container.ts";
import { pruneImages } from "./remove_image.ts";
import { treeSize } from "./tree_size.ts";
import { volumeData } from "./volume_mount.ts";
import { removeVolume } from "./volume_store.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">;

export interface Pruned<T> {
  readonly removed: readonly T[];
  /** Bytes given back; 0 unless they were to be measured. */
  readonly bytes: number;
  /** What could not be removed; the rest was. */
  readonly errors: readonly CoracleError[];
}

const ENDED: readonly State[] = ["configured", "created", "exited", "stopped"];

/**
 * Removes the containers that do not run; their volumes stay. Fails with `usage` on a
 * filter that is none; a container that starts meanwhile is left.
 */
export function pruneContainers(
  engine: Parts,
  options: { readonly filters: readonly string[]; readonly measure?: boolean },
): Pruned<ContainerId> {
  const isMatch = containerFilter(engine, options.filters, { forPrune: true });
  const candidates = listContainers(engine.db).map((row) => listedContainer(engine, row))
    .filter((container) => ENDED.includes(container.state) && isMatch(container));
  return pruneEach(candidates, ({ row }) => {
    const bytes = options.measure ? containerSize(engine, row).writable : 0;
    removeContainer(engine, row);
    return { value: row.id, bytes };
  });
}

/** Removes the volumes that no container uses. */
export function pruneVolumes(
  engine: Pick<Parts, "db" | "paths">,
  options: { readonly filters: readonly string[]; readonly measure?: boolean },
): Pruned<VolumeRow> {
  return pruneEach(prunableVolumes(engine, options.filters), (row) => {
    const bytes = options.measure ? treeSize(volumeData(engine.paths, row.name)) : 0;
    removeVolume(engine, row);
    return { value: row, bytes };
  });
}

/** Removes images without a name, or with `all` every image without a container. */
export function pruneUnusedImages(
  engine: Parts,
  options: { readonly filters: readonly string[]; readonly all: boolean },
): Pruned<ImageId> {
  const isMatch = imageFilter(engine, options.filters);
  const candidates = listAllImages(engine).filter((image) =>
    image.containers === 0 && (options.all || image.isDangling) && isMatch(image)
  );
  return pruneEach(candidates, ({ row }) => {
    const gone = pruneImages(engine, { candidates: [row.id] }).length > 0;
    return gone ? { value: row.id, bytes: row.size } : null;
  });
}

function pruneEach<T, R>(
  candidates: readonly T[],
  remove: (candidate: T) => { readonly value: R; readonly bytes: number } | null,
): Pruned<R> {
  const removed: R[] = [];
  const errors: CoracleError[] = [];
  let bytes = 0;
  for (const candidate of candidates) {
    try {
      const done = remove(candidate);
      if (done === null) continue;
      removed.push(done.value);
      bytes += done.bytes;
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      // Somebody else was faster, or began to use it: both are what a prune respects.
      if (error.code !== "notfound" && error.code !== "state") errors.push(error);
    }
  }
  return { removed, bytes, errors };
}
