/**
 * A layer being made on a shelf: objects go through the safe receiver into its `diff` as they come;
 * deletions wait until the end, when it is known what the layer itself has.
 */
import { TreeReceiver } from "../../core/archive/receive.ts";
import { baseOf, parentOf } from "../../core/archive/member_path.ts";
import { isErrno } from "../../core/errors.ts";
import {
  chmodAt,
  chownAt,
  close,
  type Fd,
  mkdirAt,
  O,
  openAt,
  openBeneath,
  renameAt,
  rmdirAt,
  statAt,
  utimeAt,
} from "../../core/sys/at.ts";
import { getXattrAt, listXattrsAt, setXattrAt } from "../../core/sys/xattr.ts";
import { raw, type RawPath, type TreeEntry, type WhiteoutStyle } from "../../core/terms.ts";
import { closeLevels, directoryBelow, type Level, lookBelow } from "./delta.ts";
import type { BeginSpec, LayerStage } from "./driver.ts";
import { NO_MARKS } from "./marks.ts";
import { isPrivateXattr } from "./sender.ts";
import {
  abortStage,
  changeMade,
  commitStage,
  inside,
  rootLook,
  type Shelf,
  stagePath,
} from "./shelf.ts";

/** How a driver writes into a stage. */
export interface StageWriter {
  /** The directory in the stage that holds the files; default "diff". */
  readonly folder?: string;
  readonly whiteouts: WhiteoutStyle;
  /** Opens the layers below, nearest first. */
  below(): Level[];
  /** "at once": the layer is a whole tree, and deletions take effect in it as they come. */
  readonly deletions?: "at the end" | "at once";
  /** Writes the deletions that mean something, ancestors first; default: by the receiver. */
  record?(stage: RawPath, deletions: readonly TreeEntry[]): void;
}

/** What is open while a stage is filled. */
interface Open {
  readonly fd: Fd;
  readonly receiver: TreeReceiver;
  /** The layers below; opened when they are asked for, which few layers need. */
  levels: readonly Level[] | undefined;
}

export class ShelfStage implements LayerStage {
  readonly #shelf: Shelf;
  readonly #spec: BeginSpec;
  readonly #writer: StageWriter;
  readonly #deletions: TreeEntry[] = [];
  #open: Open | undefined;
  #sawRoot = false;

  constructor(shelf: Shelf, spec: BeginSpec, writer: StageWriter) {
    this.#shelf = shelf;
    this.#spec = spec;
    this.#writer = writer;
  }

  entry(entry: TreeEntry): void {
    const isDeletion = entry.type === "whiteout" || entry.type === "opaque";
    if (isDeletion && this.#writer.deletions !== "at once") {
      this.#deletions.push(entry);
      return;
    }
    this.#sawRoot ||= entry.path === "";
    this.#receiver().entry(withoutPrivate(entry));
    if (entry.type === "opaque" && entry.path !== "") this.#renew(entry.path);
  }

  write(bytes: Uint8Array): void {
    this.#receiver().write(bytes);
  }

  end(): void {
    const deletions = this.#deletions.length === 0 ? [] : this.#meaningful();
    const path = stagePath(this.#shelf, this.#spec.id);
    if (this.#writer.record === undefined || path === null) {
      for (const entry of deletions) this.#receiver().entry(entry);
    } else if (deletions.length > 0) {
      this.#makeParents(deletions);
      this.#writer.record(path, deletions);
    }
    if (deletions[0]?.path === "") changeMade(this.#shelf, this.#spec.id, { hidesAll: true });
    this.#open?.receiver.end();
    this.#close();
    // What came in changed the time of the root; without an entry of its own it has the parent's.
    if (!this.#sawRoot && path !== null) {
      utimeAt(
        this.#shelf.fd,
        inside(path, this.#folder()),
        rootLook(this.#shelf, this.#spec).mtime,
      );
    }
  }

  /**
   * In a whole tree a directory that hides what was below is another directory of the same name:
   * by that its driver will know it again. One that has content of the layer already stays.
   */
  #renew(path: RawPath): void {
    const { fd, receiver } = this.#opened();
    receiver.close();
    const parent = openBeneath(fd, parentOf(path) || raw("."), O.RDONLY | O.DIRECTORY, {
      scope: "in-root",
    });
    try {
      renewDirectory(parent, baseOf(path));
    } finally {
      close(parent);
    }
  }

  commit(): void {
    this.#close();
    commitStage(this.#shelf, this.#spec.id, this.#spec.replaces);
  }

  abort(): void {
    this.#close();
    abortStage(this.#shelf, this.#spec.id);
  }

  /** A new container has no entries: nothing is opened for it. */
  #opened(): Open {
    if (this.#open === undefined) {
      const path = stagePath(this.#shelf, this.#spec.id);
      if (path === null) throw new Error(`layer ${this.#spec.id} has no stage`);
      const fd = openAt(this.#shelf.fd, inside(path, this.#folder()), O.RDONLY | O.DIRECTORY);
      // Directories that the archive leaves out must look as below, not as a default that hides it.
      const receiver = new TreeReceiver(fd, {
        whiteouts: this.#writer.whiteouts,
        missingParent: (missing) => directoryBelow(this.#below(), missing),
      });
      this.#open = { fd, receiver, levels: undefined };
    }
    return this.#open;
  }

  #below(): readonly Level[] {
    const open = this.#opened();
    return open.levels ??= this.#writer.below();
  }

  #receiver(): TreeReceiver {
    return (this.#open ?? this.#opened()).receiver;
  }

  #close(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    open.receiver.close();
    close(open.fd);
    closeLevels(open.levels ?? []);
  }

  #folder(): string {
    return this.#writer.folder ?? "diff";
  }

  /** A deletion stands in a directory, which the layer then has, as below. */
  #makeParents(deletions: readonly TreeEntry[]): void {
    const { fd, receiver } = this.#opened();
    for (const { path, type } of deletions) {
      const directory = type === "opaque" ? path : parentOf(path);
      if (directory === "" || lookBelow([{ fd, marks: NO_MARKS }], directory) !== null) continue;
      const look = directoryBelow(this.#below(), directory);
      if (look !== null) receiver.entry({ path: directory, type: "dir", size: 0, ...look });
    }
  }

  /**
   * Deletions of something that the layers below show, and that no other deletion covers. A mark
   * where there is nothing to hide is not harmless: overlayfs shows it as a broken name when its
   * directory is in one layer only. What the layer itself has under the name stays; a directory
   * then hides what was in it (image-spec, layer.md, "Whiteouts").
   */
  #meaningful(): TreeEntry[] {
    const below = this.#below();
    const own = [{ fd: this.#opened().fd, marks: NO_MARKS }];
    const covered = new Set<string>();
    const kept: TreeEntry[] = [];
    for (const entry of [...this.#deletions].sort(byPath)) {
      if (below.length === 0 || isCovered(covered, entry)) continue;
      const type = entry.path === "" ? entry.type : meaningOf(entry, below, own);
      if (type === null) continue;
      covered.add(entry.path);
      kept.push({ ...entry, type });
    }
    return kept;
  }
}

function renewDirectory(parent: Fd, name: RawPath): void {
  const { mode, uid, gid, mtime } = statAt(parent, name);
  const fresh = raw(`.${crypto.randomUUID()}`);
  mkdirAt(parent, fresh, 0o700);
  chownAt(parent, fresh, uid, gid);
  chmodAt(parent, fresh, mode);
  for (const key of listXattrsAt(parent, name)) {
    const value = getXattrAt(parent, name, key);
    if (value !== null) setXattrAt(parent, fresh, key, value);
  }
  utimeAt(parent, fresh, mtime);
  try {
    renameAt(parent, fresh, parent, name);
  } catch (error) {
    rmdirAt(parent, fresh);
    if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error;
  }
}

/** What a deletion comes to, given what the layers below and the layer itself have. */
function meaningOf(
  entry: TreeEntry,
  below: readonly Level[],
  own: readonly Level[],
): "whiteout" | "opaque" | null {
  const hidden = lookBelow(below, entry.path);
  if (hidden === null) return null;
  const parent = parentOf(entry.path);
  const ownParent = parent === "" ? null : lookBelow(own, parent);
  if (ownParent !== null && ownParent.type !== "dir") return null;
  const mine = lookBelow(own, entry.path);
  if (entry.type === "whiteout" && mine === null) return "whiteout";
  return hidden.type === "dir" && (mine === null || mine.type === "dir") ? "opaque" : null;
}

/** Before its descendants; of one path a whiteout first, which says at least as much. */
function byPath(a: TreeEntry, b: TreeEntry): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : a.type === "whiteout" ? -1 : 1;
}

function isCovered(covered: ReadonlySet<string>, entry: TreeEntry): boolean {
  if (covered.has("") || covered.has(entry.path)) return true;
  const { path } = entry;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
    if (covered.has(path.slice(0, at))) return true;
  }
  return false;
}

function withoutPrivate(entry: TreeEntry): TreeEntry {
  if (entry.xattrs === undefined) return entry;
  const names = [...entry.xattrs.keys()];
  if (!names.some(isPrivateXattr)) return entry;
  const xattrs = new Map<RawPath, Uint8Array>(
    [...entry.xattrs].filter(([name]) => !isPrivateXattr(name)),
  );
  const { xattrs: _dropped, ...rest } = entry;
  return xattrs.size === 0 ? rest : { ...rest, xattrs };
}
