/**
 * How the copy driver knows what a layer deleted: image layers have a list beside their files,
 * containers have a manifest of the tree they were cloned from.
 *
 *     list      records "w<path>" or "o<path>", each ended by a zero byte: whiteouts, opaque directories
 *     manifest  count (8 bytes), four 64-bit numbers per object (inode, size, mtime, ctime; of a
 *               directory the time it was made instead of the size), then the paths, each ended by
 *               a zero byte, in the same order; the first one is the root
 */
import {
  close,
  type Fd,
  listDir,
  lookAt,
  O,
  openAt,
  type Stat,
  statFd,
} from "../../core/sys/at.ts";
import { readBytes, writeAtomic } from "../../core/sys/files.ts";
import { birthOf } from "../../core/sys/stat.ts";
import { joinRaw, raw, type RawPath, type TreeEntry } from "../../core/terms.ts";
import { type Item, type Marks, namesOf, NO_MARKS, sortItems } from "./marks.ts";

export function writeDeletions(path: string, deletions: readonly TreeEntry[]): void {
  const records = deletions.map(({ type, path }) => `${type === "opaque" ? "o" : "w"}${path}\0`);
  writeAtomic(path, Buffer.from(records.join(""), "latin1"));
}

/** Marks of an image layer, from its list. */
export function listMarks(path: string): Marks {
  const gone = new Map<string, Set<string>>();
  const opaque = new Set<string>();
  for (const record of latin1(readBytes(path)).split("\0")) {
    const [kind, name] = [record.charAt(0), record.slice(1)];
    if (kind === "o") opaque.add(name);
    else if (kind === "w") setOf(gone, parentOf(name)).add(baseOf(name));
  }
  if (gone.size === 0 && opaque.size === 0) return NO_MARKS;
  return {
    list(dir, path) {
      const items: Item[] = namesOf(dir).map(({ name }) => ({ name, gone: false }));
      for (const name of gone.get(path) ?? []) items.push({ name: name as RawPath, gone: true });
      return sortItems(items);
    },
    look: (dir, path, name) => ({
      stat: lookAt(dir, name),
      hides: gone.get(path)?.has(name) === true,
    }),
    isOpaque: (_dir, path) => opaque.has(path),
  };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

function setOf(map: Map<string, Set<string>>, key: string): Set<string> {
  let names = map.get(key);
  if (names === undefined) map.set(key, names = new Set());
  return names;
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

const NUMBERS = 4;
const DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW;

/** Records the tree `root`, which nobody changes meanwhile, in the file `path`. */
export function writeManifest(path: string, root: Fd): void {
  const paths: string[] = [];
  const numbers: bigint[] = [];
  const add = (path: RawPath, stat: Stat, size: bigint) => {
    paths.push(`${path}\0`);
    numbers.push(stat.ino, size, stat.mtime, stat.ctime);
  };
  const visit = (dir: Fd, path: RawPath) => {
    add(path, statFd(dir), birthOf(dir));
    for (const { name } of listDir(dir)) {
      const stat = lookAt(dir, name);
      if (stat === null) continue;
      const child = joinRaw(path, name);
      if (stat.type !== "dir") {
        add(child, stat, BigInt(stat.size));
        continue;
      }
      const fd = openAt(dir, name, DIRECTORY);
      try {
        visit(fd, child);
      } finally {
        close(fd);
      }
    }
  };
  visit(root, raw(""));
  const head = new BigUint64Array([
    BigInt(paths.length),
    ...numbers.map((n) => BigInt.asUintN(64, n)),
  ]);
  const names = Buffer.from(paths.join(""), "latin1");
  writeAtomic(path, Buffer.concat([new Uint8Array(head.buffer), names]));
}

/** Marks of a container: what differs from its manifest, without reading content. */
export function manifestMarks(path: string, root: Fd): Marks {
  const { isHere, isUntouched, ...manifest } = readManifest(path, root);
  return {
    list(dir, path, replaced) {
      const items: Item[] = [];
      const there = new Set<RawPath>();
      for (const { name } of namesOf(dir)) {
        there.add(name);
        if (isHere && !replaced) {
          if (isUntouched(joinRaw(path, name)) || manifest.isSame(dir, path, name)) continue;
        }
        items.push({ name, gone: false });
      }
      // In a directory that was made again nothing is deleted: it hides all there was.
      for (const name of replaced ? NONE : manifest.names(path)) {
        if (!there.has(name)) items.push({ name, gone: true });
      }
      return sortItems(items);
    },
    look(dir, path, name) {
      const stat = lookAt(dir, name);
      return { stat, hides: stat === null && manifest.names(path).has(name) };
    },
    // One that was deleted and made again, often with the same inode number, was made later.
    isOpaque: (dir, path) => isHere && manifest.has(path) && !manifest.isDirectory(dir, path),
  };
}

interface Manifest {
  /** The tree is the one recorded; in a copy of it elsewhere every object must be compared. */
  readonly isHere: boolean;
  has(path: RawPath): boolean;
  names(path: RawPath): ReadonlySet<RawPath>;
  /** Is this object, not a directory, as it was? */
  isSame(dir: Fd, path: RawPath, name: RawPath): boolean;
  /** Is this the directory that was there, whatever happened in it? */
  isDirectory(dir: Fd, path: RawPath): boolean;
  /** Is it a directory in which, and below which, nothing happened? */
  isUntouched(path: RawPath): boolean;
}

const NONE: ReadonlySet<RawPath> = new Set();

function readManifest(file: string, root: Fd): Manifest {
  const bytes = readBytes(file);
  const count = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const start = 8 + count * NUMBERS * 8;
  const numbers = new BigInt64Array(bytes.slice(8, start).buffer);
  const paths = latin1(bytes.subarray(start)).split("\0").slice(0, count) as RawPath[];
  const isRecorded = (at: number, dir: Fd) =>
    numbers[at] === BigInt.asIntN(64, statFd(dir).ino) && numbers[at + 1] === birthOf(dir);
  // The root is the first of the list.
  const isHere = count > 0 && isRecorded(0, root);
  const { touched, untouched } = isHere
    ? lookForTouched(root, paths, numbers)
    : { touched: null, untouched: NONE };
  const index = new Map<string, number>();
  const children = new Map<string, Set<RawPath>>();
  paths.forEach((path, i) => {
    const parent = parentOf(path);
    // What is in an untouched directory is never asked for; mostly that is nearly everything.
    if (touched !== null && parent !== "" && !touched.has(parent)) return;
    index.set(path, i * NUMBERS);
    if (path !== "") setOf(children as Map<string, Set<string>>, parent).add(baseOf(path));
  });
  return {
    isHere,
    isUntouched: (path) => untouched.has(path),
    has: (path) => index.has(path),
    names: (path) => children.get(path) ?? NONE,
    isSame(dir, path, name) {
      const at = index.get(joinRaw(path, name));
      const stat = at === undefined ? null : lookAt(dir, name);
      return at !== undefined && stat !== null && stat.type !== "dir" &&
        numbers[at] === BigInt.asIntN(64, stat.ino) && numbers[at + 3] === stat.ctime &&
        numbers[at + 2] === stat.mtime && Number(numbers[at + 1]) === stat.size;
    },
    isDirectory(dir, path) {
      const at = index.get(path);
      return at !== undefined && isRecorded(at, dir);
    },
  };
}

interface Touched {
  /** Directories that changed, or in or below which something did. */
  readonly touched: ReadonlySet<string>;
  readonly untouched: ReadonlySet<RawPath>;
}

/**
 * One look at each object by its path, and no directory is opened: for a container that changed
 * little this is nearly all there is to do. Whoever adds, takes away or changes something changes
 * the change time of it or of its directory, and nobody can set that back.
 */
function lookForTouched(root: Fd, paths: readonly RawPath[], numbers: BigInt64Array): Touched {
  const untouched = new Set<RawPath>();
  const touched = new Set<string>();
  let lost: string | null = null;
  paths.forEach((path, i) => {
    if (path === "") return;
    // Below another object, perhaps a link to elsewhere: what was there cannot be looked at.
    if (lost !== null && path.startsWith(lost)) return touch(touched, parentOf(path));
    const at = i * NUMBERS;
    const stat = lookAt(root, path);
    const isThere = stat !== null && numbers[at] === BigInt.asIntN(64, stat.ino);
    const isDir = isThere && stat.type === "dir";
    lost = isThere ? null : `${path}/`;
    if (isDir) untouched.add(path);
    const isSame = isThere && numbers[at + 3] === stat.ctime && numbers[at + 2] === stat.mtime;
    if (!isSame) touch(touched, isDir ? path : parentOf(path));
  });
  for (const path of touched) untouched.delete(path as RawPath);
  return { touched, untouched };
}

/** The directory and all above it. */
function touch(touched: Set<string>, directory: string): void {
  for (let path = directory; path !== "" && !touched.has(path); path = parentOf(path)) {
    touched.add(path);
  }
}
