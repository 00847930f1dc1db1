/** Records of containers, their exec sessions, and the exit statuses that outlive them. */
import type { ContainerId, ImageId, LayerId } from "../terms.ts";
import { all, type Database, one, type Row, run, transaction } from "./database.ts";

/**
 * What we did last, not what is true: the state is derived from this, the runtime, the exit file
 * and the boot id.
 */
export type Phase = "configured" | "created" | "started" | "exited" | "removing";

export interface ContainerRow {
  readonly id: ContainerId;
  readonly name: string;
  readonly image: ImageId | null;
  /** Writable layer; null when the root is a directory of the user's (`--rootfs`). */
  readonly layer: LayerId | null;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  /** The part that is fixed when the container is made (`core/container/record.ts`). */
  readonly record: Readonly<Record<string, unknown>>;
  readonly phase: Phase;
  /** Process of the container in our pid namespace, 0 when there is none. */
  readonly pid: number;
  /** Start time of `pid`, so that a reused pid is not mistaken for it. */
  readonly pidStart: string;
  readonly monitorPid: number;
  readonly started: string;
  readonly ended: string;
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why the last start or run ended badly, for people. */
  readonly error: string;
  readonly restarts: number;
  /** Name or path of the runtime it was created with. */
  readonly runtime: string;
  /**
   * `PID-STARTTIME` of the process that makes or starts it, until it is started: when that process
   * has died before, recovery finds out how far it came.
   */
  readonly owner: string;
}

/** The columns that change in a container's life. */
export type ContainerChange = Partial<
  Omit<ContainerRow, "id" | "image" | "layer" | "created" | "record">
>;

function fromRow(row: Row): ContainerRow {
  return {
    id: row.id as ContainerId,
    name: row.name as string,
    image: row.image as ImageId | null,
    layer: row.layer as LayerId | null,
    created: row.created as string,
    record: JSON.parse(row.record as string),
    phase: row.phase as Phase,
    pid: Number(row.pid),
    pidStart: row.pid_start as string,
    monitorPid: Number(row.monitor_pid),
    started: row.started as string,
    ended: row.ended as string,
    exitCode: Number(row.exit_code),
    oomKilled: row.oom_killed === 1,
    error: row.error as string,
    restarts: Number(row.restarts),
    runtime: row.runtime as string,
    owner: row.owner as string,
  };
}

const SELECT = "SELECT containers.*, record FROM containers JOIN container_records USING (id)";

const COLUMNS: Readonly<Record<keyof ContainerChange, string>> = {
  name: "name",
  phase: "phase",
  pid: "pid",
  pidStart: "pid_start",
  monitorPid: "monitor_pid",
  started: "started",
  ended: "ended",
  exitCode: "exit_code",
  oomKilled: "oom_killed",
  error: "error",
  restarts: "restarts",
  runtime: "runtime",
  owner: "owner",
};

/** Fails with `exists` when the id or the name is taken. */
export function insertContainer(db: Database, row: ContainerRow): void {
  transaction(db, () => {
    run(
      db,
      `INSERT INTO containers (id, name, image, layer, created, phase, runtime, owner)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      row.id,
      row.name,
      row.image,
      row.layer,
      row.created,
      row.phase,
      row.runtime,
      row.owner,
    );
    const record = JSON.stringify(row.record);
    run(db, "INSERT INTO container_records (id, record) VALUES (?, ?)", row.id, record);
  });
}

/** Changes the given columns; returns false when the container is gone. */
export function changeContainer(db: Database, id: ContainerId, change: ContainerChange): boolean {
  const keys = Object.keys(change) as (keyof ContainerChange)[];
  if (keys.length === 0) return containerById(db, id) !== undefined;
  const values = keys.map((key) => {
    const value = change[key]!;
    return typeof value === "boolean" ? Number(value) : value;
  });
  const sets = keys.map((key) => `${COLUMNS[key]} = ?`).join(", ");
  return run(db, `UPDATE containers SET ${sets} WHERE id = ?`, ...values, id) > 0;
}

export function containerById(db: Database, id: ContainerId): ContainerRow | undefined {
  const row = one(db, `${SELECT} WHERE id = ?`, id);
  return row && fromRow(row);
}

export function containerByName(db: Database, name: string): ContainerRow | undefined {
  const row = one(db, `${SELECT} WHERE name = ?`, name);
  return row && fromRow(row);
}

/** Containers whose id begins with `prefix` (hex digits), at most two: enough to know whether it is unique. */
export function containersByIdPrefix(db: Database, prefix: string): ContainerRow[] {
  if (!/^[0-9a-f]+$/.test(prefix)) return [];
  return all(
    db,
    `${SELECT} WHERE id >= ? AND id < ? ORDER BY id LIMIT 2`,
    prefix,
    prefix + "g",
  ).map(fromRow);
}

/** Every container, oldest first. */
export function listContainers(db: Database): ContainerRow[] {
  return all(db, `${SELECT} ORDER BY created, id`).map(fromRow);
}

/** Containers that a kill may have left half done: every phase but `configured` and `exited`, and those still owned. */
export function unsettledContainers(db: Database): ContainerRow[] {
  return all(
    db,
    `${SELECT} WHERE phase IN ('created', 'started', 'removing') OR owner <> ''
     ORDER BY created, id`,
  ).map(fromRow);
}

/** Those that were made to join a namespace of another container. */
export function joiningContainers(db: Database): ContainerRow[] {
  return all(db, `${SELECT} WHERE record LIKE '%"kind":"container"%' ORDER BY created, id`)
    .map(fromRow);
}

export function containersOfImage(db: Database, image: ImageId): ContainerRow[] {
  return all(db, `${SELECT} WHERE image = ? ORDER BY created, id`, image)
    .map(fromRow);
}

/** Removes the record and remembers the exit status for `wait`. */
export function deleteContainer(db: Database, row: ContainerRow): void {
  transaction(db, () => {
    run(db, "DELETE FROM containers WHERE id = ?", row.id);
    run(
      db,
      `INSERT INTO exits (container, name, exit_code, at) VALUES (?, ?, ?, ?)
       ON CONFLICT (container) DO UPDATE SET exit_code = excluded.exit_code`,
      row.id,
      row.name,
      row.exitCode,
      Date.now(),
    );
    // A thousand is more than any script waits for at once; the table must not grow for ever.
    run(
      db,
      `DELETE FROM exits WHERE at < (SELECT at FROM exits ORDER BY at DESC LIMIT 1 OFFSET 1000)`,
    );
  });
}

/** Exit status of a container that was removed lately, by full id. */
export function exitOfRemoved(db: Database, id: ContainerId): number | undefined {
  const row = one(db, "SELECT exit_code FROM exits WHERE container = ?", id);
  return row && Number(row.exit_code);
}

export interface ExecRow {
  /** 64 hex digits. */
  readonly id: string;
  readonly container: ContainerId;
  readonly command: readonly string[];
  readonly pid: number;
  readonly pidStart: string;
  /** `PID-STARTTIME` of the process that began it; the session is void when that process is dead and `pid` is 0. */
  readonly owner: string;
}

export function insertExec(db: Database, row: ExecRow): void {
  run(
    db,
    "INSERT INTO exec_sessions (id, container, command, pid, pid_start, owner) VALUES (?, ?, ?, ?, ?, ?)",
    row.id,
    row.container,
    JSON.stringify(row.command),
    row.pid,
    row.pidStart,
    row.owner,
  );
}

export function setExecPid(db: Database, id: string, pid: number, pidStart: string): void {
  run(db, "UPDATE exec_sessions SET pid = ?, pid_start = ? WHERE id = ?", pid, pidStart, id);
}

export function deleteExec(db: Database, id: string): void {
  run(db, "DELETE FROM exec_sessions WHERE id = ?", id);
}

export function execsOf(db: Database, container: ContainerId): ExecRow[] {
  return all(db, "SELECT * FROM exec_sessions WHERE container = ? ORDER BY id", container)
    .map((row) => ({
      id: row.id as string,
      container: row.container as ContainerId,
      command: JSON.parse(row.command as string),
      pid: Number(row.pid),
      pidStart: row.pid_start as string,
      owner: row.owner as string,
    }));
}
