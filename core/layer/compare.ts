/**
 * Two layers that need not build on one another: what the tree of one has that the other's has not.
 * Both trees are read, so it costs more than the delta of a layer over its parent.
 */
import { Sha256Sink } from "../archive/digest.ts";
import type { Change, LayerId, RawPath, TreeEntry, TreeSink } from "../terms.ts";
import { sendLayer } from "./read.ts";
import type { LayerStore } from "./store.ts";

/** One object of a tree, with what its content hashes to. */
interface Seen {
  readonly entry: TreeEntry;
  /** Of files; "" of everything else. */
  digest: string;
  /** First name of the same inode; its own path for most. */
  readonly leader: RawPath;
}

type Tree = Map<RawPath, Seen>;

/** What must be done to the tree of `from` (null: nothing) to get the tree of `to`. */
export interface Difference {
  /** In walking order: directories before their content, names in byte order. */
  readonly changes: readonly Change[];
  /** Paths of `to` that differ or are new, with their directories. */
  readonly wanted: ReadonlySet<RawPath>;
}

const ROOT = "" as RawPath;

/** Compares the whole trees; metadata, attributes, content and links count. */
export function compareLayers(
  store: LayerStore,
  from: LayerId | null,
  to: LayerId,
): Difference {
  const before = from === null ? new Map() as Tree : readTree(store, from);
  const after = readTree(store, to);
  const wanted = new Set<RawPath>();
  for (const [path, seen] of after) {
    if (!isSame(before, after, path, seen)) addWithParents(wanted, path);
  }
  addWholeGroups(wanted, after);
  const changes: Change[] = [];
  for (const path of wanted) {
    const kind = before.has(path) ? "modify" : "add";
    // The root is there in every tree: it is sent, but it is no change of its own.
    if (path !== ROOT || kind === "modify") changes.push({ kind, path });
  }
  const gone = [...before.keys()].filter((path) => !after.has(path) && isTopmost(path, after));
  for (const path of gone) {
    changes.push({ kind: "delete", path });
    for (const parent of parentsOf(path)) {
      if (wanted.has(parent)) continue;
      wanted.add(parent);
      changes.push({ kind: "modify", path: parent });
    }
  }
  changes.sort((a, b) => compareOrder(a.path, b.path));
  return { changes, wanted };
}

/**
 * Sends the difference as a delta: the entries of `to` that `wanted` names, and a whiteout for each
 * deletion, in walking order.
 */
export function sendDifference(
  store: LayerStore,
  to: LayerId,
  difference: Difference,
  sink: TreeSink,
): void {
  const gone = difference.changes.filter(({ kind }) => kind === "delete");
  let next = 0;
  let isOpen = false;
  const flush = (until: RawPath | null) => {
    for (; next < gone.length; next++) {
      const path = gone[next]?.path as RawPath;
      if (until !== null && compareOrder(path, until) > 0) return;
      sink.entry({ path, type: "whiteout", mode: 0, uid: 0, gid: 0, mtime: 0n, size: 0 });
    }
  };
  sendLayer(store, to, {
    entry(entry) {
      isOpen = entry.path === ROOT || difference.wanted.has(entry.path);
      if (!isOpen) return;
      flush(entry.path);
      sink.entry(entry);
    },
    write: (bytes) => isOpen && sink.write(bytes),
    end() {
      flush(null);
      sink.end();
    },
  }, { whole: true });
}

function readTree(store: LayerStore, id: LayerId): Tree {
  const tree: Tree = new Map();
  let hash: Sha256Sink | null = null;
  let last: Seen | undefined;
  const settle = () => {
    if (hash !== null && last !== undefined) last.digest = hash.digest();
    hash = null;
  };
  sendLayer(store, id, {
    entry(entry) {
      settle();
      const leader = entry.type === "hardlink" ? entry.linkTarget ?? entry.path : entry.path;
      last = { entry, digest: "", leader };
      if (entry.type === "file") hash = new Sha256Sink();
      tree.set(entry.path, last);
    },
    write: (bytes) => hash?.write(bytes),
    end: settle,
  }, { whole: true });
  return tree;
}

function isSame(before: Tree, after: Tree, path: RawPath, seen: Seen): boolean {
  const other = before.get(path);
  if (other === undefined) return false;
  // A further name says what its first name is; both are looked up there.
  const [a, b] = [before.get(other.leader) ?? other, after.get(seen.leader) ?? seen];
  return other.leader === seen.leader && a.digest === b.digest && sameEntry(a.entry, b.entry);
}

function sameEntry(a: TreeEntry, b: TreeEntry): boolean {
  return a.type === b.type && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid &&
    a.mtime === b.mtime && a.size === b.size && a.linkTarget === b.linkTarget &&
    a.device?.major === b.device?.major && a.device?.minor === b.device?.minor &&
    sameXattrs(a.xattrs, b.xattrs);
}

function sameXattrs(a: TreeEntry["xattrs"], b: TreeEntry["xattrs"]): boolean {
  if ((a?.size ?? 0) !== (b?.size ?? 0)) return false;
  for (const [name, value] of a ?? []) {
    const other = b?.get(name);
    if (other === undefined || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}

function addWithParents(wanted: Set<RawPath>, path: RawPath): void {
  wanted.add(path);
  for (const parent of parentsOf(path)) wanted.add(parent);
}

/** A hard link needs the file it names in the same archive, so a group goes whole or not at all. */
function addWholeGroups(wanted: Set<RawPath>, after: Tree): void {
  const leaders = new Set<RawPath>();
  for (const path of wanted) {
    const seen = after.get(path);
    if (seen !== undefined) leaders.add(seen.leader);
  }
  for (const [path, seen] of after) {
    if (leaders.has(seen.leader) && !wanted.has(path)) addWithParents(wanted, path);
  }
}

/** Nearest first, down to the root. */
function parentsOf(path: RawPath): RawPath[] {
  const found: RawPath[] = [];
  for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1)) {
    found.push(path.slice(0, at) as RawPath);
  }
  return found;
}

/** A deleted directory is one line; one that became something else took its content along. */
function isTopmost(path: RawPath, after: Tree): boolean {
  const parent = parentsOf(path)[0];
  return parent === undefined || after.get(parent)?.entry.type === "dir";
}

/** Order of a walk: a slash comes before every letter of a name. */
function compareOrder(a: RawPath, b: RawPath): number {
  const [x, y] = [a.replaceAll("/", "\0"), b.replaceAll("/", "\0")];
  return x < y ? -1 : x > y ? 1 : 0;
}
