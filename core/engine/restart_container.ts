/** Restarts a container: stopped when it runs, then started again with its old settings. */
import { CoracleError } from "../errors.ts";
import type { ContainerRow } from "../state/containers.ts";
import { withContainer } from "./container_lock.ts";
import { derived, recordOf, stateOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import type { InitOptions } from "./init_container.ts";
import { startContainer, startLocked } from "./start_container.ts";
import { endLocked, stopContainer, type StopOptions } from "./stop_container.ts";

export type RestartOptions = InitOptions & Pick<StopOptions, "timeout" | "onKill">;

/** C11: from any state but paused. One that does not run is only started. */
export function restartContainer(
  engine: Engine,
  row: ContainerRow,
  options: RestartOptions,
): ContainerRow {
  if (!recordOf(row).resolved.request.rm) {
    const state = stateOf(engine, row);
    refuse(row, state);
    if (state === "running") stopContainer(engine, row, options);
    return startContainer(engine, row, options);
  }
  // The lock stays ours all the time: at its end the monitor's cleanup would take the container away.
  return withContainer(engine, row.id, (fresh) => {
    const { state } = derived(engine, fresh);
    refuse(fresh, state);
    const ended = state === "running" ? endLocked(engine, fresh, options) : fresh;
    return startLocked(engine, ended, options);
  });
}

function refuse(row: ContainerRow, state: string): void {
  if (state !== "paused" && state !== "unknown" && state !== "removing") return;
  throw new CoracleError("state", `cannot restart container "${row.name}"`, {
    why: "unable to restart a container in a paused or unknown state: it is " +
      `${state}: container state improper`,
    ...(state === "paused" ? { hint: `thaw it first: "coracle unpause ${row.name}"` } : {}),
  });
}
