/** After a container has ended: takes its run away, says how it ended, and honours `--rm`. */
import { CoracleError } from "../errors.ts";
import { type ContainerRow, execsOf } from "../state/containers.ts";
import { isAlive } from "../sys/process.ts";
import { withContainer } from "./container_lock.ts";
import { derived } from "./container_state.ts";
import { discardLocked } from "./discard_container.ts";
import type { Engine } from "./engine.ts";
import { cleanLocked } from "./release_container.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">;

/**
 * Cleans a container up (C15). Fails with `state` while it runs, is paused or has exec sessions;
 * safe to repeat. A container made with `--rm` is removed. Returns the row, or null when it is gone.
 */
export function cleanupContainer(engine: Parts, row: ContainerRow): ContainerRow | null {
  return withContainer(engine, row.id, (fresh) => {
    const { state } = derived(engine, fresh);
    const sessions = execsOf(engine.db, row.id).filter((exec) =>
      exec.pid > 0 && isAlive({ pid: exec.pid, start: exec.pidStart })
    );
    if (state === "running" || state === "paused" || state === "created") {
      throw improper(fresh, `it is ${state}`);
    }
    if (sessions.length > 0) throw improper(fresh, "it has active exec sessions");
    return settle(engine, fresh);
  });
}

function improper(row: ContainerRow, why: string): CoracleError {
  return new CoracleError("state", `cannot clean up container "${row.name}"`, {
    why: `${why}: container state improper`,
  });
}

/**
 * With the lock held and the process gone: `cleanLocked`, then `--rm`. Returns null when the
 * container was removed.
 */
export function settle(engine: Parts, row: ContainerRow): ContainerRow | null {
  const clean = cleanLocked(engine, row);
  if (clean.phase !== "removing") return clean;
  discardLocked(engine, clean, { volumes: true });
  return null;
}
