/** What frees a container's run: its runtime state, mounts and bundle; and how it ended, kept in its row. */
import { containerCgroup } from "../container/oci/linux.ts";
import { containerHolder, unmountLayer } from "../layer/store.ts";
import { changeContainer, type ContainerRow } from "../state/containers.ts";
import { removeCgroup } from "../sys/cgroup.ts";
import { exists, removeFile, removeTree } from "../sys/files.ts";
import { mountAt, unmount } from "../sys/mount.ts";
import { processesWithArgument, sendSignal, SIGNALS, waitGone } from "../sys/process.ts";
import { containerFiles } from "./container_files.ts";
import { freshRow } from "./container_lock.ts";
import { runtimeOf } from "./container_runtime.ts";
import { derived, exitTime, recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { unmountVolumes } from "./volume_mount.ts";

/** Longest wait for a killed monitor, milliseconds. */
const END_MS = 5_000;

type Parts = Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">;

/**
 * With the lock held: when the container has ended, everything of its run goes and the row says how
 * it ended. Anything else is left as it is. Safe to repeat. `forRestart`: `--rm` does not count.
 */
export function cleanLocked(
  engine: Parts,
  row: ContainerRow,
  options: { readonly forRestart?: boolean } = {},
): ContainerRow {
  const { state, exitCode = row.exitCode, reason = "" } = derived(engine, row);
  if (state !== "stopped") return row;
  const files = containerFiles(engine.paths, row.id);
  const ended = exitTime(engine, row);
  const oomKilled = exists(`${files.bundle}/oom`);
  releaseRun(engine, row, { hasEnded: true });
  const error = reason || row.error;
  changeContainer(engine.db, row.id, {
    // One made with `--rm` goes now: should we die before it is gone, recovery sees it by this.
    phase: recordOf(row).resolved.request.rm && !options.forRestart ? "removing" : "exited",
    pid: 0,
    pidStart: "",
    monitorPid: 0,
    exitCode,
    oomKilled,
    ended,
    error,
  });
  // Only now: until the row has it, this file is the only place that knows how it ended.
  removeFile(files.exit);
  return freshRow(engine, row.id);
}

/**
 * Frees what a run holds: runtime state, mounts, bundle. Quiet about what is gone. When the process
 * is known to be gone the runtime forgets the container while we unmount.
 */
export function releaseRun(
  engine: Parts,
  row: ContainerRow,
  options: { readonly hasEnded?: boolean } = {},
): void {
  const files = containerFiles(engine.paths, row.id);
  const runtime = runtimeOf(engine, row);
  const forgotten = options.hasEnded ? runtime.beginRemoval(row.id) : null;
  if (forgotten === null) runtime.remove(row.id, { force: true });
  try {
    releaseMounts(engine, row);
  } finally {
    forgotten?.();
  }
  removeTree(files.bundle);
}

function releaseMounts(engine: Parts, row: ContainerRow): void {
  const files = containerFiles(engine.paths, row.id);
  for (const directory of [`${files.bundle}/shm`, `${files.bundle}/root`]) {
    if (exists(directory) && mountAt(directory) !== null) unmount(directory, { detach: true });
  }
  if (row.layer !== null) unmountLayer(engine.layers, row.layer, containerHolder(row.id));
  unmountVolumes(engine, row);
}

/**
 * With the lock held, for a container whose row says that nothing runs: a start that was killed may
 * have left its mount, its bundle and a monitor that goes on creating the container. Free when there
 * is nothing.
 */
export function releaseLeftovers(engine: Parts, row: ContainerRow): void {
  if (!exists(containerFiles(engine.paths, row.id).bundle)) return;
  // First the monitor, which otherwise could have the runtime make the container after its removal.
  for (const pid of processesWithArgument(row.id)) {
    if (sendSignal(pid, SIGNALS.KILL!)) waitGone(pid, END_MS);
  }
  releaseRun(engine, row);
  // A runtime that was killed while it made the container knows nothing of its cgroup.
  const cgroup = containerCgroup(row.id, recordOf(row).resolved.request);
  if (cgroup !== null) removeCgroup(cgroup);
}
