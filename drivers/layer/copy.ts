/**
 * Layers by plain files, for hosts and file systems where no union works. An image layer is kept as
 * the delta that it is; the first container of an image makes one flat tree of hard links to the
 * deltas of its layers, and every container is a clone of that tree, whose files share their blocks
 * where the file system can (btrfs, xfs), else are copied.
 *
 *     ROOT/layers/<id>/diff        image layer: what it changed
 *                      list        image layer: what it deleted; copy_marks.ts
 *                      tree        container: all it shows
 *                      manifest    container: inodes and times of `tree` when it was cloned
 *                      made        the record; see shelf.ts, also for stages, l, mnt and trash
 *     ROOT/flat/<id>/              what the layer <id> and those below it show, read-only
 *     RUNROOT/flat-<id>            lock of who makes it
 */
import { close, type Fd, lookAt, mkdirAt, O, openAt, renameAt } from "../../core/sys/at.ts";
import { removeAt } from "../../core/sys/files.ts";
import { lockFile } from "../../core/sys/lock.ts";
import {
  type Change,
  type LayerId,
  type Probe,
  raw,
  type RawPath,
  text,
  type TreeSink,
  type Usage,
} from "../../core/terms.ts";
import { API, type DriverModule, type DriverPlace } from "../module.ts";
import { droppingFlats, removeFlat, removeOrphanFlats } from "./copy_flat.ts";
import { listMarks, manifestMarks, writeDeletions, writeManifest } from "./copy_marks.ts";
import { hasReflink, probeCopy } from "./copy_probe.ts";
import { cloneTree, linkInto, type TreeLinker } from "./copy_tree.ts";
import {
  closeLevels,
  type DeltaVisitor,
  type Level,
  listing,
  measureDelta,
  measuring,
  sending,
  sortChanges,
  walkDelta,
  walkUnion,
  withLevels,
} from "./delta.ts";
import type {
  BeginSpec,
  Finding,
  LayerAbilities,
  LayerDriver,
  LayerRef,
  LayerStage,
  MountOptions,
  MountPlan,
  RecoveryReport,
  Sent,
  View,
} from "./driver.ts";
import { mountedLayer, readOnlyLayer, refuseQuota, refuseSpec } from "./refusals.ts";
import { type Marks, NO_MARKS } from "./marks.ts";
import { Sender } from "./sender.ts";
import {
  changeMade,
  discardLayer,
  findLayer,
  inside,
  layerPath,
  listShelf,
  type Made,
  madeOf,
  makeDirectory,
  makeStage,
  mountPath,
  noSuchLayer,
  openShelf,
  ownOwner,
  removeName,
  type Shelf,
  syncShelf,
  visibleChain,
} from "./shelf.ts";
import { isAlreadyMounted, mountedView, mountPlan, unmountLayer } from "./shelf_mount.ts";
import { recoverShelf } from "./shelf_recover.ts";
import { openLayerTree, verifyByReading, verifyShelf } from "./shelf_verify.ts";
import { ShelfStage } from "./stage.ts";

/** As overlay: so that a store can go from one to the other. */
const MOST_LOWERS = 500;
const DIRECTORY = O.RDONLY | O.DIRECTORY;

/** What holds a layer's files. */
function folderOf(made: Made): string {
  return made.kind === "container" ? "tree" : "diff";
}

class CopyLayers implements LayerDriver {
  readonly name = "copy";
  readonly can: LayerAbilities;
  readonly limits = { lowers: MOST_LOWERS };
  readonly #shelf: Shelf;
  readonly #runroot: string;

  constructor(place: DriverPlace) {
    this.#shelf = openShelf(place.root);
    this.#runroot = place.runroot;
    makeDirectory(this.#shelf.fd, raw("flat"), 0o700);
    this.can = {
      volatile: true,
      quota: false,
      hardlinksSurviveCopyUp: true,
      renamesLowerDirs: true,
      sharesBlocks: hasReflink(place),
    };
  }

  begin(spec: BeginSpec): LayerStage {
    refuseSpec(spec, MOST_LOWERS);
    refuseQuota(spec, this.name);
    const below = () => this.#openLevels(spec.chain);
    if (spec.kind === "image") {
      makeStage(this.#shelf, spec);
      const stage = new ShelfStage(this.#shelf, spec, {
        whiteouts: "remove",
        below,
        record: (stage, gone) => writeDeletions(this.#path(inside(stage, "list")), gone),
      });
      return spec.replaces ? droppingFlats(this.#shelf, stage) : stage;
    }
    const flat = this.#flat(spec.chain);
    const stage = makeStage(this.#shelf, spec, flat === null ? "diff" : null);
    const made = new ShelfStage(this.#shelf, spec, {
      whiteouts: "remove",
      deletions: "at once",
      folder: "tree",
      below,
    });
    try {
      this.#clone(flat, stage);
      // The record of the container must not outlive files that a power cut emptied.
      if (spec.volatile !== true) syncShelf(this.#shelf);
    } catch (error) {
      made.abort();
      throw error;
    }
    return made;
  }

  sync(): void {
    syncShelf(this.#shelf);
  }

  seal(layer: LayerRef): void {
    const made = madeOf(this.#shelf, layer.id, "seal");
    if (made.kind === "image") return;
    if (this.isMounted(layer)) throw mountedLayer("seal", layer.id);
    const path = layerPath(layer.id);
    if (made.kind === "container") {
      this.#makeDelta(layer, path);
      changeMade(this.#shelf, layer.id, { kind: "sealed" });
    }
    removeAt(this.#shelf.fd, inside(path, "tree"));
    removeName(this.#shelf, inside(path, "manifest"));
  }

  plan(layer: LayerRef, view: View): MountPlan {
    const made = madeOf(this.#shelf, layer.id, "mount");
    const tree = made.kind === "container"
      ? inside(layerPath(layer.id), "tree")
      : this.#flatPath([layer.id, ...layer.chain]);
    return {
      path: `${this.#shelf.root}/${mountPath(layer.id)}`,
      base: this.#shelf.root,
      type: "bind",
      lowers: [],
      upper: text(tree),
      options: view === "rw" ? ["bind"] : ["bind", "ro"],
    };
  }

  mount(layer: LayerRef, options: MountOptions): { readonly path: string } {
    const made = madeOf(this.#shelf, layer.id, "mount");
    if (options.view === "rw" && made.kind !== "container") throw readOnlyLayer(layer.id);
    const plan = this.plan(layer, options.view);
    if (isAlreadyMounted(this.#shelf, layer.id, options.view)) return { path: plan.path };
    if (made.kind !== "container") this.#flat([layer.id, ...layer.chain]);
    mountPlan(this.#shelf, layer.id, plan, 0);
    return { path: plan.path };
  }

  isMounted(layer: LayerRef): boolean {
    return mountedView(this.#shelf, layer.id) !== null;
  }

  unmount(layer: LayerRef, options: { readonly detach?: boolean } = {}): void {
    unmountLayer(this.#shelf, layer.id, options.detach ?? false);
  }

  changes(layer: LayerRef): Change[] {
    const changes: Change[] = [];
    this.#walkChanges(layer, listing(changes), true);
    return sortChanges(changes);
  }

  entries(layer: LayerRef, sink: TreeSink, options: { readonly whole?: boolean } = {}): Sent {
    const sender = new Sender(sink);
    if (options.whole) this.#walkWhole(layer, sending(sender));
    else this.#walkChanges(layer, sending(sender), false);
    sender.end();
    return { sockets: sender.sockets };
  }

  /** Of a container: what it changed; what it shares with others by cloning is not counted. */
  usage(layer: LayerRef): Usage {
    if (!this.#isTree(layer.id)) {
      return this.#with(
        inside(layerPath(layer.id), "diff"),
        (fd) => measureDelta({ fd, marks: NO_MARKS }),
      );
    }
    const { visitor, sum } = measuring();
    this.#walkChanges(layer, visitor, false);
    return sum;
  }

  openTree(id: LayerId): Fd {
    return openLayerTree(this.#shelf, id, folderOf);
  }

  remove(id: LayerId): void {
    if (mountedView(this.#shelf, id) !== null) throw mountedLayer("remove", id);
    discardLayer(this.#shelf, id);
    removeFlat(this.#shelf, id);
  }

  list(): LayerId[] {
    return listShelf(this.#shelf);
  }

  recover(isKnown: (id: LayerId) => boolean): RecoveryReport {
    const report = recoverShelf(this.#shelf, isKnown);
    removeOrphanFlats(this.#shelf);
    return report;
  }

  verify(layer: LayerRef, depth: "exists" | "stat" | "digest"): Finding[] {
    const found = verifyShelf(this.#shelf, layer, folderOf);
    return found.length > 0 ? found : verifyByReading(this, layer, depth);
  }

  #path(relative: RawPath): string {
    return `${this.#shelf.root}/${text(relative)}`;
  }

  #open(path: RawPath): Fd {
    return openAt(this.#shelf.fd, path, DIRECTORY);
  }

  #with<T>(path: RawPath, work: (fd: Fd) => T): T {
    const fd = this.#open(path);
    try {
      return work(fd);
    } finally {
      close(fd);
    }
  }

  #isTree(id: LayerId): boolean {
    return madeOf(this.#shelf, id, "read").kind === "container";
  }

  /** Where the tree of these layers, nearest first, is or will be. */
  #flatPath(ids: readonly LayerId[]): RawPath {
    const [top, ...rest] = ids as [LayerId, ...LayerId[]];
    const isAlone = rest.length === 0 &&
      lookAt(this.#shelf.fd, inside(layerPath(top), "list")) === null;
    return isAlone ? inside(layerPath(top), "diff") : raw(`flat/${top}`);
  }

  /** The tree of these layers, made when it is not there; null for no layers. */
  #flat(ids: readonly LayerId[]): RawPath | null {
    const top = ids[0];
    if (top === undefined) return null;
    const path = this.#flatPath(ids);
    if (lookAt(this.#shelf.fd, path) !== null) return path;
    if (findLayer(this.#shelf, top) === null) throw noSuchLayer("build on", top);
    using _lock = lockFile(`${this.#runroot}/flat-${top}`);
    if (lookAt(this.#shelf.fd, path) !== null) return path;
    const stage = raw(`stages/flat-${top}.${ownOwner()}`);
    removeAt(this.#shelf.fd, stage);
    mkdirAt(this.#shelf.fd, stage, 0o700);
    this.#link(stage, (linker) => {
      const levels = this.#openLevels(ids);
      withLevels(levels, () => walkUnion(levels, linker));
    });
    renameAt(this.#shelf.fd, stage, this.#shelf.fd, path);
    return path;
  }

  #link(directory: RawPath, show: (linker: TreeLinker) => void): TreeLinker {
    return this.#with(directory, (fd) => {
      const linker = linkInto(fd);
      try {
        show(linker);
      } finally {
        linker.close();
      }
      return linker;
    });
  }

  #clone(flat: RawPath | null, stage: RawPath): void {
    const tree = inside(stage, "tree");
    if (flat === null) renameAt(this.#shelf.fd, inside(stage, "diff"), this.#shelf.fd, tree);
    else {
      mkdirAt(this.#shelf.fd, tree, 0o700);
      this.#with(flat, (from) => this.#with(tree, (to) => cloneTree(from, to)));
    }
    // Opened again: btrfs lists for a descriptor only what was there when it was opened.
    this.#with(tree, (root) => writeManifest(this.#path(inside(stage, "manifest")), root));
  }

  /** The delta of a container's tree, complete before it has its name. */
  #makeDelta(layer: LayerRef, path: RawPath): void {
    const fresh = inside(path, "diff.new");
    removeAt(this.#shelf.fd, fresh);
    mkdirAt(this.#shelf.fd, fresh, 0o700);
    const linker = this.#link(fresh, (into) => this.#walkChanges(layer, into, false));
    removeAt(this.#shelf.fd, inside(path, "diff"));
    removeName(this.#shelf, inside(path, "list"));
    if (linker.deletions.length > 0) {
      writeDeletions(this.#path(inside(path, "list")), linker.deletions);
    }
    renameAt(this.#shelf.fd, fresh, this.#shelf.fd, inside(path, "diff"));
  }

  #walkChanges(layer: LayerRef, visitor: DeltaVisitor, lookBelow: boolean): void {
    if (this.#isTree(layer.id)) {
      const levels = this.#openTree(layer);
      const options = { onlyChanged: true, lookBelow: true };
      return withLevels(levels, () => walkDelta(levels, visitor, options));
    }
    const levels = [this.#openLevel(layer.id), ...lookBelow ? this.#openLevels(layer.chain) : []];
    withLevels(levels, () => walkDelta(levels, visitor, { onlyChanged: false, lookBelow }));
  }

  #walkWhole(layer: LayerRef, visitor: DeltaVisitor): void {
    const levels = this.#isTree(layer.id)
      ? [{ fd: this.#open(inside(layerPath(layer.id), "tree")), marks: NO_MARKS }]
      : this.#openLevels([layer.id, ...layer.chain]);
    withLevels(levels, () => walkUnion(levels, visitor));
  }

  /** A container's tree over the one it was cloned from. */
  #openTree(layer: LayerRef): Level[] {
    const path = layerPath(layer.id);
    const flat = this.#flat(layer.chain);
    const fd = this.#open(inside(path, "tree"));
    const marks = manifestMarks(this.#path(inside(path, "manifest")), fd);
    return [{ fd, marks }, ...flat === null ? [] : [{ fd: this.#open(flat), marks: NO_MARKS }]];
  }

  #openLevels(ids: readonly LayerId[]): Level[] {
    const levels: Level[] = [];
    try {
      for (const { id } of visibleChain(this.#shelf, ids)) levels.push(this.#openLevel(id));
      return levels;
    } catch (error) {
      closeLevels(levels);
      throw error;
    }
  }

  #openLevel(id: LayerId): Level {
    const path = findLayer(this.#shelf, id);
    if (path === null) throw noSuchLayer("read", id);
    const list = inside(path, "list");
    const marks: Marks = lookAt(this.#shelf.fd, list) === null
      ? NO_MARKS
      : listMarks(this.#path(list));
    return { fd: this.#open(inside(path, "diff")), marks };
  }
}

export const driver = {
  api: API,
  kind: "layer",
  name: "copy",
  summary: "each container has a copy of its image's files; works on every file system",
  options: {},
  probe: (place: DriverPlace): Probe => probeCopy(place),
  open: (place: DriverPlace): LayerDriver => new CopyLayers(place),
} satisfies DriverModule<"layer">;
