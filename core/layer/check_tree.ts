/**
 * Compares a layer's tree with what its recipe says: the metadata of every object and the size of
 * every file, without reading content.
 */
import { parentOf } from "../archive/member_path.ts";
import { contentBytes, readRecipe, type RecipeFile } from "../archive/recipe.ts";
import { TarReader } from "../archive/tar_reader.ts";
import { isErrno } from "../errors.ts";
import {
  close,
  type Fd,
  lookAt,
  O,
  openBeneath,
  readlinkAt,
  type Stat,
  statFd,
} from "../sys/at.ts";
import { getXattrAt, listXattrsAt } from "../sys/xattr.ts";
import { raw, type RawPath, type TreeEntry } from "../terms.ts";

/** An object that is not as it came in. */
export interface WrongObject {
  readonly path: RawPath;
  readonly kind: "missing" | "changed" | "extra";
  readonly detail: string;
}

const NO_BYTES = new Uint8Array(new ArrayBuffer(256 * 1024));
const SECOND = 1_000_000_000n;
const CAPABILITY = raw("security.capability");

/** What a recipe says of the tree. */
export interface RecipeEntries {
  /** By path; of one that comes twice the last. */
  readonly entries: ReadonlyMap<RawPath, TreeEntry>;
  /**
   * Is the content number `index` of the recipe that of a file in the tree? A later member of the
   * archive may have replaced it.
   */
  isCurrent(index: number): boolean;
}

export function readEntries(recipe: Fd): RecipeEntries {
  const entries = new Map<RawPath, TreeEntry>();
  const contents: RecipeFile[] = [];
  const last = new Map<RawPath, number>();
  const reader = new TarReader({
    entry: (entry) => void entries.set(entry.path, entry),
    write: () => {},
    end: () => {},
  }, { whiteouts: "oci", absolute: "strip", endMarker: "optional" });
  for (const step of readRecipe(recipe)) {
    if (step.kind === "raw") reader.push(step.bytes);
    else {
      last.set(step.file.path, contents.push(step.file) - 1);
      for (let left = contentBytes(step.file); left > 0; left -= NO_BYTES.length) {
        reader.push(left >= NO_BYTES.length ? NO_BYTES : NO_BYTES.subarray(0, left));
      }
    }
  }
  reader.end();
  const isCurrent = (index: number): boolean => {
    const file = contents[index];
    const entry = file && entries.get(file.path);
    if (entry?.type !== "file" || entry.size !== file?.size) return false;
    return last.get(file.path) === index && !isBelowFile(entries, file.path);
  };
  return { entries, isCurrent };
}

/** A directory was replaced by something else, and with it what was in it. */
function isBelowFile(entries: ReadonlyMap<RawPath, TreeEntry>, path: RawPath): boolean {
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    const type = entries.get(path.slice(0, at) as RawPath)?.type ?? "dir";
    if (type !== "dir" && type !== "symlink") return true;
  }
  return false;
}

/**
 * Tells what is missing or looks otherwise; with `extra` also the objects at those of the given
 * paths that are none of the archive's.
 */
export function compareTree(
  { entries }: RecipeEntries,
  tree: Fd,
  report: (wrong: WrongObject) => void,
  extra: readonly RawPath[] = [],
): void {
  const places = new Places(tree);
  const known = new Set<bigint>();
  try {
    for (const [path, entry] of entries) {
      if (entry.type === "whiteout" || entry.type === "opaque" || isBelowFile(entries, path)) {
        continue;
      }
      const stat = places.look(path);
      if (stat !== null) known.add(stat.ino);
      const wrong = compareObject(places, { path, entry, stat }, entries);
      if (wrong !== null) report({ path, ...wrong });
    }
    for (const path of extra) {
      const stat = entries.has(path) ? null : places.look(path);
      // Directories may be parents that no entry describes; a file may be reached by a link too.
      if (stat === null || stat.type === "dir" || known.has(stat.ino)) continue;
      report({ path, kind: "extra", detail: "it did not come with the layer" });
    }
  } finally {
    places.close();
  }
}

type Wrong = Pick<WrongObject, "kind" | "detail">;

function compareObject(
  places: Places,
  { path, entry, stat }: {
    readonly path: RawPath;
    readonly entry: TreeEntry;
    readonly stat: Stat | null;
  },
  entries: ReadonlyMap<RawPath, TreeEntry>,
): Wrong | null {
  if (stat === null) return { kind: "missing", detail: "it is missing" };
  if (entry.type !== "hardlink") {
    const detail = difference(stat, entry) ?? places.difference(path, entry);
    return detail === null ? null : { kind: "changed", detail };
  }
  const target = entry.linkTarget ?? path;
  const other = places.look(target);
  // The other name may have been replaced by a later member.
  const isLater = entries.get(target)?.type !== "file";
  if (other === null || isLater || other.ino === stat.ino) return null;
  return { kind: "changed", detail: "it is no longer the same file as another name of it" };
}

/** The first difference in words; null when there is none. */
function difference(stat: Stat, entry: TreeEntry): string | null {
  const { type, mode, uid, gid, mtime, size, device } = entry;
  if (stat.type !== type) return `it is a ${stat.type} and was a ${type}`;
  if (type === "file" && stat.size !== size) return `it has ${stat.size} bytes, not ${size}`;
  if (type !== "symlink" && stat.mode !== mode) {
    return `its mode is ${stat.mode.toString(8)}, not ${mode.toString(8)}`;
  }
  if (stat.uid !== uid || stat.gid !== gid) {
    return `its owner is ${stat.uid}:${stat.gid}, not ${uid}:${gid}`;
  }
  if (device !== undefined && (stat.major !== device.major || stat.minor !== device.minor)) {
    return `it is the device ${stat.major}:${stat.minor}, not ${device.major}:${device.minor}`;
  }
  return isSameTime(stat.mtime, mtime) ? null : "its modification time is another one";
}

/** Some file systems keep whole seconds only. */
function isSameTime(found: bigint, wanted: bigint): boolean {
  return found === wanted || found % SECOND === 0n && found === wanted - wanted % SECOND;
}

/** Looks at paths beneath a tree; the directory of the last one stays open, as they come in order. */
class Places {
  readonly #tree: Fd;
  #parent: { readonly path: RawPath; readonly fd: Fd | null } | null = null;

  constructor(tree: Fd) {
    this.#tree = tree;
  }

  /** Not following a link at the end; null when it is not there. */
  look(path: RawPath): Stat | null {
    if (path === "") return statFd(this.#tree);
    const dir = this.#directory(parentOf(path));
    return dir === null ? null : lookAt(dir, nameOf(path));
  }

  /** What a look does not show: where a link leads, and a file's capabilities. */
  difference(path: RawPath, entry: TreeEntry): string | null {
    const dir = path === "" ? null : this.#directory(parentOf(path));
    if (dir === null) return null;
    if (entry.type === "symlink") {
      return readlinkAt(dir, nameOf(path)) === entry.linkTarget ? null : "it leads elsewhere";
    }
    if (entry.type !== "file") return null;
    const wanted = entry.xattrs?.get(CAPABILITY);
    const has = wanted !== undefined || listXattrsAt(dir, nameOf(path)).includes(CAPABILITY);
    if (!has) return null;
    const found = getXattrAt(dir, nameOf(path), CAPABILITY);
    const isSame = wanted !== undefined && found !== null && Buffer.compare(wanted, found) === 0;
    return isSame ? null : "its capabilities are others";
  }

  #directory(path: RawPath): Fd | null {
    if (path === "") return this.#tree;
    if (this.#parent?.path === path) return this.#parent.fd;
    this.close();
    let fd: Fd | null = null;
    try {
      const flags = O.PATH | O.DIRECTORY;
      fd = openBeneath(this.#tree, path, flags, { scope: "in-root" });
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) throw error;
    }
    this.#parent = { path, fd };
    return fd;
  }

  close(): void {
    if (this.#parent !== null && this.#parent.fd !== null) close(this.#parent.fd);
    this.#parent = null;
  }
}

function nameOf(path: RawPath): RawPath {
  return path.slice(path.lastIndexOf("/") + 1) as RawPath;
}
