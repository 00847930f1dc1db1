/**
 * The lock of one container, held by the process that works on it and released by the kernel when
 * that process dies. It is never held while a user's process is waited for.
 */
import { CoracleError } from "../errors.ts";
import { containerById, type ContainerRow } from "../state/containers.ts";
import { lockFile, tryLock } from "../sys/lock.ts";
import type { ContainerId } from "../terms.ts";
import { containerFiles } from "./container_files.ts";
import type { Engine } from "./engine.ts";

/**
 * Runs `work` with the container locked and its row read again: whatever another process did before
 * is seen. Fails with `notfound` when the container is gone by then.
 */
export function withContainer<T>(
  engine: Pick<Engine, "db" | "paths">,
  id: ContainerId,
  work: (row: ContainerRow) => T,
): T {
  using _lock = lockFile(containerFiles(engine.paths, id).lock);
  return work(freshRow(engine, id));
}

/** As `withContainer`, but does nothing and returns undefined when another process has the lock. */
export function withFreeContainer<T>(
  engine: Pick<Engine, "db" | "paths">,
  id: ContainerId,
  work: (row: ContainerRow) => T,
): T | undefined {
  using lock = tryLock(containerFiles(engine.paths, id).lock);
  if (lock === null) return undefined;
  const row = containerById(engine.db, id);
  return row && work(row);
}

/** The row as it is now. Fails with `notfound` when the container is gone. */
export function freshRow(engine: Pick<Engine, "db">, id: ContainerId): ContainerRow {
  const row = containerById(engine.db, id);
  if (row !== undefined) return row;
  throw new CoracleError("notfound", `cannot work on container "${id.slice(0, 12)}"`, {
    why: "no such container: it was removed meanwhile",
  });
}
