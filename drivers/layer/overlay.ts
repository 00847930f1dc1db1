/**
 * Layers on overlayfs: each layer is the directory of what it changed, in the form that the kernel
 * itself writes (a character device 0:0 for "deleted", `trusted.overlay.opaque` for "replaced").
 * Image work reads and writes these directories; only containers are mounted.
 *
 *     ROOT/layers/<id>/diff    what the layer changed (upper directory while a container runs)
 *                      work    overlayfs' own, made at the first mount, same file system as diff
 *                      made    the record; see shelf.ts, also for stages, l, mnt and trash
 *                      quota   its limit, and ROOT/quotas; see shelf_quota.ts
 *                      volatile -> <boot id>   it was mounted without durability in that boot
 *     RUNROOT/overlay-probe    what the kernel accepts, asked once per boot
 *
 * The rules behind each step are those of kernels 4.19 to 6.18, Documentation/filesystems/overlayfs.
 */
import { CoracleError } from "../../core/errors.ts";
import { type Fd, lookAt, O, openAt, readlinkAt, symlinkAt } from "../../core/sys/at.ts";
import { removeAt } from "../../core/sys/files.ts";
import { FS_MAGIC } from "../../core/sys/mount.ts";
import { bootId } from "../../core/sys/process.ts";
import {
  type Change,
  type LayerId,
  type Probe,
  raw,
  text,
  type TreeSink,
  type Usage,
} from "../../core/terms.ts";
import { API, type DriverModule, type DriverPlace } from "../module.ts";
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
import { type OverlayFeatures, overlayFeatures, probeOverlay } from "./overlay_probe.ts";
import { mountedLayer, noVolatile, readOnlyLayer, refuseSpec } from "./refusals.ts";
import { OVERLAY_MARKS } from "./marks.ts";
import { Sender } from "./sender.ts";
import {
  changeMade,
  discardLayer,
  findLayer,
  inside,
  layerPath,
  listShelf,
  madeOf,
  makeDirectory,
  makeStage,
  mountPath,
  noSuchLayer,
  openShelf,
  removeName,
  type Shelf,
  syncShelf,
  visibleChain,
} from "./shelf.ts";
import {
  limitLayer,
  limitWork,
  projectOf,
  QUOTA_IDS,
  quotaProblem,
  recoverProjects,
  refuseLimit,
  releaseProject,
} from "./shelf_quota.ts";
import { recoverShelf } from "./shelf_recover.ts";
import { openLayerTree, verifyByReading, verifyShelf } from "./shelf_verify.ts";
import { isAlreadyMounted, mountedView, mountPlan, unmountLayer } from "./shelf_mount.ts";
import { ShelfStage } from "./stage.ts";

/** OVL_MAX_STACK. */
const MOST_LOWERS = 500;
const VOLATILE = "volatile";

/** Layers over one shelf; holds the descriptor of its root and what the kernel accepts. */
class OverlayLayers implements LayerDriver {
  readonly name = "overlay";
  readonly can: LayerAbilities;
  /** The kernel's own limit, OVL_MAX_STACK; a view of an image layer counts the layer itself. */
  readonly limits = { lowers: MOST_LOWERS };
  readonly #shelf: Shelf;
  readonly #features: OverlayFeatures;
  readonly #extraOptions: readonly string[];
  readonly #quotaIds: string;

  constructor(place: DriverPlace) {
    this.#shelf = openShelf(place.root);
    this.#features = overlayFeatures(place);
    this.#extraOptions = (place.options.mount_options as string[] | undefined) ?? [];
    this.#quotaIds = (place.options.quota_ids as string | undefined) ?? QUOTA_IDS;
    const shelf = this.#shelf;
    this.can = {
      volatile: this.#features.volatile,
      get quota() {
        return quotaProblem(shelf) === null;
      },
      hardlinksSurviveCopyUp: false,
      renamesLowerDirs: false,
      sharesBlocks: true,
    };
  }

  begin(spec: BeginSpec): LayerStage {
    refuseSpec(spec, MOST_LOWERS);
    const { id, quotaBytes: bytes } = spec;
    if (bytes !== undefined) refuseLimit(this.#shelf, id);
    const path = makeStage(this.#shelf, spec);
    const stage = new ShelfStage(this.#shelf, spec, {
      whiteouts: "overlay",
      below: () => this.#openLevels(spec.chain),
    });
    if (bytes === undefined) return stage;
    try {
      limitLayer(this.#shelf, path, { id, bytes, ids: this.#quotaIds });
    } catch (error) {
      stage.abort();
      throw error;
    }
    return stage;
  }

  sync(): void {
    syncShelf(this.#shelf);
  }

  seal(layer: LayerRef): void {
    const made = madeOf(this.#shelf, layer.id, "seal");
    if (made.kind !== "container") return;
    if (this.isMounted(layer)) throw mountedLayer("seal", layer.id);
    changeMade(this.#shelf, layer.id, { kind: "sealed" });
    this.#dropWork(layer.id);
  }

  plan(layer: LayerRef, view: View): MountPlan {
    const { id, chain } = layer;
    const path = `${this.#shelf.root}/${mountPath(id)}`;
    const base = this.#shelf.root;
    const upper = `${text(layerPath(id))}/diff`;
    const ids = view === "rw" ? chain : [id, ...chain];
    const visible = visibleChain(this.#shelf, ids);
    // overlayfs wants two trees at least; one is shown as it is.
    if (visible.length < (view === "rw" ? 1 : 2)) {
      const options = view === "rw" ? ["bind"] : ["bind", "ro"];
      return { path, base, type: "bind", lowers: [], upper, options };
    }
    const lowers = visible.map(({ made }) => `l/${made.short}`);
    const options = [`lowerdir=${lowers.join(":")}`];
    if (view === "ro") {
      const all = ["ro", ...options, ...this.#options()];
      return { path, base, type: "overlay", lowers, options: all };
    }
    const work = `${text(layerPath(id))}/work`;
    options.push(`upperdir=${upper}`, `workdir=${work}`, ...this.#options());
    return { path, base, type: "overlay", lowers, upper, work, options };
  }

  mount(layer: LayerRef, options: MountOptions): { readonly path: string } {
    const made = madeOf(this.#shelf, layer.id, "mount");
    if (options.view === "rw" && made.kind !== "container") throw readOnlyLayer(layer.id);
    const plan = this.plan(layer, options.view);
    if (isAlreadyMounted(this.#shelf, layer.id, options.view)) return { path: plan.path };
    if (options.volatile && !this.can.volatile) throw noVolatile(layer.id);
    const isVolatile = options.volatile === true && options.view === "rw" &&
      plan.type === "overlay";
    if (options.view === "rw") this.#settleVolatile(layer.id, isVolatile);
    if (plan.work !== undefined) {
      makeDirectory(this.#shelf.fd, raw(plan.work), 0o700);
      limitWork(this.#shelf, layer.id);
    }
    const more = [
      ...(isVolatile ? ["volatile"] : []),
      ...(options.label === undefined ? [] : [`context="${options.label}"`]),
    ];
    mountPlan(
      this.#shelf,
      layer.id,
      { ...plan, options: [...plan.options, ...more] },
      FS_MAGIC.overlay,
    );
    return { path: plan.path };
  }

  isMounted(layer: LayerRef): boolean {
    return mountedView(this.#shelf, layer.id) !== null;
  }

  unmount(layer: LayerRef, options: { readonly detach?: boolean } = {}): void {
    unmountLayer(this.#shelf, layer.id, options.detach ?? false);
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
    const project = projectOf(this.#shelf, id);
    discardLayer(this.#shelf, id);
    if (project !== null) releaseProject(this.#shelf, project);
  }

  list(): LayerId[] {
    return listShelf(this.#shelf);
  }

  recover(isKnown: (id: LayerId) => boolean): RecoveryReport {
    const report = recoverShelf(this.#shelf, isKnown);
    recoverProjects(this.#shelf);
    return report;
  }

  verify(layer: LayerRef, depth: "exists" | "stat" | "digest"): Finding[] {
    const found = verifyShelf(this.#shelf, layer);
    const boot = this.#volatileBoot(layer.id);
    if (boot !== null && boot !== bootId()) {
      const detail = "the host went down while it was mounted without durability";
      found.push({ layer: layer.id, path: raw(""), kind: "torn", detail });
    }
    return found.length > 0 ? found : verifyByReading(this, layer, depth);
  }

  #options(): string[] {
    return [...this.#features.options, ...this.#extraOptions];
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
    const fd = openAt(this.#shelf.fd, inside(path, "diff"), O.RDONLY | O.DIRECTORY);
    return { fd, marks: OVERLAY_MARKS };
  }

  #withLevels<T>(
    layer: LayerRef,
    which: "own" | "delta" | "whole",
    work: (levels: Level[]) => T,
  ): T {
    const levels = which === "whole"
      ? this.#openLevels([layer.id, ...layer.chain])
      : [this.#openLevel(layer.id), ...which === "own" ? [] : this.#openLevels(layer.chain)];
    return withLevels(levels, work);
  }

  /**
   * A volatile mount leaves a marker in the work directory, and the kernel then refuses the next
   * mount, as the upper directory may be torn after a power cut. Within one boot nothing is lost:
   * the marker can go. In another boot it tells the truth.
   */
  #settleVolatile(id: LayerId, isVolatile: boolean): void {
    const boot = this.#volatileBoot(id);
    if (boot === null) {
      if (isVolatile) {
        symlinkAt(raw(bootId()), this.#shelf.fd, inside(layerPath(id), VOLATILE));
      }
      return;
    }
    if (boot !== bootId()) {
      throw new CoracleError("corrupt", `cannot mount layer "${id}"`, {
        why:
          "it was mounted without durability when the host went down, so files in it may be torn",
        hint: "remove the container and make a new one",
      });
    }
    this.#dropWork(id);
    if (isVolatile) return;
    syncShelf(this.#shelf);
    removeName(this.#shelf, inside(layerPath(id), VOLATILE));
  }

  #volatileBoot(id: LayerId): string | null {
    const path = inside(layerPath(id), VOLATILE);
    if (lookAt(this.#shelf.fd, path) === null) return null;
    return text(readlinkAt(this.#shelf.fd, path));
  }

  #dropWork(id: LayerId): void {
    removeAt(this.#shelf.fd, inside(layerPath(id), "work"));
  }
}

export const driver = {
  api: API,
  kind: "layer",
  name: "overlay",
  summary: "layers as one tree by the kernel's overlayfs; nothing is copied",
  options: {
    mount_options: { type: "string[]", description: "more options for every overlay mount" },
    quota_ids: {
      type: "string",
      description: `project ids for containers with --storage-opt size, default ${QUOTA_IDS}`,
    },
  },
  probe: (place: DriverPlace): Probe => probeOverlay(place),
  open: (place: DriverPlace): LayerDriver => new OverlayLayers(place),
} satisfies DriverModule<"layer">;
