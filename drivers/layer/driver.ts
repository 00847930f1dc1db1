/**
 * The contract of layer drivers: how file trees that build on one another are kept on disk and
 * shown as one tree.
 *
 * A **layer** is a delta over its parent (files added and changed, names deleted) or, without a
 * parent, a whole tree. The layers below one layer are its **chain**, nearest first. Ids, names,
 * parents, holders (who has it mounted) and locks belong to `core/layer/store.ts`; a driver gets an
 * id and the chain and needs to remember neither.
 *
 *     begin ──> stage ── put … end ──> commit ──> layer (read-only)  ── mount "ro" ⇄ unmount
 *                 └── abort                        ↑ │
 *                                             seal │ ├── remove ──> gone
 *                                                  │ │
 *     begin(kind: "container") ────> commit ──> layer (writable) ── mount "rw" ⇄ unmount
 *
 * A story: `load` begins a stage for each layer of the image, sends the tar's entries into it,
 * commits the stages from the bottom up, calls `sync` once, and only then writes the rows that make
 * the layers known. `create` begins a stage of kind "container" over the top layer and commits it
 * at once, empty. `start` mounts it "rw", the cleanup unmounts it, `rm` removes it. `commit` of a
 * container sends `entries` into a tar writer. At no time does image work mount anything.
 *
 * What holds for every method:
 * - The store holds the layer's lock around every call that names the layer, in this or any other
 *   process: a driver never sees two calls for one layer at once. Calls for different layers do run
 *   at once, in several processes.
 * - Every change survives SIGKILL at any instruction: the new thing is made complete beside the old,
 *   then renamed. What a kill leaves is found and finished or undone by `recover`.
 * - Removing what is gone is quiet; making what exists fails with `exists`.
 * - A request the driver cannot meet fails with `unsupported` before anything changed; nothing is
 *   ignored in silence.
 * - All calls are synchronous.
 */
import type { Fd } from "../../core/sys/at.ts";
import type {
  Change,
  LayerId,
  Probe,
  RawPath,
  TreeEntry,
  TreeSink,
  Usage,
} from "../../core/terms.ts";
export type { Probe };

/** `image`: filled once, then read-only. `container`: a writable layer. */
export type LayerKind = "image" | "container";

/** A layer and the layers below it, nearest first; both as ids of committed layers. */
export interface LayerRef {
  readonly id: LayerId;
  readonly chain: readonly LayerId[];
}

/** `chain` may name layers whose stages are still open in this process (a `load` of many layers). */
export interface BeginSpec extends LayerRef {
  readonly kind: LayerKind;
  /** Will be thrown away: durability may be traded for speed. Only with `can.volatile`. */
  readonly volatile?: boolean;
  /** Most bytes the writable layer may use. Only with `can.quota`. */
  readonly quotaBytes?: number;
  /**
   * The layer is there, and neither it nor one above it is mounted. The stage takes its place at
   * `commit`, in one rename, and until then, or after `abort`, the layer is as it was. "container":
   * it is writable and empty. "image": it is read-only and perhaps damaged in any way; layers and
   * containers above it show the new one from their next mount on.
   */
  readonly replaces?: boolean;
}

/**
 * A layer being made, invisible to everyone else until `commit`. It is a `TreeSink`: parents come
 * before children (a missing parent directory is made 0755, owner 0:0), the root entry "" sets the
 * mode, owner, times and attributes of the layer's root; without one a layer with a parent takes
 * the parent's root, and one without is 0755, 0:0.
 */
export interface LayerStage extends TreeSink {
  /**
   * Makes the stage the layer `id`, in one rename. For "image" the caller has called `end()`, and
   * calls `LayerDriver.sync` after the last commit of its batch. Until the store knows the layer it
   * belongs to this process: `recover` leaves it alone while the process lives, and removes it
   * after. Fails with `exists` when the layer is there.
   */
  commit(): void;
  /** Removes the stage; quiet after `commit` or a second `abort`. */
  abort(): void;
}

export type View = "rw" | "ro";

/** What would be mounted, as data. Made without privilege and without touching the disk's state. */
export interface MountPlan {
  /** Directory that shows the tree once mounted (for a plain directory: where it is already). */
  readonly path: string;
  /** File system type of the mount, "bind", or "none" when `path` is a plain directory. */
  readonly type: string;
  /** Directory from which the relative names of this plan and its options start. */
  readonly base: string;
  /** Read-only trees, nearest first; empty for "bind" and "none". */
  readonly lowers: readonly string[];
  readonly upper?: string;
  readonly work?: string;
  readonly options: readonly string[];
}

export interface MountOptions {
  readonly view: View;
  /** SELinux label for the whole mount. */
  readonly label?: string;
  readonly volatile?: boolean;
}

/** One thing that `verify` found wrong. */
export interface Finding {
  readonly layer: LayerId;
  readonly path: RawPath;
  /** `missing` file or directory, `changed` content or metadata, `extra` object, `torn` layer. */
  readonly kind: "missing" | "changed" | "extra" | "torn";
  readonly detail: string;
}

/** What `entries` could not send. */
export interface Sent {
  /** Sockets: no archive format has them. */
  readonly sockets: readonly RawPath[];
}

export interface RecoveryReport {
  /** Layers on disk that the store did not name, and half-made or half-removed ones: now gone. */
  readonly removed: readonly string[];
  /** Bytes given back, as far as known without a walk. */
  readonly bytes: number;
}

/** What the driver can do; asked by the core before a call that needs it. */
export interface LayerAbilities {
  /** `BeginSpec.volatile` and `MountOptions.volatile`. */
  readonly volatile: boolean;
  readonly quota: boolean;
  /** Names of one file stay one file when the container writes to it (overlay: no; copy: yes). */
  readonly hardlinksSurviveCopyUp: boolean;
  /** A directory that comes from a lower layer can be renamed (overlay: no, EXDEV). */
  readonly renamesLowerDirs: boolean;
  /** The tree is shared with the layer below without copying (overlay: yes; copy: no). */
  readonly sharesBlocks: boolean;
}

export interface LayerDriver {
  readonly name: string;
  readonly can: LayerAbilities;
  readonly limits: {
    /** Most layers one mount can show below the top one. */
    readonly lowers: number;
  };

  /** Starts a layer. Fails with `exists` (id taken) or `unsupported` (chain too long). */
  begin(spec: BeginSpec): LayerStage;

  /**
   * Makes every stage and layer of this driver durable, content and names, with one call for the
   * whole batch (syncfs). After a power cut a layer that was committed before is whole.
   */
  sync(): void;

  /**
   * A writable layer becomes read-only and may be a parent. What it shows and its `entries` stay
   * the same. Safe to repeat; fails with `busy` while mounted.
   */
  seal(layer: LayerRef): void;

  /** Pure: what `mount` would do. */
  plan(layer: LayerRef, view: View): MountPlan;

  /**
   * Shows the layer with its chain as one tree and returns the directory. Safe to repeat: mounted
   * already in this view, it returns the same directory; mounted in the other view, it fails with
   * `busy`. "rw" only for a writable layer, else `state`. The mount is verified after the call (file
   * system type and number of layers), else undone and `failed`.
   */
  mount(layer: LayerRef, options: MountOptions): { readonly path: string };

  /** Is it mounted now? Answered by the kernel, not from memory. */
  isMounted(layer: LayerRef): boolean;

  /**
   * Ends the mount; quiet when there is none. Busy: fails with `busy` and stays mounted, unless
   * `detach`, which hides it now and lets the kernel finish when the last user is gone.
   */
  unmount(layer: LayerRef, options?: { readonly detach?: boolean }): void;

  /**
   * What the layer changed against its chain, in byte order of the path. A deleted directory is one
   * line; a changed or new child makes its existing parent directories "modify". For a layer that
   * was writable, a path whose content and metadata are as below is no change, whatever was done to
   * it in between.
   */
  changes(layer: LayerRef): Change[];

  /**
   * Sends the layer into `sink`, the same entries in the same order under every driver: the delta
   * with neutral whiteouts (what `changes` names, and the root), or the whole tree with `whole`. The
   * root entry "" comes first. Directories come before their content, names in byte order; an
   * `opaque` entry follows its directory. Attributes that belong to the driver are left out, and so
   * are sockets, whose paths are returned. Works on a mounted and on a running layer; a file that
   * vanishes is left out.
   */
  entries(layer: LayerRef, sink: TreeSink, options?: { readonly whole?: boolean }): Sent;

  /** Space of this layer alone. */
  usage(layer: LayerRef): Usage;

  /**
   * Opens the directory in which a committed layer's own objects are, each under its path, with its
   * content and metadata as they came in; for reading, the caller closes. What else is in there is
   * the driver's affair: marks of deletions, or in a driver of whole trees what the layers below
   * brought. Fails with `notfound`.
   */
  openTree(id: LayerId): Fd;

  /**
   * Takes the layer out of sight at once (rename into the trash) and then deletes it. Quiet when it
   * is gone. Fails with `busy` while mounted. No child may build on it: the store has checked.
   */
  remove(id: LayerId): void;

  /** Ids of the layers on disk, whatever the store thinks. */
  list(): LayerId[];

  /**
   * After a kill or a reboot, at any time, in any process: removes stages, trash and layers that
   * `isKnown` denies, each unless the process that made it lives. Cheap when there is nothing to do
   * (a few directory reads). `isKnown` answers from the store as it is at the moment of the call.
   */
  recover(isKnown: (id: LayerId) => boolean): RecoveryReport;

  /** Looks for damage: `exists` (directories there), `stat` (metadata), `digest` (content). */
  verify(layer: LayerRef, depth: "exists" | "stat" | "digest"): Finding[];
}

/** What a layer driver's `entries` gives for one object; here for plugin authors. */
export type { TreeEntry };
