/**
 * A layer being made on a shelf: objects go through the safe receiver into its `diff` as they come;
 * deletions wait until the end, when it is known what the layer itself has.
 */
import { TreeReceiver } from "../../core/archive/receive.ts";
import { close, type Fd, O, openAt, utimeAt } from "../../core/sys/at.ts";
import type { RawPath, TreeEntry, WhiteoutStyle } from "../../core/terms.ts";
import { closeLevels, directoryBelow, type Level, lookBelow } from "./delta.ts";
import type { BeginSpec, LayerStage } from "./driver.ts";
import { isPrivateXattr } from "./sender.ts";
import {
  abortStage,
  changeMade,
  commitStage,
  findLayer,
  inside,
  rootLook,
  type Shelf,
} from "./shelf.ts";

/** How a driver writes into a stage. */
export interface StageWriter {
  readonly whiteouts: WhiteoutStyle;
  /** Opens the layers below, nearest first. */
  below(): Level[];
  /** Called at the end with the deletions that mean something, ancestors first. */
  deletions?(entries: readonly TreeEntry[]): void;
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
    if (entry.type === "whiteout" || entry.type === "opaque") {
      this.#deletions.push(entry);
      return;
    }
    this.#sawRoot ||= entry.path === "";
    this.#receiver().entry(withoutPrivate(entry));
  }

  write(bytes: Uint8Array): void {
    this.#receiver().write(bytes);
  }

  end(): void {
    const deletions = this.#deletions.length === 0 ? [] : this.#meaningful();
    if (this.#writer.deletions !== undefined) this.#writer.deletions(deletions);
    else for (const entry of deletions) this.#receiver().entry(entry);
    if (deletions[0]?.path === "") changeMade(this.#shelf, this.#spec.id, { hidesAll: true });
    this.#open?.receiver.end();
    this.#close();
    const path = findLayer(this.#shelf, this.#spec.id);
    // What came in changed the time of the root; without an entry of its own it has the parent's.
    if (!this.#sawRoot && path !== null) {
      utimeAt(this.#shelf.fd, inside(path, "diff"), rootLook(this.#shelf, this.#spec).mtime);
    }
  }

  commit(): void {
    this.#close();
    commitStage(this.#shelf, this.#spec.id);
  }

  abort(): void {
    this.#close();
    abortStage(this.#shelf, this.#spec.id);
  }

  /** A new container has no entries: nothing is opened for it. */
  #opened(): Open {
    if (this.#open === undefined) {
      const path = findLayer(this.#shelf, this.#spec.id);
      if (path === null) throw new Error(`layer ${this.#spec.id} has no stage`);
      const fd = openAt(this.#shelf.fd, inside(path, "diff"), O.RDONLY | O.DIRECTORY);
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

  /**
   * Deletions of something that the layers below show, and that no other deletion covers. A mark
   * where there is nothing to hide is not harmless: overlayfs shows it as a broken name when its
   * directory is in one layer only.
   */
  #meaningful(): TreeEntry[] {
    const levels = this.#below();
    const covered = new Set<string>();
    return [...this.#deletions].sort(byPath).filter((entry) => {
      if (levels.length === 0 || isCovered(covered, entry)) return false;
      const found = entry.path === "" ? null : lookBelow(levels, entry.path);
      if (entry.path !== "" && found === null) return false;
      if (entry.type === "opaque" && found !== null && found.type !== "dir") return false;
      covered.add(entry.path);
      return true;
    });
  }
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
