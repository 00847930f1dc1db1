/** Signals, pause and unpause (C5, C9): what acts on a container that lives and changes no record. */
import { CoracleError } from "../errors.ts";
import { changeContainer, type ContainerRow } from "../state/containers.ts";
import type { State } from "../terms.ts";
import { withContainer } from "./container_lock.ts";
import { ownName } from "./container_owner.ts";
import { runtimeOf } from "./container_runtime.ts";
import { derived } from "./container_state.ts";
import type { Engine } from "./engine.ts";

type Parts = Pick<Engine, "db" | "paths" | "runtime" | "openRuntime">;

/** Signals that end a process unless it listens. */
const ENDING = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Podman's word for a state in an error. */
function word(state: State): string {
  return state === "configured" ? "created" : state === "created" ? "initialized" : state;
}

/** Sends a signal (1-64) to the container's first process. Fails with `state` when it does not run. */
export function killContainer(engine: Parts, row: ContainerRow, signal: number): void {
  withContainer(engine, row.id, (fresh) => {
    const { state } = derived(engine, fresh);
    if (state !== "running" && state !== "paused") {
      throw new CoracleError("state", `cannot kill container "${row.name}"`, {
        why: `can only kill running containers. ${row.id} is in state ${word(state)}: ` +
          "container state improper",
      });
    }
    runtimeOf(engine, fresh).kill(fresh.id, signal);
  });
}

/** Freezes all processes of the container. Fails with `state` when it is not running. */
export function pauseContainer(engine: Parts, row: ContainerRow): void {
  withContainer(engine, row.id, (fresh) => {
    refuseUnlessRunning(engine, fresh);
    runtimeOf(engine, fresh).pause(fresh.id);
  });
}

function refuseUnlessRunning(engine: Parts, row: ContainerRow): void {
  const { state } = derived(engine, row);
  if (state === "running") return;
  throw new CoracleError("state", `cannot pause container "${row.name}"`, {
    why: state === "paused"
      ? `"${row.id}" is already paused: container state improper`
      : `"${row.id}" is not running, can't pause: container state improper`,
  });
}

/** Thaws it. Fails with `state` when it is not paused. */
export function unpauseContainer(engine: Parts, row: ContainerRow): void {
  withContainer(engine, row.id, (fresh) => {
    if (derived(engine, fresh).state === "paused") return runtimeOf(engine, fresh).resume(fresh.id);
    throw new CoracleError("state", `cannot unpause container "${row.name}"`, {
      why: `"${row.id}" is not paused, can't unpause: container state improper`,
    });
  });
}

/**
 * Does `work` while everything in the running container is frozen, and thaws it whatever happens:
 * the row names us, so that when we are killed recovery thaws it. It may be thawed by others before.
 */
export function whilePaused<T>(engine: Parts, row: ContainerRow, work: () => T): T {
  withContainer(engine, row.id, (fresh) => {
    refuseUnlessRunning(engine, fresh);
    changeContainer(engine.db, fresh.id, { owner: ownName() });
    runtimeOf(engine, fresh).pause(fresh.id);
  });
  // Signals wait until the work, which is synchronous, is done: they must not end us before the thaw.
  const wait = () => {};
  for (const signal of ENDING) process.on(signal, wait);
  try {
    return work();
  } finally {
    withContainer(engine, row.id, (fresh) => thawLocked(engine, fresh));
    for (const signal of ENDING) process.off(signal, wait);
  }
}

/** With the lock held: ends what `whilePaused` began, by us or by a process that has died. */
export function thawLocked(engine: Parts, row: ContainerRow): void {
  if (derived(engine, row).state === "paused") runtimeOf(engine, row).resume(row.id);
  changeContainer(engine.db, row.id, { owner: "" });
}
