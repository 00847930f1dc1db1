/**
 * Runs one more process in a running container (C6). The session has a record while it lives, so
 * that nobody cleans the container up under it; the record of a dead caller is void by itself.
 */
import { attach, connectAttach, consoleSize } from "../container/attach.ts";
import { hostFacts } from "../container/host/facts.ts";
import { execProcess } from "../container/oci/exec_process.ts";
import { resolveUser } from "../container/users.ts";
import { CoracleError } from "../errors.ts";
import {
  type ContainerRow,
  deleteExec,
  execsOf,
  insertExec,
  setExecPid,
} from "../state/containers.ts";
import { close, O } from "../sys/at.ts";
import { environment } from "../sys/environment.ts";
import {
  makeDirs,
  openText,
  readText,
  readTextOrNull,
  removeTree,
  writeAtomic,
} from "../sys/files.ts";
import { waitForFile } from "../sys/inotify.ts";
import { isAlive, processStart, selfIdentity, sendSignal } from "../sys/process.ts";
import { containerFiles } from "./container_files.ts";
import { freshRow } from "./container_lock.ts";
import { runtimeOf } from "./container_runtime.ts";
import { derived, recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import type { Streams } from "./start_container.ts";

export interface ExecRequest {
  readonly command: readonly string[];
  /** `KEY=VALUE`, over the container's own. */
  readonly environment: readonly string[];
  /** Absent: the container's. */
  readonly user?: string;
  readonly workdir?: string;
  readonly terminal: boolean;
  readonly interactive: boolean;
  readonly privileged: boolean;
  readonly preserveFds: number;
}

export interface ExecEnd {
  /** 64 hex digits. */
  readonly session: string;
  /** Null when it goes on without us. */
  readonly exitCode: number | null;
}

type Parts = Pick<Engine, "db" | "paths" | "runtime" | "openRuntime" | "monitor">;

/** The monitor writes the exit file right after it closed the streams. Milliseconds. */
const EXIT_FILE_MS = 30_000;

/**
 * Runs the command and, with `streams`, stays until it ends. Fails with `state` when the container
 * does not run, `notcommand` and `notexecutable` when the command cannot be run.
 */
export async function execInContainer(
  engine: Parts,
  row: ContainerRow,
  request: ExecRequest,
  streams: Streams | null,
): Promise<ExecEnd> {
  const fresh = freshRow(engine, row.id);
  const { state } = derived(engine, fresh);
  if (state !== "running") {
    throw new CoracleError("state", `cannot exec in container "${row.name}"`, {
      why: "can only create exec sessions on running containers: container state improper",
      ...(state === "paused" ? { hint: `thaw it first: "coracle unpause ${row.name}"` } : {}),
    });
  }
  forgetDeadSessions(engine, fresh);
  const session = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
  const dir = `${containerFiles(engine.paths, row.id).bundle}/exec-${session}`;
  const { pid, start } = selfIdentity();
  insertExec(engine.db, {
    id: session,
    container: row.id,
    command: request.command,
    pid: 0,
    pidStart: "",
    owner: `${pid}-${start}`,
  });
  let isOver = true;
  const onStart = () => {
    isOver = false;
  };
  try {
    const end = await runSession(engine, fresh, { request, streams, session, dir, onStart });
    isOver = end !== null;
    return { session, exitCode: end };
  } finally {
    // When our own output failed the process goes on: the session stays until it is found dead.
    if (isOver) {
      deleteExec(engine.db, session);
      removeTree(dir);
    }
  }
}

interface Session {
  readonly request: ExecRequest;
  readonly streams: Streams | null;
  readonly session: string;
  readonly dir: string;
  /** Called when the process is there. */
  readonly onStart: () => void;
}

/** The exit status, or null when the process goes on without us. */
async function runSession(engine: Parts, row: ContainerRow, its: Session): Promise<number | null> {
  const { request, streams, session, dir } = its;
  makeDirs(dir, 0o700);
  const processFile = `${dir}/process.json`;
  writeAtomic(processFile, JSON.stringify(processOf(engine, row, its)), { mode: 0o600 });
  let socket = -1;
  const started = engine.monitor.exec(
    {
      id: row.id,
      name: row.name,
      session,
      dir,
      processFile,
      terminal: request.terminal,
      stdin: request.interactive,
      exitCommand: [],
      preserveFds: request.preserveFds,
      environment: environment(),
      runtimeLog: `${dir}/runtime.log`,
      attach: streams !== null,
    },
    runtimeOf(engine, row),
    () => {
      socket = connectAttach(`${dir}/attach`);
    },
  );
  setExecPid(engine.db, session, started.pid, processStart(started.pid) ?? "");
  its.onStart();
  if (streams === null) return null;
  const end = await attach({
    socket,
    terminal: request.terminal,
    stdin: streams.stdin,
    stdout: streams.stdout,
    stderr: streams.stderr,
    detachKeys: streams.detachKeys,
    resize: (size) => engine.monitor.resize(dir, size),
    ...(streams.sigProxy
      ? { proxy: (signal: number) => void sendSignal(started.pid, signal) }
      : {}),
  });
  if (end === "detached") return null;
  waitForFile(`${dir}/exit`, { pid: started.monitorPid, timeoutMs: EXIT_FILE_MS });
  const said = readTextOrNull(`${dir}/exit`)?.trim();
  return said === undefined || said === "" ? 255 : Number(said);
}

/** The runtime-spec's `process`: that of the container, with what the request puts in its place. */
function processOf(engine: Parts, row: ContainerRow, { request, streams }: Session): unknown {
  const { bundle } = containerFiles(engine.paths, row.id);
  const spec = JSON.parse(readText(`${bundle}/config.json`));
  const { resolved } = recordOf(row);
  const root = openText(`/proc/${row.pid}/root`, O.RDONLY | O.DIRECTORY);
  try {
    const user = resolveUser(root, {
      user: request.user ?? resolved.user,
      groupAdd: resolved.request.groupAdd,
    });
    // The container's window is not this session's.
    const { consoleSize: _, ...container } = spec.process;
    const process = execProcess({
      container,
      request: resolved.request,
      user,
      args: request.command,
      environment: request.environment,
      ...(request.workdir === undefined ? {} : { workdir: request.workdir }),
      terminal: request.terminal,
      privileged: request.privileged,
      hostCapabilities: hostFacts().capabilities,
    });
    return { ...process, ...(request.terminal ? consoleSize(streams) : {}) };
  } finally {
    close(root);
  }
}

/** Sessions whose process is gone, and those of callers that died before there was one. */
function forgetDeadSessions(engine: Parts, row: ContainerRow): void {
  const { bundle } = containerFiles(engine.paths, row.id);
  for (const exec of execsOf(engine.db, row.id)) {
    const [pid, start = ""] = exec.owner.split("-");
    const isRunning = exec.pid > 0 && isAlive({ pid: exec.pid, start: exec.pidStart });
    // While its caller lives it reads the exit status from this directory.
    if (isRunning || isAlive({ pid: Number(pid), start })) continue;
    deleteExec(engine.db, exec.id);
    removeTree(`${bundle}/exec-${exec.id}`);
  }
}
