/**
 * Reads a tar archive, pushed in pieces of any size, and sends its tree to a `TreeSink`. What is not
 * a plain tree beneath one root is refused with the member's name.
 */
import { CoracleError } from "../errors.ts";
import type { RawPath, TreeEntry, TreeSink } from "../terms.ts";
import {
  type AbsoluteNames,
  cleanPath,
  isOverlayPrivate,
  isReservedName,
  type PathRules,
  quoted,
  whiteoutMeaning,
} from "./member_path.ts";
import { asBuffer, badArchive, badMember, BLOCK } from "./tar_header.ts";
import type { TarRecorder } from "./recipe.ts";
import type { TarMember } from "./tar_member.ts";
import { checkedMap, LeadingMap, SparseExpander, type SparseMap } from "./tar_sparse.ts";
import { TarStream } from "./tar_stream.ts";

/** Ends for archives that would fill memory or disk; each is far beyond real trees. */
export interface TarLimits {
  readonly entries: number;
  /** Sum of the sizes of all files, holes included, bytes. */
  readonly bytes: number;
  /** One extended header, bytes. */
  readonly metaBytes: number;
  readonly pathBytes: number;
  /** Components of a path. */
  readonly depth: number;
}

export const TAR_LIMITS: TarLimits = {
  entries: 10_000_000,
  bytes: 2 ** 42,
  metaBytes: 1024 * 1024,
  pathBytes: 64 * 1024,
  depth: 1024,
};

export interface TarReadOptions {
  /** "oci": `.wh.` names become whiteout and opaque entries. "keep": they are names like others. */
  readonly whiteouts: "oci" | "keep";
  /** Default "allow"; devices 0:0, which overlayfs takes for whiteouts, are always refused. */
  readonly devices?: "allow" | "refuse";
  /** Default "refuse". */
  readonly absolute?: AbsoluteNames;
  /** Default "required"; "optional" when a digest has proven that nothing is missing. */
  readonly endMarker?: "required" | "optional";
  readonly limits?: Partial<TarLimits>;
  /** Shown every byte of the archive, in order, each either as content of a file or as another. */
  readonly recorder?: TarRecorder;
}

/** What was left out of the tree on the way. */
export interface TarNotes {
  entries: number;
  /** Sum of the sizes of all files, bytes. */
  bytes: number;
  /** Attributes `trusted.overlay.*` and `user.overlay.*`. */
  overlayXattrs: number;
  /** Members that are aufs' own files (`.wh..wh.plnk` and the like). */
  aufsFiles: number;
}

export class TarReader {
  readonly notes: TarNotes = { entries: 0, bytes: 0, overlayXattrs: 0, aufsFiles: 0 };
  readonly #sink: TreeSink;
  readonly #options: TarReadOptions;
  readonly #limits: TarLimits;
  readonly #rules: PathRules;
  readonly #stream: TarStream;
  readonly #recorder: TarRecorder | undefined;
  #passes = false;
  #leading: {
    map: LeadingMap;
    member: TarMember;
    path: RawPath;
    held: Buffer;
    length: number;
  } | null = null;
  #expander: SparseExpander | null = null;

  constructor(sink: TreeSink, options: TarReadOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#limits = { ...TAR_LIMITS, ...options.limits };
    const { pathBytes, depth } = this.#limits;
    this.#rules = { absolute: options.absolute ?? "refuse", pathBytes, depth };
    const { recorder } = options;
    this.#recorder = recorder;
    this.#stream = new TarStream({
      member: (member) => this.#member(member),
      body: (bytes) => this.#body(bytes),
      bodyEnd: () => this.#bodyEnd(),
    }, {
      metaBytes: this.#limits.metaBytes,
      endMarker: options.endMarker ?? "required",
      ...(recorder === undefined ? {} : { onRaw: (bytes: Uint8Array) => recorder.raw(bytes) }),
    });
  }

  /** The next bytes of the archive. Throws `corrupt`, `denied`, or what the sink throws. */
  push(bytes: Uint8Array): void {
    this.#stream.push(bytes);
  }

  /** Has the end marker been read? What follows is ignored. */
  get isDone(): boolean {
    return this.#stream.isDone;
  }

  /** The archive ends here: throws `corrupt` when it is cut off, else ends the sink. */
  end(): void {
    this.#stream.end();
    this.#sink.end();
  }

  #member(member: TarMember): void {
    this.#passes = false;
    this.#expander = this.#leading = null;
    if (member.type === "label") return;
    if (++this.notes.entries > this.#limits.entries) {
      throw badArchive(`it has more than ${this.#limits.entries} members`);
    }
    const path = cleanPath(member.name, member.name, this.#rules);
    if (this.#options.whiteouts === "oci" && isReservedName(path)) this.#whiteout(path);
    else this.#entry(path, member);
  }

  #whiteout(path: RawPath): void {
    const meaning = whiteoutMeaning(path);
    if (meaning.kind === "aufs") this.notes.aufsFiles++;
    else {
      const none = { mode: 0, uid: 0, gid: 0, mtime: 0n, size: 0 };
      this.#sink.entry({ path: meaning.path, type: meaning.kind, ...none });
    }
  }

  #entry(path: RawPath, member: TarMember): void {
    if (path === "" && member.type !== "dir") {
      throw badMember(member.name, `it names the root but is a ${member.type}`);
    }
    const size = member.sparse?.size ?? member.size;
    this.notes.bytes += size;
    if (this.notes.bytes > this.#limits.bytes) {
      throw badMember(path, `with it the files have more than ${this.#limits.bytes} bytes`);
    }
    this.#sink.entry(this.#treeEntry(path, member, size));
    if (member.sparse === undefined) {
      this.#passes = size > 0;
      if (size > 0) this.#recorder?.file({ path, size, extents: null });
    } else this.#startSparse(member, path);
  }

  #treeEntry(path: RawPath, member: TarMember, size: number): TreeEntry {
    const { mode, uid, gid, mtime } = member;
    const xattrs = member.xattrs === undefined ? undefined : this.#xattrs(member.xattrs);
    const type = member.type as TreeEntry["type"];
    switch (type) {
      case "symlink":
      case "hardlink": {
        const linkTarget = this.#linkTarget(path, member);
        return { path, type, mode, uid, gid, mtime, size, linkTarget, xattrs };
      }
      case "char":
      case "block": {
        const device = this.#device(path, member);
        return { path, type, mode, uid, gid, mtime, size, device, xattrs };
      }
      default:
        return { path, type, mode, uid, gid, mtime, size, xattrs };
    }
  }

  #linkTarget(path: RawPath, member: TarMember): RawPath {
    const target = member.linkName;
    if (member.type === "hardlink") {
      const clean = cleanPath(target, member.name, this.#rules);
      if (clean === path || clean === "") {
        throw badMember(path, `it is a hard link to ${quoted(target)}`);
      }
      if (this.#options.whiteouts === "oci" && isReservedName(clean)) {
        throw badMember(path, `it is a hard link to ${quoted(target)}, a name of a whiteout`);
      }
      return clean;
    }
    if (target === "" || target.includes("\0")) {
      throw badMember(path, "it is a symbolic link that points nowhere");
    }
    return target;
  }

  #device(path: RawPath, member: TarMember): { major: number; minor: number } {
    const { major, minor } = member;
    const numbers = `${member.type} device ${major}:${minor}`;
    if (this.#options.devices === "refuse" || (member.type === "char" && major + minor === 0)) {
      throw new CoracleError("denied", `cannot take over archive member ${quoted(path)}`, {
        why: `it is the ${numbers}, which is not allowed here`,
      });
    }
    return { major, minor };
  }

  #xattrs(
    given: ReadonlyMap<RawPath, Uint8Array>,
  ): ReadonlyMap<RawPath, Uint8Array> | undefined {
    const kept = new Map<RawPath, Uint8Array>();
    for (const [name, value] of given) {
      if (isOverlayPrivate(name)) this.notes.overlayXattrs++;
      else kept.set(name, value);
    }
    return kept.size === 0 ? undefined : kept;
  }

  #startSparse(member: TarMember, path: RawPath): void {
    if (member.sparse === undefined) return;
    const { size, extents } = member.sparse;
    if (extents !== "leading") this.#expand(path, { size, extents });
    else {
      const map = new LeadingMap(member.name);
      this.#leading = { map, member, path, held: Buffer.alloc(BLOCK), length: 0 };
    }
  }

  #expand(path: RawPath, map: SparseMap): void {
    this.#expander = new SparseExpander(this.#sink, map);
    this.#recorder?.file({ path, size: map.size, extents: map.extents });
  }

  #body(bytes: Uint8Array): void {
    if (this.#passes) {
      this.#recorder?.body(bytes);
      this.#sink.write(bytes);
    } else if (this.#expander !== null) this.#data(this.#expander, bytes);
    else if (this.#leading !== null) this.#leadingBody(bytes);
    else this.#recorder?.raw(bytes);
  }

  #data(expander: SparseExpander, bytes: Uint8Array): void {
    this.#recorder?.body(bytes);
    expander.write(bytes);
  }

  /** Gathers whole blocks for the map; the rest of the bytes is data. */
  #leadingBody(bytes: Uint8Array): void {
    const leading = this.#leading;
    let at = 0;
    while (leading !== null && this.#expander === null && at < bytes.length) {
      const length = Math.min(BLOCK - leading.length, bytes.length - at);
      this.#recorder?.raw(bytes.subarray(at, at + length));
      asBuffer(bytes).copy(leading.held, leading.length, at, at + length);
      leading.length += length;
      at += length;
      if (leading.length < BLOCK) return;
      leading.length = 0;
      const extents = leading.map.block(leading.held);
      if (extents === null) continue;
      const { member, path, map } = leading;
      const found = { size: member.sparse?.size ?? 0, extents };
      this.#expand(path, checkedMap(member.name, found, member.size - map.taken));
    }
    if (at < bytes.length && this.#expander !== null) {
      this.#data(this.#expander, bytes.subarray(at));
    }
  }

  #bodyEnd(): void {
    if (this.#leading !== null && this.#expander === null) {
      throw badMember(this.#leading.member.name, "its map of holes is cut off");
    }
    if (this.#passes || this.#expander !== null) this.#recorder?.fileEnd();
    this.#passes = false;
    this.#expander = this.#leading = null;
  }
}
