/** `rm`: stops when told to, then takes the container away. */
import { CoracleError } from "../errors.ts";
import { type ContainerRow, joiningContainers } from "../state/containers.ts";
import { freshRow, withContainer } from "./container_lock.ts";
import { derived, recordOf } from "./container_state.ts";
import { discardLocked } from "./discard_container.ts";
import type { Engine } from "./engine.ts";
import { lookForContainer } from "./find_container.ts";
import { cleanLocked } from "./release_container.ts";
import { stopContainer } from "./stop_container.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">;

export interface RemoveOptions {
  /** Stop a running one first. */
  readonly force?: boolean;
  /** Seconds between the stop signal and SIGKILL with `force`; the container's own when absent. */
  readonly timeout?: number;
  /** Its anonymous volumes go too. */
  readonly volumes?: boolean;
  /** Containers that use its namespaces go first, instead of being a reason to refuse. */
  readonly depend?: boolean;
  /** Told of each of those that is gone. */
  readonly onRemove?: (row: ContainerRow) => void;
}

/**
 * Removes the container (C18). Fails with `state`: with exit status 2 when it runs or is paused and
 * `force` is not given, and when others use its namespaces and `depend` is not given.
 */
export function removeContainer(
  engine: Parts,
  row: ContainerRow,
  options: RemoveOptions = {},
): void {
  const dependents = dependentsOf(engine, row);
  if (dependents.length > 0 && !options.depend) throw hasDependents(row, dependents);
  for (const dependent of dependents) {
    removeContainer(engine, dependent, options);
    options.onRemove?.(dependent);
  }
  // The caller's row may be older than its start.
  const { state } = derived(engine, freshRow(engine, row.id));
  if (options.force && (state === "running" || state === "paused" || state === "created")) {
    stopContainer(engine, row, {
      isForced: true,
      ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
    });
  }
  withContainer(engine, row.id, (fresh) => {
    refuseLiving(engine, fresh);
    discardLocked(engine, cleanLocked(engine, fresh), options);
  });
}

/** One that was only created has a process that waits for its start; it goes without force. */
function refuseLiving(engine: Parts, row: ContainerRow): void {
  const { state } = derived(engine, row);
  if (state !== "running" && state !== "paused") return;
  throw new CoracleError("state", `cannot remove container ${row.id} as it is ${state}`, {
    why: "running or paused containers cannot be removed without force: container state improper",
    hint: `stop it first, or use "coracle rm --force ${row.name}"`,
    exitStatus: 2,
  });
}

/** Containers that join a namespace of this one. */
function dependentsOf(engine: Parts, row: ContainerRow): ContainerRow[] {
  return joiningContainers(engine.db).filter((other) => {
    const { pid, ipc, uts, network, cgroupns } = recordOf(other).resolved.request;
    return other.id !== row.id &&
      [pid, ipc, uts, network, cgroupns].some((mode) =>
        mode?.kind === "container" && lookForContainer(engine.db, mode.container)?.id === row.id
      );
  });
}

function hasDependents(row: ContainerRow, dependents: readonly ContainerRow[]): CoracleError {
  return new CoracleError("state", `cannot remove container "${row.name}"`, {
    why: `container ${row.id} has dependent containers which must be removed before it: ` +
      `${dependents.map(({ id }) => id).join(", ")}: container already exists`,
    hint: 'remove them too with "--depend"',
  });
}
