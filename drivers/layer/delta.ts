/**
 * Reads a stack of deltas directly on disk, without a mount: what the top one changed, and the tree
 * they show together. How a delta writes "this is gone" is a `Marks`; each driver has its own.
 */
import { close, type Fd, O, openAt, type Stat, statFd } from "../../core/sys/at.ts";
import { type Change, joinRaw, raw, type RawPath, type Usage } from "../../core/terms.ts";
import type { Marks } from "./marks.ts";
import { hasVanished, looksSame, type Sender, type Xattrs, xattrsOf } from "./sender.ts";

/** One directory of one layer of a stack. */
export interface Level {
  readonly fd: Fd;
  readonly marks: Marks;
}

type Was = "add" | "modify";

export interface DeltaVisitor {
  directory(fd: Fd, path: RawPath, stat: Stat, was: Was): void;
  object(dir: Fd, name: RawPath, path: RawPath, stat: Stat, was: Was): void;
  whiteout(path: RawPath): void;
  opaque(path: RawPath): void;
  /** A name of the lower layers that an opaque directory hides; only asked when present. */
  hidden?(path: RawPath): void;
}

export interface DeltaOptions {
  /**
   * Leave out what looks as below: a union file system copies a file up when it is opened for
   * writing, and the layers must not differ by that.
   */
  readonly onlyChanged: boolean;
  /** Look into the lower layers: needed for `onlyChanged`, and to tell "add" from "modify". */
  readonly lookBelow: boolean;
}

const DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW;
const ROOT = raw("");

export interface Found {
  readonly stat: Stat;
  readonly holder: Level;
  /** The directories that merge under this name, nearest first, open; empty for anything else. */
  readonly dirs: readonly Level[];
}

/** What the levels show under `name`; null when nothing. The caller closes `dirs`. */
export function find(
  levels: readonly Level[],
  path: RawPath,
  name: RawPath,
  from = 0,
): Found | null {
  let first: { stat: Stat; holder: Level } | undefined;
  const dirs: Level[] = [];
  for (let i = from; i < levels.length; i++) {
    const level = levels[i] as Level;
    const { stat, hides } = level.marks.look(level.fd, path, name);
    if (stat !== null) {
      if (first === undefined) first = { stat, holder: level };
      if (stat.type !== "dir") break;
      const fd = openIfThere(level.fd, name);
      if (fd === null) break;
      dirs.push({ fd, marks: level.marks });
      if (level.marks.isOpaque(fd, joinRaw(path, name))) break;
    }
    if (hides) break;
  }
  return first === undefined ? null : { ...first, dirs };
}

export function closeLevels(levels: readonly Level[]): void {
  for (const level of levels) close(level.fd);
}

/** Works with open levels and closes them. */
export function withLevels<L extends readonly Level[], T>(levels: L, work: (levels: L) => T): T {
  try {
    return work(levels);
  } finally {
    closeLevels(levels);
  }
}

/** Gives `use` what the levels show under `path`, not "": the last name's find, or null. */
function resolve<T>(
  levels: readonly Level[],
  path: RawPath,
  use: (found: Found | null) => T,
): T {
  let at = levels;
  let parent = ROOT;
  let found: Found | null = null;
  const opened: Level[] = [];
  try {
    for (const part of path.split("/")) {
      found = find(at, parent, part as RawPath);
      opened.push(...found?.dirs ?? []);
      [at, parent] = [found?.dirs ?? [], joinRaw(parent, part as RawPath)];
    }
    return use(found);
  } finally {
    closeLevels(opened);
  }
}

/** The object the levels show under `path`, not ""; null when there is none. */
export function lookBelow(levels: readonly Level[], path: RawPath): Stat | null {
  return resolve(levels, path, (found) => found?.stat ?? null);
}

/** What a directory of the levels looks like; null when they show none under `path`, not "". */
export function directoryBelow(
  levels: readonly Level[],
  path: RawPath,
): { mode: number; uid: number; gid: number; mtime: bigint; xattrs?: Xattrs } | null {
  return resolve(levels, path, (found) => {
    const top = found?.dirs[0];
    if (top === undefined) return null;
    const { mode, uid, gid, mtime } = statFd(top.fd);
    const xattrs = xattrsOf(top.fd);
    return { mode, uid, gid, mtime, ...(xattrs === undefined ? {} : { xattrs }) };
  });
}

/** The names the levels show together, with the index of the first level that has each, sorted. */
function visibleNames(levels: readonly Level[], path: RawPath): [RawPath, number][] {
  const seen = new Map<RawPath, number>();
  levels.forEach((level, index) => {
    const hidden: RawPath[] = [];
    for (const item of level.marks.list(level.fd, path, true)) {
      if (item.gone) hidden.push(item.name);
      else if (!seen.has(item.name)) seen.set(item.name, index);
    }
    // After the names of the same level: a mark hides only what lies further down.
    for (const name of hidden) if (!seen.has(name)) seen.set(name, -1);
  });
  return [...seen].filter(([, index]) => index >= 0).sort(([a], [b]) => a < b ? -1 : 1);
}

/** Shows `visitor` what the top level changed, parents before children, names in byte order. */
export function walkDelta(
  levels: readonly Level[],
  visitor: DeltaVisitor,
  options: DeltaOptions,
): void {
  const [top, ...others] = levels as [Level, ...Level[]];
  const below = options.lookBelow ? others : [];
  const opaque = top.marks.isOpaque(top.fd, ROOT);
  visitor.directory(top.fd, ROOT, statFd(top.fd), "modify");
  if (opaque) visitor.opaque(ROOT);
  const walk: Walk = { visitor, options, pending: [] };
  walkInside(walk, top, below, ROOT, opaque);
  if (opaque) visitHidden(visitor, top, below, ROOT);
}

interface Walk {
  readonly visitor: DeltaVisitor;
  readonly options: DeltaOptions;
  /** Unchanged directories on the way down; shown only when something beneath them changed. */
  readonly pending: (() => void)[];
}

function flush(walk: Walk): void {
  for (const show of walk.pending.splice(0)) show();
}

function walkInside(
  walk: Walk,
  top: Level,
  below: readonly Level[],
  path: RawPath,
  replaced: boolean,
): void {
  for (const { name, gone } of top.marks.list(top.fd, path, replaced)) {
    if (gone) {
      visitGone(walk, below, path, name);
      continue;
    }
    const { stat } = top.marks.look(top.fd, path, name);
    if (stat === null) continue; // vanished: the container runs
    if (stat.type === "dir") visitDirectory(walk, top, below, path, name, stat, replaced);
    else visitObject(walk, top, below, path, name, stat, replaced);
  }
}

function visitGone(walk: Walk, below: readonly Level[], path: RawPath, name: RawPath): void {
  if (walk.options.lookBelow) {
    const found = find(below, path, name);
    if (found === null) return;
    closeLevels(found.dirs);
  }
  flush(walk);
  walk.visitor.whiteout(joinRaw(path, name));
}

function visitObject(
  walk: Walk,
  top: Level,
  below: readonly Level[],
  path: RawPath,
  name: RawPath,
  stat: Stat,
  replaced: boolean,
): void {
  const found = find(below, path, name);
  if (found !== null) closeLevels(found.dirs);
  // A file with several names is always shown: another of its names may be new, and it needs this one.
  if (walk.options.onlyChanged && !replaced && found !== null && stat.nlink === 1) {
    const other = { dir: found.holder.fd, name, stat: found.stat };
    if (looksSame({ dir: top.fd, name, stat }, other)) return;
  }
  flush(walk);
  walk.visitor.object(top.fd, name, joinRaw(path, name), stat, found === null ? "add" : "modify");
}

function visitDirectory(
  walk: Walk,
  top: Level,
  below: readonly Level[],
  path: RawPath,
  name: RawPath,
  stat: Stat,
  replaced: boolean,
): void {
  const { visitor, options } = walk;
  const child = joinRaw(path, name);
  const fd = openIfThere(top.fd, name);
  if (fd === null) return;
  const found = find(below, path, name);
  try {
    const wasDir = found !== null && found.stat.type === "dir";
    const opaque = top.marks.isOpaque(fd, child);
    // overlayfs marks every new directory opaque to save itself look-ups; it means something only
    // where there is a directory to hide.
    const marked = opaque && (!options.onlyChanged || wasDir && !replaced);
    const show = () => {
      visitor.directory(fd, child, stat, found === null ? "add" : "modify");
      if (marked) visitor.opaque(child);
    };
    const same = options.onlyChanged && !replaced && !marked && wasDir &&
      looksSame({ dir: top.fd, name, stat }, { dir: found.holder.fd, name, stat: found.stat });
    if (!same) flush(walk), show();
    else walk.pending.push(show);
    const hides = replaced || opaque && wasDir;
    walkInside(walk, { fd, marks: top.marks }, found?.dirs ?? [], child, hides);
    if (same && walk.pending.at(-1) === show) walk.pending.pop();
    if (hides && wasDir) visitHidden(visitor, { fd, marks: top.marks }, found.dirs, child);
  } finally {
    close(fd);
    if (found !== null) closeLevels(found.dirs);
  }
}

/** Null when the directory has vanished or become something else since it was listed. */
function openIfThere(dir: Fd, name: RawPath): Fd | null {
  try {
    return openAt(dir, name, DIRECTORY);
  } catch (error) {
    if (hasVanished(error)) return null;
    throw error;
  }
}

function visitHidden(
  visitor: DeltaVisitor,
  top: Level,
  below: readonly Level[],
  path: RawPath,
): void {
  if (visitor.hidden === undefined) return;
  for (const [name] of visibleNames(below, path)) {
    if (top.marks.look(top.fd, path, name).stat === null) visitor.hidden(joinRaw(path, name));
  }
}

/** Shows `visitor` the tree that the levels show together, in the same order as `walkDelta`. */
export function walkUnion(levels: readonly Level[], visitor: DeltaVisitor): void {
  const top = levels[0] as Level;
  visitor.directory(top.fd, ROOT, statFd(top.fd), "add");
  unionInside(levels, visitor, ROOT);
}

function unionInside(levels: readonly Level[], visitor: DeltaVisitor, path: RawPath): void {
  for (const [name, index] of visibleNames(levels, path)) {
    const found = find(levels, path, name, index);
    if (found === null) continue;
    const child = joinRaw(path, name);
    if (found.stat.type !== "dir") {
      visitor.object(found.holder.fd, name, child, found.stat, "add");
      continue;
    }
    const top = found.dirs[0];
    if (top === undefined) continue; // vanished: the container runs
    try {
      visitor.directory(top.fd, child, found.stat, "add");
      unionInside(found.dirs, visitor, child);
    } finally {
      closeLevels(found.dirs);
    }
  }
}

/** A visitor that sends what it sees. */
export function sending(sender: Sender): DeltaVisitor {
  return {
    directory: (fd, path, stat) => sender.directory(fd, path, stat),
    object: (dir, name, path, stat) => void sender.object(dir, name, path, stat),
    whiteout: (path) => sender.whiteout(path),
    opaque: (path) => sender.opaque(path),
  };
}

/** A visitor that fills `changes`; sort them when the walk is done, by `sortChanges`. */
export function listing(changes: Change[]): DeltaVisitor {
  return {
    directory: (_fd, path, _stat, was) => void (path !== "" && changes.push({ kind: was, path })),
    object: (_dir, _name, path, _stat, was) => void changes.push({ kind: was, path }),
    whiteout: (path) => void changes.push({ kind: "delete", path }),
    opaque: () => {},
    hidden: (path) => void changes.push({ kind: "delete", path }),
  };
}

/** Byte order of the path, which is not the order of the walk: "a.x" comes before "a/b". */
export function sortChanges(changes: Change[]): Change[] {
  return changes.sort((a, b) => a.path < b.path ? -1 : a.path > b.path ? 1 : 0);
}

/** Adds up the space of objects, an inode counted once. */
export function measuring(): { visitor: DeltaVisitor; sum: Usage } {
  const seen = new Set<bigint>();
  const sum = { bytes: 0, allocated: 0, inodes: 0 };
  const add = (stat: Stat) => {
    if (stat.nlink > 1 && stat.type !== "dir") {
      if (seen.has(stat.ino)) return;
      seen.add(stat.ino);
    }
    if (stat.type === "file" || stat.type === "symlink") sum.bytes += stat.size;
    sum.allocated += stat.blocks * 512;
    sum.inodes++;
  };
  const visitor: DeltaVisitor = {
    directory: (_fd, _path, stat) => add(stat),
    object: (_dir, _name, _path, stat) => add(stat),
    whiteout() {},
    opaque() {},
  };
  return { visitor, sum };
}

/** Space of one delta. */
export function measureDelta(level: Level): Usage {
  const { visitor, sum } = measuring();
  walkDelta([level], visitor, { onlyChanged: false, lookBelow: false });
  return sum;
}
