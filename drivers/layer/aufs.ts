/**
 * Layers on aufs: each layer is the directory of what it changed, in the form that aufs itself
 * writes (see aufs_marks.ts). Image work reads and writes these directories; only containers are
 * mounted.
 *
 *     ROOT/layers/<id>/diff    what the layer changed (the writable branch while a container runs)
 *                      made    the record; see shelf.ts, also for stages, l, mnt and trash
 *                      union -> <boot id> <union>   the union that writes into it
 *     RUNROOT/aufs-probe       what the kernel accepts, asked once per boot
 *
 * The rules behind each step were measured on aufs6.1; where one is not obvious its step says what
 * happens otherwise.
 */
import { type Fd, O, openAt, statAt, utimeAt } from "../../core/sys/at.ts";
import { FS_MAGIC, fsMagic, unmount } from "../../core/sys/mount.ts";
import {
  type Change,
  type LayerId,
  type Probe,
  text,
  type TreeSink,
  type Usage,
} from "../../core/terms.ts";
import { API, type DriverModule, type DriverPlace } from "../module.ts";
import { clearPseudoLinks, flushPseudoLinks } from "./aufs_links.ts";
import { aufsMarks } from "./aufs_marks.ts";
import { MOST_LOWERS } from "./aufs_plan.ts";
import { type AufsFeatures, aufsFeatures, probeAufs, xinoOptions } from "./aufs_probe.ts";
import { AufsStage } from "./aufs_stage.ts";
import {
  awaitOnlyWriter,
  diffOf,
  isWrittenByUnion,
  mountUnion,
  unionMismatch,
  type UnionPlan,
} from "./aufs_union.ts";
import {
  closeLevels,
  type Level,
  listing,
  measureDelta,
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
import { NO_MARKS } from "./marks.ts";
import { mountedLayer, noVolatile, readOnlyLayer, refuseQuota, refuseSpec } from "./refusals.ts";
import { Sender } from "./sender.ts";
import {
  changeMade,
  discardLayer,
  findLayer,
  inside,
  listShelf,
  madeOf,
  makeStage,
  mountPath,
  noSuchLayer,
  openShelf,
  type Shelf,
  syncShelf,
  visibleChain,
} from "./shelf.ts";
import { isAlreadyMounted, mountedView, mountPlan, unmountLayer } from "./shelf_mount.ts";
import { recoverShelf } from "./shelf_recover.ts";
import { openLayerTree, verifyByReading, verifyShelf } from "./shelf_verify.ts";

/** Layers over one shelf; holds the descriptor of its root and what the kernel accepts. */
class AufsLayers implements LayerDriver {
  readonly name = "aufs";
  readonly can: LayerAbilities = {
    volatile: false,
    quota: false,
    hardlinksSurviveCopyUp: true,
    renamesLowerDirs: false,
    sharesBlocks: true,
  };
  readonly limits = { lowers: MOST_LOWERS };
  readonly #shelf: Shelf;
  readonly #features: AufsFeatures;
  readonly #extraOptions: readonly string[];
  readonly #xino: readonly string[];

  constructor(place: DriverPlace) {
    this.#shelf = openShelf(place.root);
    this.#features = aufsFeatures(place);
    this.#extraOptions = (place.options.mount_options as string[] | undefined) ?? [];
    this.#xino = xinoOptions(this.#features.xino);
  }

  begin(spec: BeginSpec): LayerStage {
    refuseSpec(spec, MOST_LOWERS);
    refuseQuota(spec, this.name);
    makeStage(this.#shelf, spec);
    return new AufsStage(this.#shelf, spec, () => this.#openLevels(spec.chain, 0));
  }

  sync(): void {
    syncShelf(this.#shelf);
  }

  seal(layer: LayerRef): void {
    const made = madeOf(this.#shelf, layer.id, "seal");
    if (made.kind !== "container") return;
    if (this.isMounted(layer)) throw mountedLayer("seal", layer.id);
    awaitOnlyWriter(this.#shelf, layer.id, "seal");
    clearPseudoLinks(this.#shelf, diffOf(layer.id));
    changeMade(this.#shelf, layer.id, { kind: "sealed" });
  }

  plan(layer: LayerRef, view: View): MountPlan {
    return this.#plan(layer, view).plan;
  }

  mount(layer: LayerRef, options: MountOptions): { readonly path: string } {
    const made = madeOf(this.#shelf, layer.id, "mount");
    if (options.view === "rw" && made.kind !== "container") throw readOnlyLayer(layer.id);
    if (options.volatile) throw noVolatile(layer.id);
    const union = this.#plan(layer, options.view, options.label);
    const { plan } = union;
    if (isAlreadyMounted(this.#shelf, layer.id, options.view)) {
      // A kill between the calls that make a union leaves one with layers missing.
      if (plan.type === "bind" || unionMismatch(this.#shelf, layer.id, union) === null) {
        return { path: plan.path };
      }
      unmount(plan.path);
    }
    if (plan.type === "bind") mountPlan(this.#shelf, layer.id, plan, FS_MAGIC.aufs);
    else if (options.view === "ro") mountUnion(this.#shelf, layer.id, union);
    else this.#mountWritable(layer.id, union);
    return { path: plan.path };
  }

  isMounted(layer: LayerRef): boolean {
    return mountedView(this.#shelf, layer.id) !== null;
  }

  unmount(layer: LayerRef, options: { readonly detach?: boolean } = {}): void {
    const { id } = layer;
    const path = `${this.#shelf.root}/${mountPath(id)}`;
    const isUnion = mountedView(this.#shelf, id) === "rw" && fsMagic(path) === FS_MAGIC.aufs;
    if (isUnion) flushPseudoLinks(this.#shelf, diffOf(id), path);
    unmountLayer(this.#shelf, id, options.detach ?? false);
    if (isUnion && !isWrittenByUnion(this.#shelf, id)) clearPseudoLinks(this.#shelf, diffOf(id));
  }

  changes(layer: LayerRef): Change[] {
    const made = madeOf(this.#shelf, layer.id, "read");
    const changes: Change[] = [];
    const options = { onlyChanged: made.kind !== "image", lookBelow: true };
    this.#withLevels(layer, "delta", (levels) => walkDelta(levels, listing(changes), options));
    return sortChanges(changes);
  }

  entries(layer: LayerRef, sink: TreeSink, options: { readonly whole?: boolean } = {}): Sent {
    const made = madeOf(this.#shelf, layer.id, "read");
    const sender = new Sender(sink);
    const onlyChanged = made.kind !== "image";
    if (options.whole) {
      this.#withLevels(layer, "whole", (levels) => walkUnion(levels, sending(sender)));
    } else {
      const how = { onlyChanged, lookBelow: onlyChanged };
      const which = onlyChanged ? "delta" : "own";
      this.#withLevels(layer, which, (levels) => walkDelta(levels, sending(sender), how));
    }
    sender.end();
    return { sockets: sender.sockets };
  }

  usage(layer: LayerRef): Usage {
    madeOf(this.#shelf, layer.id, "measure");
    return this.#withLevels(layer, "own", ([top]) => measureDelta(top as Level));
  }

  openTree(id: LayerId): Fd {
    return openLayerTree(this.#shelf, id);
  }

  remove(id: LayerId): void {
    if (mountedView(this.#shelf, id) !== null) throw mountedLayer("remove", id);
    discardLayer(this.#shelf, id);
  }

  list(): LayerId[] {
    return listShelf(this.#shelf);
  }

  recover(isKnown: (id: LayerId) => boolean): RecoveryReport {
    return recoverShelf(this.#shelf, isKnown);
  }

  verify(layer: LayerRef, depth: "exists" | "stat" | "digest"): Finding[] {
    const found = verifyShelf(this.#shelf, layer);
    return found.length > 0 ? found : verifyByReading(this, layer, depth);
  }

  #plan({ id, chain }: LayerRef, view: View, label?: string): UnionPlan {
    const path = `${this.#shelf.root}/${mountPath(id)}`;
    const base = this.#shelf.root;
    const upper = text(diffOf(id));
    const isRw = view === "rw";
    const hidesAll = isRw && madeOf(this.#shelf, id, "mount").hidesAll;
    const visible = hidesAll ? [] : visibleChain(this.#shelf, isRw ? chain : [id, ...chain]);
    // What has nothing below it is shown as it is.
    if (visible.length < (isRw ? 1 : 2)) {
      const options = isRw ? ["bind"] : ["bind", "ro"];
      return { plan: { path, base, type: "bind", lowers: [], upper, options }, layers: [] };
    }
    const lowers = visible.map(({ made }) => `l/${made.short}`);
    const options = [
      ...(isRw ? [] : ["ro"]),
      ...this.#xino,
      ...this.#features.options,
      ...this.#extraOptions,
      ...(label === undefined ? [] : [`context="${label}"`]),
    ];
    const layers = visible.map((each) => each.id);
    const plan = { path, base, type: "aufs", lowers, options };
    return isRw ? { plan: { ...plan, upper }, layers: [id, ...layers] } : { plan, layers };
  }

  /**
   * aufs makes files of its own in the root of the writable branch, which gives the root a new time
   * that nobody inside has caused; the time is put back.
   */
  #mountWritable(id: LayerId, union: UnionPlan): void {
    awaitOnlyWriter(this.#shelf, id, "mount");
    const diff = diffOf(id);
    clearPseudoLinks(this.#shelf, diff);
    const { mtime } = statAt(this.#shelf.fd, diff);
    mountUnion(this.#shelf, id, union);
    utimeAt(this.#shelf.fd, diff, mtime);
  }

  /** Levels of `ids`; below the last come `beneath` more layers. */
  #openLevels(ids: readonly LayerId[], beneath: number): Level[] {
    const levels: Level[] = [];
    const visible = visibleChain(this.#shelf, ids);
    try {
      for (const [index, { id, made }] of visible.entries()) {
        const path = findLayer(this.#shelf, id);
        if (path === null) throw noSuchLayer("read", id);
        const fd = openAt(this.#shelf.fd, inside(path, "diff"), O.RDONLY | O.DIRECTORY);
        // A layer with nothing below it is never in a union's top, and hides nothing.
        const isPlain = index + 1 === ids.length && beneath === 0;
        levels.push({ fd, marks: isPlain ? NO_MARKS : aufsMarks(made.hidesAll) });
      }
      return levels;
    } catch (error) {
      closeLevels(levels);
      throw error;
    }
  }

  /** "delta": the layer over all that is below; "whole": down to the first that hides the rest. */
  #withLevels<T>(
    layer: LayerRef,
    which: "own" | "delta" | "whole",
    work: (levels: Level[]) => T,
  ): T {
    const levels = which === "whole"
      ? this.#openLevels([layer.id, ...layer.chain], 0)
      : this.#openLevels([layer.id], layer.chain.length);
    if (which === "delta") {
      try {
        levels.push(...this.#openLevels(layer.chain, 0));
      } catch (error) {
        closeLevels(levels);
        throw error;
      }
    }
    return withLevels(levels, work);
  }
}

export const driver = {
  api: API,
  kind: "layer",
  name: "aufs",
  summary: "layers as one tree by aufs, for kernels that have it; nothing is copied",
  options: {
    mount_options: { type: "string[]", description: "more options for every mount of aufs" },
  },
  probe: (place: DriverPlace): Probe => probeAufs(place),
  open: (place: DriverPlace): LayerDriver => new AufsLayers(place),
} satisfies DriverModule<"layer">;
