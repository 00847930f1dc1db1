/**
 * What is mounted in our mount namespace: /proc/self/mountinfo as data. proc(5).
 */
import { raw } from "../terms.ts";
import { AT_FDCWD, close, O, openAt, readAll, readlinkAt } from "./at.ts";

export interface MountInfo {
  readonly id: number;
  readonly parent: number;
  /** The directory of the file system that is seen here; "/" but for bind mounts. */
  readonly root: string;
  /** Absolute path of the mount point. */
  readonly target: string;
  readonly type: string;
  readonly source: string;
  /** Options of this mount. */
  readonly options: readonly string[];
  /** Options of the file system. */
  readonly superOptions: readonly string[];
  /** Propagation: `shared:N`, `master:N`, `unbindable`; empty when private. */
  readonly propagation: readonly string[];
  /** major:minor of the file system. */
  readonly device: string;
}

/**
 * A new reading of /proc/self/mountinfo, or of another process's, in mount order: of two on one
 * target the later is seen.
 */
export function mountTable(pid: number | "self" = "self"): MountInfo[] {
  const fd = openAt(AT_FDCWD, raw(`/proc/${pid}/mountinfo`), O.RDONLY);
  try {
    const content = new TextDecoder().decode(readAll(fd, 64 * 1024));
    return content.split("\n").flatMap((line) => line === "" ? [] : [parseMountInfo(line)]);
  } finally {
    close(fd);
  }
}

/** One line of mountinfo; a variable number of fields stands before the single hyphen. */
export function parseMountInfo(line: string): MountInfo {
  const fields = line.split(" ");
  const hyphen = fields.indexOf("-", 6);
  const field = (at: number) => fields[at] ?? "";
  return {
    id: Number(field(0)),
    parent: Number(field(1)),
    device: field(2),
    root: unescapeMount(field(3)),
    target: unescapeMount(field(4)),
    options: field(5).split(","),
    propagation: fields.slice(6, hyphen),
    type: unescapeMount(field(hyphen + 1)),
    source: unescapeMount(field(hyphen + 2)),
    superOptions: unescapeMount(field(hyphen + 3)).split(","),
  };
}

/** The kernel writes space, tab, newline, backslash (and # in sources) as three octal digits. */
function unescapeMount(value: string): string {
  return value.includes("\\")
    ? value.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)))
    : value;
}

/** What is mounted exactly on `path` (links are resolved), or null; of several the topmost. */
export function mountAt(path: string): MountInfo | null {
  const real = realPath(path);
  return mountTable().findLast((mount) => mount.target === real) ?? null;
}

/** Every mount on `path` or below it, deepest first: the order to unmount them. */
export function mountsBelow(path: string): MountInfo[] {
  const real = realPath(path);
  const prefix = real === "/" ? "/" : `${real}/`;
  return mountTable()
    .filter(({ target }) => target === real || target.startsWith(prefix))
    .reverse();
}

/** `path` without symlinks, `.` and `..`; it must exist. */
export function realPath(path: string): string {
  const fd = openAt(AT_FDCWD, raw(path), O.PATH);
  try {
    const name = readlinkAt(AT_FDCWD, raw(`/proc/self/fd/${fd}`));
    return Buffer.from(name, "latin1").toString("utf8");
  } finally {
    close(fd);
  }
}
