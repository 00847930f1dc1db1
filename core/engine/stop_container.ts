/** Ends a container: the stop signal, a while, then SIGKILL; always waits until it is really gone. */
import { CoracleError } from "../errors.ts";
import type { ContainerRow } from "../state/containers.ts";
import { waitForFile } from "../sys/inotify.ts";
import { SIGNALS, waitGone } from "../sys/process.ts";
import { settle } from "./cleanup_container.ts";
import { containerFiles } from "./container_files.ts";
import { withContainer } from "./container_lock.ts";
import { runtimeOf } from "./container_runtime.ts";
import { derived, recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { cleanLocked } from "./release_container.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">;

export interface StopOptions {
  /** Seconds until SIGKILL; 0: SIGKILL at once; absent: the container's own. */
  readonly timeout?: number;
  /** For `rm --force`: a paused one is thawed, and one that was only created is killed. */
  readonly isForced?: boolean;
  /** Told when the stop signal was not enough. */
  readonly onKill?: (seconds: number) => void;
}

/** SIGKILL cannot be refused; only a process stuck in the kernel lasts longer. Milliseconds. */
const KILL_WAIT_MS = 30_000;
/** The monitor writes the exit file right after the process is gone. Milliseconds. */
const EXIT_FILE_MS = 5_000;

/**
 * Stops the container (C4). Quiet when it has stopped or exited already. Fails with `state` when it
 * was never started or is paused, and with `busy` when it does not die.
 */
export function stopContainer(engine: Parts, row: ContainerRow, options: StopOptions = {}): void {
  const timeout = options.timeout ?? recordOf(row).resolved.request.stopTimeout;
  const living = withContainer(engine, row.id, (fresh) => {
    const { state } = derived(engine, fresh);
    refuse(fresh, state, options);
    if (state === "stopped") settle(engine, fresh);
    if (state !== "running" && state !== "paused" && state !== "created") return null;
    if (state === "paused") runtimeOf(engine, fresh).resume(fresh.id);
    const mild = timeout > 0 && state !== "created";
    signal(engine, fresh, mild ? recordOf(fresh).resolved.stopSignal : SIGNALS.KILL!);
    return { row: fresh, mild };
  });
  if (living === null) return;
  awaitEnd(engine, living.row, { ...options, mildSeconds: living.mild ? timeout : 0 });
  finishRun(engine, living.row);
}

/**
 * Stops a running container with its lock held all the time, so that nobody, not even its own
 * `--rm`, comes between this and its next start. Returns its row, cleaned up.
 */
export function endLocked(
  engine: Parts,
  row: ContainerRow,
  options: Pick<StopOptions, "timeout" | "onKill"> = {},
): ContainerRow {
  const { request, stopSignal } = recordOf(row).resolved;
  const mildSeconds = options.timeout ?? request.stopTimeout;
  signal(engine, row, mildSeconds > 0 ? stopSignal : SIGNALS.KILL!);
  awaitEnd(engine, row, { ...options, mildSeconds });
  awaitExitFile(engine, row);
  return cleanLocked(engine, row, { forRestart: true });
}

/** After the first signal; `mildSeconds` later, when there were any, SIGKILL. */
function awaitEnd(
  engine: Parts,
  row: ContainerRow,
  options: Pick<StopOptions, "onKill"> & { readonly mildSeconds: number },
): void {
  const { mildSeconds } = options;
  if (mildSeconds > 0 && !waitGone(row.pid, mildSeconds * 1000)) {
    options.onKill?.(mildSeconds);
    signal(engine, row, SIGNALS.KILL!);
  }
  if (waitGone(row.pid, KILL_WAIT_MS)) return;
  throw new CoracleError("busy", `cannot stop container "${row.name}"`, {
    why: `process ${row.pid} did not end ${KILL_WAIT_MS / 1000} s after SIGKILL`,
    hint: "a process in uninterruptible sleep waits for a device or a network file system",
  });
}

function awaitExitFile(engine: Parts, row: ContainerRow): void {
  const { exit } = containerFiles(engine.paths, row.id);
  waitForFile(exit, { pid: row.monitorPid, timeoutMs: EXIT_FILE_MS });
}

function refuse(row: ContainerRow, state: string, options: StopOptions): void {
  if (options.isForced) return;
  if (state !== "configured" && state !== "paused" && state !== "unknown") return;
  throw new CoracleError("state", `cannot stop container "${row.name}"`, {
    why: `can only stop created or running containers. ${row.id} is in state ` +
      `${state === "configured" ? "created" : state}: container state improper`,
    ...(state === "paused" ? { hint: `thaw it first: "coracle unpause ${row.name}"` } : {}),
  });
}

function signal(engine: Parts, row: ContainerRow, number: number): void {
  try {
    runtimeOf(engine, row).kill(row.id, number, { all: number === SIGNALS.KILL });
  } catch (error) {
    // It may have ended between the look and the signal.
    const { state } = derived(engine, row);
    if (state !== "stopped" && state !== "exited") throw error;
  }
}

/** Waits for the exit file of a process that is gone, then cleans up (and removes with `--rm`). */
export function finishRun(engine: Parts, row: ContainerRow): ContainerRow | null {
  awaitExitFile(engine, row);
  try {
    return withContainer(engine, row.id, (fresh) => settle(engine, fresh));
  } catch (error) {
    // The monitor's own cleanup was faster and `--rm` took it away.
    if (error instanceof CoracleError && error.code === "notfound") return null;
    throw error;
  }
}
