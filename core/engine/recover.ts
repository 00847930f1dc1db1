/**
 * Finds what a kill or a power cut left half done and finishes or undoes it. Every changing command
 * begins with it; with nothing to do it costs a few directory reads and queries.
 */
import { recoverLayers } from "../layer/recover.ts";
import {
  changeContainer,
  containerById,
  type ContainerRow,
  unsettledContainers,
} from "../state/containers.ts";
import { volumeByName } from "../state/volumes.ts";
import { cgroupOf } from "../sys/cgroup.ts";
import { exists, listNames, readTextOrNull, removeTree } from "../sys/files.ts";
import { mountsBelow, unmount } from "../sys/mount.ts";
import { tryLock } from "../sys/lock.ts";
import { processStart } from "../sys/process.ts";
import type { ContainerId } from "../terms.ts";
import { settle } from "./cleanup_container.ts";
import { containerFiles } from "./container_files.ts";
import { withFreeContainer } from "./container_lock.ts";
import { isOwnerDead } from "./container_owner.ts";
import { runtimeOf } from "./container_runtime.ts";
import { derived, recordOf, timestamp } from "./container_state.ts";
import { discardLocked } from "./discard_container.ts";
import type { Engine } from "./engine.ts";
import { releaseLeftovers } from "./release_container.ts";
import { recoverImages } from "./recover_images.ts";
import { thawLocked } from "./signal_container.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">;

/** Safe at any time, in any process, beside any other: what somebody works on is locked and left. */
export function recover(engine: Parts): void {
  for (const row of unsettledContainers(engine.db)) recoverContainer(engine, row);
  recoverImages(engine);
  recoverLayers(engine.layers);
  recoverDirectories(engine);
}

/** Ended without anybody to clean up, half removed, or made by a `run` that died before the start. */
function recoverContainer(engine: Parts, row: ContainerRow): void {
  if (row.owner !== "" && isOwnerDead(row.owner)) return abandon(engine, row);
  const { state } = derived(engine, row);
  if (state === "removing") {
    withFreeContainer(engine, row.id, (fresh) => {
      if (fresh.phase === "removing") discardLocked(engine, fresh);
    });
  }
  // While the monitor lives its own cleanup is about to come.
  if (state === "stopped" && processStart(row.monitorPid) === null) {
    withFreeContainer(engine, row.id, (fresh) => {
      if (derived(engine, fresh).state === "stopped") settle(engine, fresh);
    });
  }
}

/** Its maker or starter died before it was done: finished when it runs, else undone. */
function abandon(engine: Parts, row: ContainerRow): void {
  withFreeContainer(engine, row.id, (fresh) => {
    if (fresh.owner !== row.owner) return;
    // It ran before and after: somebody only froze it for a while.
    if (fresh.phase === "started") return thawLocked(engine, fresh);
    if (fresh.phase === "created" && derived(engine, fresh).state === "stopped") {
      settle(engine, fresh);
      return;
    }
    const { state } = fresh.phase === "created"
      ? runtimeOf(engine, fresh).state(fresh.id)
      : { state: "gone" };
    if (state === "running" || state === "paused") {
      changeContainer(engine.db, row.id, { phase: "started", started: timestamp(), owner: "" });
    } else if (recordOf(fresh).resolved.request.rm) {
      discardLocked(engine, fresh, { volumes: true });
    } else {
      releaseLeftovers(engine, fresh);
      const phase = fresh.started === "" ? "configured" : "exited";
      changeContainer(engine.db, row.id, { phase, pid: 0, monitorPid: 0, owner: "" });
    }
  });
}

/** Directories that no record names: a removal or a creation was killed between the two. */
function recoverDirectories(engine: Parts): void {
  const { db, paths } = engine;
  for (const directory of [paths.containers, paths.running]) {
    for (const name of listNames(directory)) {
      const id = name as ContainerId;
      if (containerById(db, id) !== undefined) continue;
      // Whoever makes or removes it right now has its lock.
      using lock = tryLock(containerFiles(paths, id).lock);
      if (lock === null || containerById(db, id) !== undefined || runs(paths, id)) continue;
      // Gone since the listing: its own removal was at work.
      if (!exists(`${directory}/${name}`)) continue;
      for (const { target } of mountsBelow(`${directory}/${name}`)) {
        unmount(target, { detach: true });
      }
      removeTree(`${directory}/${name}`);
    }
  }
  for (const name of listNames(paths.volumes)) {
    if (volumeByName(db, name) !== undefined) continue;
    using lock = tryLock(`${paths.locks}/volume-${name}`);
    if (lock !== null && volumeByName(db, name) === undefined) {
      removeTree(`${paths.volumes}/${name}`);
    }
  }
}

/** Its record is lost but its process is not (`system check` finds it): nothing is taken from it. */
function runs(paths: Engine["paths"], id: ContainerId): boolean {
  const pid = Number(readTextOrNull(`${containerFiles(paths, id).bundle}/pidfile`) ?? 0);
  if (pid <= 0 || processStart(pid) === null) return false;
  return [...cgroupOf(pid).values()].some((path) => path.includes(id));
}
