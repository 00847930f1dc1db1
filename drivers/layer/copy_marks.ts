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
  const manifest = readManifest(path);
  // A store that was copied elsewhere has other inodes and times: then every object is compared.
  const isHere = manifest.isDirectory(root, raw(""));
  return {
    list(dir, path, replaced) {
      const items: Item[] = [];
      const there = new Set<RawPath>();
      for (const { name } of namesOf(dir)) {
        there.add(name);
        if (!isHere || replaced || !manifest.isSame(dir, path, name)) {
          items.push({ name, gone: false });
        }
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
  has(path: RawPath): boolean;
  names(path: RawPath): ReadonlySet<RawPath>;
  /** Is this object, not a directory, as it was? */
  isSame(dir: Fd, path: RawPath, name: RawPath): boolean;
  /** Is this the directory that was there, whatever happened in it? */
  isDirectory(dir: Fd, path: RawPath): boolean;
}

const NONE: ReadonlySet<RawPath> = new Set();

function readManifest(path: string): Manifest {
  const bytes = readBytes(path);
  const count = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const start = 8 + count * NUMBERS * 8;
  const numbers = new BigInt64Array(bytes.slice(8, start).buffer);
  const index = new Map<string, number>();
  const children = new Map<string, Set<RawPath>>();
  latin1(bytes.subarray(start)).split("\0").slice(0, count).forEach((path, i) => {
    index.set(path, i * NUMBERS);
    if (path !== "") {
      (setOf(children as Map<string, Set<string>>, parentOf(path))).add(baseOf(path));
    }
  });
  return {
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
      return at !== undefined && numbers[at] === BigInt.asIntN(64, statFd(dir).ino) &&
        numbers[at + 1] === birthOf(dir);
    },
  };
}
