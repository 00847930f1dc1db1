/**
 * `system reset`: takes a store away, and nothing but the store. Only directories that a store is
 * made of are removed, by descriptor, without following a link or entering another file system.
 */
import { CoracleError } from "../errors.ts";
import { listContainers } from "../state/containers.ts";
import { forgetEverything } from "../state/forget.ts";
import { AT_FDCWD, rmdirAt } from "../sys/at.ts";
import { exists, listNames, lookAtText, realPath, removeFile, removeTree } from "../sys/files.ts";
import { mountsBelow, unmount } from "../sys/mount.ts";
import { waitGone } from "../sys/process.ts";
import { raw } from "../terms.ts";
import type { Engine, StorePaths } from "./engine.ts";
import { removeContainer } from "./remove_container.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">;

/** What every store has, and what tells one from any other directory. */
const MARKER = "state.db";
const DATABASE: readonly string[] = ["-reserve", "-wal", "-shm", ""].map((end) => MARKER + end);
/** Directories nobody may have as a store, whatever is in them. */
const NEVER: readonly string[] = [
  "/",
  "/bin",
  "/boot",
  "/dev",
  "/etc",
  "/home",
  "/lib",
  "/opt",
  "/proc",
  "/root",
  "/run",
  "/sbin",
  "/srv",
  "/sys",
  "/tmp",
  "/usr",
  "/var",
  "/var/lib",
];

/** How long a monitor may take after its container has gone. Milliseconds. */
const MONITOR_MS = 10_000;

export interface ResetReport {
  /** What could not be done on the way; the store is gone all the same. */
  readonly errors: readonly CoracleError[];
  /** Directories that hold something that is not the store's, and were left. */
  readonly kept: readonly string[];
}

/**
 * Fails with `denied` unless `root` is a store of ours; changes nothing. To be asked before a store
 * is opened: opening makes one.
 */
export function checkResettable({ root, runroot }: Pick<StorePaths, "root" | "runroot">): void {
  const refuse = (path: string, why: string) =>
    new CoracleError("denied", `cannot reset the store ${JSON.stringify(path)}`, { why });
  for (const path of [root, runroot]) {
    if (!exists(path)) continue;
    if (NEVER.includes(realPath(path))) throw refuse(path, "it is a directory of the system");
  }
  if (lookAtText(`${root}/${MARKER}`, { follow: false })?.type !== "file") {
    throw refuse(root, `it is no store of coracle: it has no ${MARKER}`);
  }
}

/**
 * Kills and removes every container, forgets every record, unmounts what is mounted below the
 * store's directories and removes them. `state.db` goes last: after a kill the next reset goes on.
 */
export function resetStore(engine: Parts): ResetReport {
  checkResettable(engine.paths);
  const errors: CoracleError[] = [];
  const attempt = (work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      errors.push(error);
    }
  };
  const rows = listContainers(engine.db);
  for (const row of rows) {
    attempt(() => removeContainer(engine, row, { force: true, timeout: 0 }));
  }
  // Each monitor ends with a cleanup of its own, which would open, and so make, the store again.
  for (const { monitorPid } of rows) if (monitorPid > 0) waitGone(monitorPid, MONITOR_MS);
  // A container that could not be removed may still write: its store must stay.
  if (listContainers(engine.db).length > 0) throw stuck(engine, errors);
  forgetEverything(engine.db);
  const { root, runroot } = engine.paths;
  for (const directory of directoriesOf(engine)) attempt(() => clear(directory));
  for (const name of DATABASE) removeFile(`${root}/${name}`);
  const kept = [runroot, root].filter((path) => !removeEmpty(path));
  return { errors, kept };
}

function stuck(engine: Parts, errors: readonly CoracleError[]): CoracleError {
  return new CoracleError("busy", `cannot reset the store ${JSON.stringify(engine.paths.root)}`, {
    why: errors[0]?.message ?? "a container cannot be removed",
    cause: errors[0],
  });
}

/** The directories of a store, by their own paths; the two roots are not among them. */
function directoriesOf({ paths }: Pick<Engine, "paths">): string[] {
  const { root, runroot, ...parts } = paths;
  const drivers = [root, runroot].map((path) => `${path}/drivers`);
  return [...Object.values(parts), ...drivers, `${runroot}/holders`];
}

/** Unmounts what is on it and below it, deepest first, and removes it with all that is in it. */
function clear(directory: string): void {
  const found = lookAtText(directory, { follow: false });
  if (found === null) return;
  if (found.type !== "dir") return removeFile(directory);
  for (const { target } of mountsBelow(directory)) unmount(target, { detach: true });
  removeTree(directory);
}

/** True when the directory is gone; one with something of somebody else's stays. */
function removeEmpty(path: string): boolean {
  if (!exists(path)) return true;
  // A mount point of its own is the administrator's.
  if (listNames(path).length > 0 || mountsBelow(path).length > 0) return false;
  rmdirAt(AT_FDCWD, raw(path));
  return true;
}
