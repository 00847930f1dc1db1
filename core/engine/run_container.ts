/**
 * `run`: the only file that knows the whole order, from an image's name to an exit status. Each line
 * takes values and gives values; the work is in the files it calls.
 */
import { parseDetachKeys } from "../container/detach_keys.ts";
import type { CreateRequest } from "../container/request.ts";
import { CoracleError, hasCode } from "../errors.ts";
import { type ContainerRow, exitOfRemoved } from "../state/containers.ts";
import { waitGone } from "../sys/process.ts";
import { createContainer, type CreateOptions } from "./create_container.ts";
import type { Engine } from "./engine.ts";
import type { InitOptions } from "./init_container.ts";
import { removeContainer } from "./remove_container.ts";
import {
  type Attached,
  type AttachEnd,
  startAttached,
  startContainer,
  type Streams,
} from "./start_container.ts";
import { finishRun } from "./stop_container.ts";

export interface RunOptions extends CreateOptions, InitOptions {
  /** Null: detached. */
  readonly streams: Streams | null;
  /** Called with the row once it is made, before anything runs. */
  readonly onCreate?: (row: ContainerRow) => void;
}

export interface RunEnd {
  readonly row: ContainerRow;
  /** The command's own; null when it goes on without us (detached, or left by the detach keys). */
  readonly exitCode: number | null;
}

/**
 * Makes the container, starts it and, unless detached, stays with it until it ends. When it cannot
 * be started a container made with `--rm` is removed again.
 */
export async function runContainer(
  engine: Engine,
  request: CreateRequest,
  options: RunOptions,
): Promise<RunEnd> {
  const row = createContainer(engine, request, { ...options, isOwned: true });
  options.onCreate?.(row);
  let attached: Attached;
  try {
    if (options.streams === null) {
      return { row: startContainer(engine, row, options), exitCode: null };
    }
    attached = startAttached(engine, row, {
      ...options,
      isAttended: true,
      streams: options.streams,
    });
  } catch (error) {
    if (request.rm) removeContainer(engine, row, { force: true, volumes: true });
    throw startFailure(error);
  }
  const end = await stayUntilEnd(engine, attached);
  if (end === "detached") return { row: attached.row, exitCode: null };
  return { row: attached.row, exitCode: endOfRun(engine, attached.row) };
}

/**
 * Podman's status 126 for a container that was made but could not be started. What is missing on
 * the host (a device, a program) Podman looks for before: that stays 125.
 */
function startFailure(error: unknown): unknown {
  if (!(error instanceof CoracleError) || error.exitStatus !== 125) return error;
  if (hasCode(error, "notfound", "unsupported")) return error;
  const { code, what, why, hint } = error;
  return new CoracleError(code, what, {
    ...(why === undefined ? {} : { why }),
    ...(hint === undefined ? {} : { hint }),
    cause: error,
    exitStatus: 126,
  });
}

/** One that is ending anyway (its terminal was hung up) gets this long. Milliseconds. */
const LAST_LOOK_MS = 500;

/**
 * Moves bytes until the container ends. When our own output fails (`| head -1`, a full disk, a
 * terminal that is gone) the container goes on, as in Podman, and its monitor cleans up; one that
 * has ended meanwhile is cleaned up here, because the monitor has seen us alive then.
 */
export async function stayUntilEnd(engine: Engine, attached: Attached): Promise<AttachEnd> {
  try {
    return await attached.run();
  } catch (error) {
    const { pid } = attached.row;
    if (pid > 0 && waitGone(pid, LAST_LOOK_MS)) endOfRun(engine, attached.row);
    throw error;
  }
}

/** Cleans up after an attended run and gives the exit status. */
export function endOfRun(engine: Engine, row: ContainerRow): number {
  const clean = finishRun(engine, row);
  return clean?.exitCode ?? exitOfRemoved(engine.db, row.id) ?? 255;
}

/** Streams for `run`, `start --attach` and `attach`: which of ours a container gets. */
export function streamsFor(
  request: Pick<CreateRequest, "interactive">,
  wishes: {
    readonly stdin: boolean;
    readonly stdout: boolean;
    readonly stderr: boolean;
    readonly detachKeys: string;
    readonly sigProxy: boolean;
  },
): Streams {
  return {
    stdin: wishes.stdin && request.interactive ? 0 : null,
    stdout: wishes.stdout ? 1 : null,
    stderr: wishes.stderr ? 2 : null,
    detachKeys: parseDetachKeys(wishes.detachKeys),
    sigProxy: wishes.sigProxy,
  };
}
