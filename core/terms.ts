/**
 * The dictionary: every noun that more than one room uses, defined once. Types only, plus the few
 * one-line conversions that make the branded strings.
 */

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** `sha256:` and 64 hex digits: the digest of bytes as they are stored. OCI image-spec, descriptor. */
export type Digest = Branded<"Digest">;
/** Digest of a layer's uncompressed tar. OCI image-spec, config, `rootfs.diff_ids`. */
export type DiffId = Branded<"DiffId">;
/** Digest that names a layer together with all layers below it. OCI image-spec, config, "Layer ChainID". */
export type ChainId = Branded<"ChainId">;
/** 64 hex digits: digest of the image's config, without the algorithm. */
export type ImageId = Branded<"ImageId">;
/** 64 random hex digits. */
export type ContainerId = Branded<"ContainerId">;
/** 26 characters of [a-z0-9], made by the layer store, never user text, safe in mount options. */
export type LayerId = Branded<"LayerId">;

/**
 * A path or file name as the kernel has it: bytes, held in a string with one UTF-16 unit (0-255)
 * per byte, so that names that are not UTF-8 survive, comparison is byte order, and the text can be
 * a Map key. Made by `raw` (from UTF-8 text) and read back by `text`. Never mix it with plain text.
 */
export type RawPath = Branded<"RawPath">;

// deno-lint-ignore no-control-regex
const ASCII = /^[\x01-\x7f]*$/;

/** Text (UTF-16 in JS, UTF-8 in the kernel) to kernel bytes. */
export function raw(path: string): RawPath {
  return (ASCII.test(path) ? path : Buffer.from(path, "utf8").toString("latin1")) as RawPath;
}

/** Kernel bytes to text for people and JSON; bytes that are not UTF-8 become U+FFFD. */
export function text(path: RawPath): string {
  return ASCII.test(path) ? path : Buffer.from(path, "latin1").toString("utf8");
}

/** `parent` and `name` with a slash between, where `parent` may be empty. */
export function joinRaw(parent: RawPath, name: RawPath): RawPath {
  return (parent === "" ? name : `${parent}/${name}`) as RawPath;
}

export type EntryType =
  | "file"
  | "dir"
  | "symlink"
  | "hardlink"
  | "fifo"
  | "char"
  | "block"
  | "socket"
  | "whiteout"
  | "opaque";

/**
 * One object of a file tree, in the neutral form that tar, layers, snapshots and backups share.
 * A `whiteout` says that `path` of the layers below is gone; `opaque` says that the directory
 * `path` shows nothing of the layers below (its own `dir` entry comes before it).
 */
export interface TreeEntry {
  /** Relative to the tree's root; no leading or trailing slash, no `.` or `..`; "" is the root itself. */
  readonly path: RawPath;
  readonly type: EntryType;
  /** Permission bits with set-id and sticky, 0-0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Modification time in nanoseconds since 1970, may be negative. */
  readonly mtime: bigint;
  /** Bytes of content; 0 for everything but `file`. */
  readonly size: number;
  /** Symlink: the text of the link. Hard link: `path` of the earlier entry with the same inode. */
  readonly linkTarget?: RawPath;
  /** Device numbers of `char` and `block`. */
  readonly device?: { readonly major: number; readonly minor: number };
  /** Extended attributes, full names (`user.x`, `security.capability`, …), raw. */
  readonly xattrs?: ReadonlyMap<RawPath, Uint8Array>;
}

/**
 * Where a tree is sent, one entry after the other, parents before children, hard links after the
 * file they name. After a `file` entry exactly `size` bytes follow in `write` calls. Everything is
 * synchronous: a sink that throws stops the source.
 */
export interface TreeSink {
  entry(entry: TreeEntry): void;
  /** The next bytes of the file announced last; the sink must not keep `bytes` after it returns. */
  write(bytes: Uint8Array): void;
  /** The tree is whole. Times of directories are set here. */
  end(): void;
}

/** Where plain bytes are sent; must not keep `bytes` after it returns. */
export interface ByteSink {
  write(bytes: Uint8Array): void;
}

/** How "this is deleted" is written inside a directory on disk; `remove` is real absence. */
export type WhiteoutStyle = "overlay" | "aufs" | "remove";

/** One line of `diff`: what happened to a path of the layers below. `path` has no leading slash. */
export interface Change {
  readonly kind: "add" | "modify" | "delete";
  readonly path: RawPath;
}

/** One mount(2), as data; `core/sys/mount.ts` performs it. */
export interface Mount {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  /** mount(8) words (`ro`, `nosuid`, `bind`, …) and the file system's own options. */
  readonly options: readonly string[];
}

/** Space of one layer. */
export interface Usage {
  /** Sum of file sizes, an inode counted once, bytes. */
  readonly bytes: number;
  /** Sum of allocated blocks, bytes. */
  readonly allocated: number;
  readonly inodes: number;
}

/** What a driver found on this host. */
export interface Probe {
  readonly usable: boolean;
  /** One sentence a user can act on when not usable; a short note (version, path) when usable. */
  readonly reason: string;
  /** What was found, for `coracle drivers` and `info`. */
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
}

/** A container's state as derived from the record, the runtime, the exit file and the boot id. */
export type State =
  | "configured"
  | "created"
  | "running"
  | "paused"
  | "stopped"
  | "exited"
  | "removing"
  | "unknown";

/** OCI descriptor. image-spec, descriptor.md. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: {
    readonly architecture: string;
    readonly os: string;
    readonly variant?: string;
  };
}

/** OCI image manifest or Docker schema 2 manifest. image-spec, manifest.md. */
export interface Manifest {
  readonly schemaVersion: 2;
  readonly mediaType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly annotations?: Readonly<Record<string, string>>;
}

/** OCI image configuration with Docker's additions. image-spec, config.md. */
export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture?: string;
  readonly os?: string;
  readonly variant?: string;
  readonly comment?: string;
  readonly config?: ImageRunConfig;
  readonly rootfs: { readonly type: "layers"; readonly diff_ids: readonly DiffId[] };
  readonly history?: readonly ImageHistory[];
}

/** What an image says about how to run it. image-spec, config.md, "config". */
export interface ImageRunConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, unknown>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
  readonly Healthcheck?: {
    readonly Test?: readonly string[];
    readonly Interval?: number;
    readonly Timeout?: number;
    readonly StartPeriod?: number;
    readonly Retries?: number;
  };
}

export interface ImageHistory {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}
