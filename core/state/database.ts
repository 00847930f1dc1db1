/**
 * The store's record book: SQLite in WAL mode with short transactions. Opens it, migrates it and
 * resets after a reboot what a reboot takes. The files beside this one know one kind of record each.
 */
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { CoracleError, type ErrorCode } from "../errors.ts";
import { lookAtText } from "../sys/files.ts";
import { giveReserve, keepReserve } from "./reserve.ts";
import { MIGRATIONS } from "./schema.ts";

export type Value = string | number | bigint | null | Uint8Array;
export type Row = Record<string, Value>;

/** An open record book; statements are compiled once and kept. */
export interface Database {
  readonly path: string;
  readonly handle: DatabaseSync;
  readonly statements: Map<string, StatementSync>;
  /** The boot this process lives in; volatile columns of another boot are void. */
  readonly bootId: string;
  /** How many `transaction` calls are open; nested ones join the outer one. */
  depth: number;
}

/** How long a writer waits for another process's short transaction before it gives up. */
const BUSY_MS = 60_000;
/** How long one that stands before a full disk waits for readers to let it empty the log. */
const FULL_DISK_MS = 1_000;

/**
 * Opens (and makes or migrates) the database at `path`. Fails with `corrupt` when the file is not
 * ours or damaged, and with `unsupported` when a newer coracle wrote it.
 */
export function openDatabase(path: string, bootId: string): Database {
  let handle: DatabaseSync;
  try {
    handle = new DatabaseSync(path);
    handle.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
    handle.exec("PRAGMA foreign_keys = ON");
    // NORMAL in WAL mode: a crash of a process loses nothing, a power cut at most the last commits,
    // never consistency. Commits that must last ask for `durable` and get a checkpointed fsync.
    handle.exec("PRAGMA synchronous = NORMAL");
  } catch (cause) {
    throw damaged(path, cause);
  }
  const db: Database = { path, handle, statements: new Map(), bootId, depth: 0 };
  try {
    const version = Number(one(db, "PRAGMA user_version")?.user_version ?? 0);
    if (version > MIGRATIONS.length) {
      throw new CoracleError("unsupported", `cannot use the store "${path}"`, {
        why: `it has schema ${version}, this coracle knows ${MIGRATIONS.length}`,
        hint: "use the coracle that made the store, or a newer one",
      });
    }
    if (version < MIGRATIONS.length) migrate(db);
    resetAfterReboot(db);
    emptyLog(db, path);
    keepReserve(path);
  } catch (cause) {
    handle.close();
    if (cause instanceof CoracleError) throw cause;
    throw damaged(path, cause);
  }
  return db;
}

/** The log is read by whoever opens the database next: this much takes less than a millisecond. */
const LOG_BYTES = 1024 * 1024;

/**
 * Processes end without closing (`cli.ts`), so nobody is the last one to take the log away, and
 * whoever opens the database after a death does not know what of the log is in the main file
 * already and only adds to it. One that has grown is therefore emptied here, unless somebody is
 * using it now.
 */
function emptyLog(db: Database, path: string): void {
  if ((lookAtText(`${path}-wal`)?.size ?? 0) <= LOG_BYTES) return;
  checkpoint(db, 0, "TRUNCATE");
}

/**
 * Brings the log into the main file, unless others use it for longer than `waitMs`; then it is
 * written from its beginning again ("RESTART"), or is empty.
 */
function checkpoint(db: Database, waitMs: number, how: "RESTART" | "TRUNCATE"): void {
  db.handle.exec(`PRAGMA busy_timeout = ${waitMs}`);
  try {
    db.handle.exec(`PRAGMA wal_checkpoint(${how})`);
  } catch (cause) {
    // No room to do it; whoever needs the space is told by what he does next.
    if (!(told(cause) instanceof CoracleError)) throw cause;
  } finally {
    db.handle.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
  }
}

function damaged(path: string, cause: unknown): CoracleError {
  return new CoracleError("corrupt", `cannot open the store's database "${path}"`, {
    why: cause instanceof Error ? cause.message : String(cause),
    hint: 'rebuild it with "coracle system check --repair"',
    cause,
  });
}

function migrate(db: Database): void {
  db.handle.exec("PRAGMA journal_mode = WAL");
  if (Number(one(db, "PRAGMA user_version")?.user_version) === 0) makeSpare(db);
  transaction(db, () => {
    // Read again under the write lock: another process may have migrated meanwhile.
    const from = Number(one(db, "PRAGMA user_version")?.user_version ?? 0);
    for (const step of MIGRATIONS.slice(from)) db.handle.exec(step);
    db.handle.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  });
}

/** Bytes of unused pages in a new database. */
const SPARE_BYTES = 128 * 1024;

/**
 * Unused pages with a place on the disk: on a full one the log can be brought into the main file
 * without making that longer. Written and dropped in two commits, or SQLite would leave holes.
 */
function makeSpare(db: Database): void {
  db.handle.exec("PRAGMA synchronous = OFF");
  transaction(db, () => {
    // Another process may be doing the same.
    db.handle.exec("CREATE TABLE IF NOT EXISTS spare (bytes)");
    run(db, "INSERT INTO spare VALUES (zeroblob(?))", SPARE_BYTES);
  });
  checkpoint(db, BUSY_MS, "RESTART");
  db.statements.clear();
  transaction(db, () => db.handle.exec("DROP TABLE IF EXISTS spare"));
  db.handle.exec("PRAGMA synchronous = NORMAL");
}

/** One statement makes void what another boot left: pids, mounts, exec sessions. */
function resetAfterReboot(db: Database): void {
  if (meta(db, "boot_id") === db.bootId) return;
  transaction(db, () => {
    if (meta(db, "boot_id") === db.bootId) return;
    run(db, "DELETE FROM exec_sessions");
    run(
      db,
      `UPDATE containers SET phase = 'exited', pid = 0, monitor_pid = 0,
         exit_code = CASE WHEN phase = 'exited' THEN exit_code ELSE -1 END,
         ended = CASE WHEN phase = 'exited' THEN ended ELSE started END,
         error = CASE WHEN phase = 'exited' THEN error ELSE 'the host was restarted' END
       WHERE phase NOT IN ('configured', 'removing')`,
    );
    setMeta(db, "boot_id", db.bootId);
  });
}

export function closeDatabase(db: Database): void {
  db.statements.clear();
  db.handle.close();
}

function prepared(db: Database, sql: string): StatementSync {
  let statement = db.statements.get(sql);
  if (statement === undefined) {
    statement = db.handle.prepare(sql);
    db.statements.set(sql, statement);
  }
  return statement;
}

/** Runs a statement; returns how many rows it changed. A broken rule of uniqueness or a foreign key throws `exists` or `busy`. */
export function run(db: Database, sql: string, ...values: Value[]): number {
  // Inside a transaction the whole of it is run again, not one statement.
  return db.depth > 0 ? change(db, sql, values) : withReserve(db, () => change(db, sql, values));
}

function change(db: Database, sql: string, values: Value[]): number {
  try {
    return Number(prepared(db, sql).run(...values).changes);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    if (said.includes("UNIQUE constraint")) {
      throw new CoracleError("exists", "cannot save the record", { why: said, cause });
    }
    if (said.includes("FOREIGN KEY constraint")) {
      throw new CoracleError("busy", "cannot change the record", {
        why: "something else in the store needs it",
        cause,
      });
    }
    throw told(cause);
  }
}

/** SQLite's words (deno has no numbers for them) for what the host did to us; all else is a bug. */
const FULL = "database or disk is full";
const HOST_TROUBLE: readonly (readonly [string, ErrorCode, string])[] = [
  ["readonly database", "denied", "is the file system of --root mounted read-only?"],
  [FULL, "failed", "free some space on the file system of --root"],
  ["disk I/O error", "failed", "look for errors of the disk in the kernel's log (dmesg)"],
  ["database is locked", "busy", "another coracle holds the store for long; try again"],
  ["disk image is malformed", "corrupt", 'rebuild it with "coracle system check --repair"'],
];

function told(cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof CoracleError) return cause;
  const found = HOST_TROUBLE.find(([words]) => cause.message.includes(words));
  if (found === undefined) return cause;
  const [, code, hint] = found;
  return new CoracleError(code, "cannot write the store's database", {
    why: cause.message,
    hint,
    cause,
  });
}

function execute(db: Database, sql: string): void {
  try {
    db.handle.exec(sql);
  } catch (cause) {
    throw told(cause);
  }
}

export function one(db: Database, sql: string, ...values: Value[]): Row | undefined {
  return prepared(db, sql).get(...values) as Row | undefined;
}

export function all(db: Database, sql: string, ...values: Value[]): Row[] {
  return prepared(db, sql).all(...values) as Row[];
}

/**
 * Runs `work` as one transaction: all of it or nothing. It takes the write lock at once (BEGIN
 * IMMEDIATE), so it never fails half-way for another writer. No I/O of user data belongs inside.
 * With `durable` the commit has reached the disk when this returns. On a full disk `work` is undone
 * and runs once more with the space of the reserve and of the log: it must not change anything but
 * the database.
 */
export function transaction<T>(
  db: Database,
  work: () => T,
  options: { durable?: boolean } = {},
): T {
  if (db.depth > 0) return work();
  if (options.durable) db.handle.exec("PRAGMA synchronous = FULL");
  try {
    return withReserve(db, () => whole(db, work));
  } finally {
    if (options.durable) db.handle.exec("PRAGMA synchronous = NORMAL");
  }
}

function whole<T>(db: Database, work: () => T): T {
  execute(db, "BEGIN IMMEDIATE");
  db.depth = 1;
  try {
    const result = work();
    execute(db, "COMMIT");
    return result;
  } catch (error) {
    try {
      db.handle.exec("ROLLBACK");
    } catch {
      // A full disk has rolled it back already.
    }
    throw error;
  } finally {
    db.depth = 0;
  }
}

/** On a full disk `work` is tried again in the log's own space, then in that of the reserve. */
function withReserve<T>(db: Database, work: () => T): T {
  const more = [() => checkpoint(db, FULL_DISK_MS, "RESTART"), () => giveReserve(db.path)];
  for (;;) {
    try {
      return work();
    } catch (error) {
      const isFull = error instanceof CoracleError && error.why?.includes(FULL) === true;
      const next = isFull ? more.shift() : undefined;
      if (next === undefined) throw error;
      next();
    }
  }
}

/** A fact about the store itself: `boot_id`, `layer_driver`, … */
export function meta(db: Database, key: string): string | undefined {
  return one(db, "SELECT value FROM meta WHERE key = ?", key)?.value as string | undefined;
}

/** Quiet when the fact is not known. */
export function forgetMeta(db: Database, key: string): void {
  run(db, "DELETE FROM meta WHERE key = ?", key);
}

export function setMeta(db: Database, key: string, value: string): void {
  run(
    db,
    "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
    key,
    value,
  );
}
