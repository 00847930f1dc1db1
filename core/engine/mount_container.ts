/** `mount` and `unmount` of containers: their root directory for the user, counted. */
import { CoracleError } from "../errors.ts";
import { allHolders } from "../layer/holders.ts";
import { isLayerMounted } from "../layer/store.ts";
import { mountForUser, unmountForUser, userMounts } from "../layer/user_mounts.ts";
import { type ContainerRow, execsOf, listContainers } from "../state/containers.ts";
import { layerChain } from "../state/layers.ts";
import type { LayerId } from "../terms.ts";
import { withContainer } from "./container_lock.ts";
import { recordOf, stateOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export interface MountedContainer {
  readonly row: ContainerRow;
  readonly path: string;
}

/** Mounts its layer once more for the user and returns the directory. */
export function mountContainer(engine: Parts, row: ContainerRow): string {
  return withContainer(engine, row.id, (fresh) => {
    if (fresh.layer === null) return recordOf(fresh).resolved.request.rootfs ?? "";
    return mountForUser(engine.layers, fresh.layer);
  });
}

/** Containers that are mounted now, by the user or because they run. */
export function mountedContainers(engine: Parts): MountedContainer[] {
  const held = allHolders(engine.layers.holders);
  return listContainers(engine.db).flatMap((row) => {
    if (row.layer === null || !held.has(row.layer)) return [];
    if (!isLayerMounted(engine.layers, row.layer)) return [];
    return [{ row, path: mountpointOf(engine, row.layer) }];
  });
}

function mountpointOf({ db, layers }: Parts, id: LayerId): string {
  return layers.driver.plan({ id, chain: layerChain(db, id) }, "rw").path;
}

/**
 * Ends one of the user's mounts, with `force` all of them, also when processes use files in it.
 * Quiet when there is none, but refused with `state` when then only the container itself holds it:
 * while it runs or is paused, or has exec sessions. What it runs on is never taken away.
 */
export function unmountContainer(
  engine: Parts,
  row: ContainerRow,
  options: { readonly force?: boolean } = {},
): void {
  withContainer(engine, row.id, (fresh) => {
    if (fresh.layer === null) return;
    const { force = false } = options;
    if (!force && userMounts(engine.layers, fresh.layer) === 0) refuseInUse(engine, fresh);
    unmountForUser(engine.layers, fresh.layer, { all: force, detach: force });
  });
}

/** Has the user mounted it? */
export function isMountedByUser(engine: Parts, row: ContainerRow): boolean {
  return row.layer !== null && userMounts(engine.layers, row.layer) > 0;
}

function refuseInUse(engine: Parts, row: ContainerRow): void {
  const state = stateOf(engine, row);
  const what = `cannot unmount container "${row.name}"`;
  if (state === "running" || state === "paused") {
    throw new CoracleError("state", what, {
      why: `cannot unmount storage for container ${row.id} as it is running or paused: ` +
        "container state improper",
    });
  }
  if (execsOf(engine.db, row.id).length > 0) {
    throw new CoracleError("state", what, {
      why: `container ${row.id} has active exec sessions, refusing to unmount: ` +
        "container state improper",
    });
  }
}
