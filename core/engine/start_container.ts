/** Starts a container, with or without its output: attach comes before start so that nothing is lost. */
import { attach, type AttachEnd, type AttachOptions, connectAttach } from "../container/attach.ts";
import { CoracleError } from "../errors.ts";
import { changeContainer, type ContainerRow } from "../state/containers.ts";
import { close } from "../sys/at.ts";
import { sendSignal } from "../sys/process.ts";
import { containerFiles } from "./container_files.ts";
import { freshRow, withContainer } from "./container_lock.ts";
import { runtimeOf } from "./container_runtime.ts";
import { derived, recordOf, timestamp } from "./container_state.ts";
import { ownName } from "./container_owner.ts";
import type { Engine } from "./engine.ts";
import { initLocked, type InitOptions } from "./init_container.ts";
import { cleanLocked, releaseRun } from "./release_container.ts";

/** C2: from configured, created, stopped, exited. One that runs already is left alone. */
export function startContainer(
  engine: Engine,
  row: ContainerRow,
  options: InitOptions,
): ContainerRow {
  return withContainer(engine, row.id, (fresh) => startLocked(engine, fresh, options));
}

/** With the lock held; `onCreated` runs when the process is there and waits for its start. */
export function startLocked(
  engine: Engine,
  row: ContainerRow,
  options: InitOptions,
  onCreated: (row: ContainerRow) => void = () => {},
): ContainerRow {
  const clean = cleanLocked(engine, row);
  const { state } = derived(engine, clean);
  if (state === "running") return clean;
  if (state !== "configured" && state !== "exited" && state !== "created") {
    throw new CoracleError("state", `cannot start container "${row.name}"`, {
      why: `container ${row.id} must be in Created or Stopped state to be started: ` +
        `it is ${state}: container state improper`,
    });
  }
  const owner = ownName();
  const created = state === "created" ? clean : initLocked(engine, clean, { ...options, owner });
  if (state === "created") changeContainer(engine.db, row.id, { owner });
  const started = timestamp();
  try {
    onCreated(created);
    runtimeOf(engine, created).start(row.id);
  } catch (error) {
    releaseRun(engine, created);
    const why = error instanceof Error ? error.message : String(error);
    changeContainer(engine.db, row.id, {
      phase: clean.phase === "created" ? "configured" : clean.phase,
      pid: 0,
      monitorPid: 0,
      error: why,
      owner: clean.owner,
    });
    throw error;
  }
  // A kill before this leaves "created" with a dead owner: recovery asks the runtime what is true.
  changeContainer(engine.db, row.id, { phase: "started", started, owner: "" });
  return freshRow(engine, row.id);
}

export type { AttachEnd };

/** Our ends of the streams and how to leave; see `AttachOptions`. */
export type Streams = Pick<AttachOptions, "stdin" | "stdout" | "stderr" | "detachKeys"> & {
  /** Signals we get go to the container. */
  readonly sigProxy: boolean;
};

export interface Attached {
  readonly row: ContainerRow;
  /** Moves bytes until the container ends or the user detaches. */
  readonly run: () => Promise<AttachEnd>;
}

/** C3: starts the container with our streams connected before its first instruction. */
export function startAttached(
  engine: Engine,
  row: ContainerRow,
  options: InitOptions & { readonly streams: Streams },
): Attached {
  let socket = -1;
  try {
    const started = withContainer(
      engine,
      row.id,
      (fresh) =>
        startLocked(engine, fresh, options, (created) => {
          socket = connectAttach(`${containerFiles(engine.paths, created.id).bundle}/attach`);
        }),
    );
    if (socket < 0) return attachRunning(engine, started, options.streams);
    return { row: started, run: () => pump(engine, started, socket, options.streams) };
  } catch (error) {
    if (socket >= 0) close(socket);
    throw error;
  }
}

/** C7: attaches to a container that was created or runs. Fails with `state` otherwise. */
export function attachRunning(engine: Engine, row: ContainerRow, streams: Streams): Attached {
  const { state } = derived(engine, row);
  if (state !== "running" && state !== "created") {
    throw new CoracleError("state", `cannot attach to container "${row.name}"`, {
      why: "you can only attach to running containers: container state improper",
    });
  }
  const socket = connectAttach(`${containerFiles(engine.paths, row.id).bundle}/attach`);
  return { row, run: () => pump(engine, row, socket, streams) };
}

function pump(
  engine: Engine,
  row: ContainerRow,
  socket: number,
  streams: Streams,
): Promise<AttachEnd> {
  const { bundle } = containerFiles(engine.paths, row.id);
  return attach({
    socket,
    terminal: recordOf(row).resolved.request.terminal,
    stdin: streams.stdin,
    stdout: streams.stdout,
    stderr: streams.stderr,
    detachKeys: streams.detachKeys,
    resize: (size) => engine.monitor.resize(bundle, size),
    ...(streams.sigProxy ? { proxy: (signal: number) => void sendSignal(row.pid, signal) } : {}),
  });
}
