/**
 * Writes a tree beneath a directory descriptor. Nothing in the tree, and no order of its entries, can
 * reach outside: see `DirChain`. When it throws, the caller throws the directory away.
 */
import { CoracleError, isErrno, SysError } from "../errors.ts";
import {
  joinRaw,
  type RawPath,
  type TreeEntry,
  type TreeSink,
  type WhiteoutStyle,
} from "../terms.ts";
import {
  chmodAt,
  chmodFd,
  chownAt,
  chownFd,
  close,
  type Fd,
  linkAt,
  lookAt,
  mkdirAt,
  mknodAt,
  O,
  openAt,
  symlinkAt,
  truncate,
  utimeAt,
  utimeFd,
  write,
} from "../sys/at.ts";
import { AttributeWriter } from "./attributes.ts";
import { type ChainPlace, DirChain } from "./dir_chain.ts";
import { HOLE, writeSparse } from "./holes.ts";
import { baseOf, parentOf, quoted } from "./member_path.ts";
import { isOverlayWhiteout, WhiteoutWriter } from "./receive_whiteouts.ts";
import { removeAt } from "./remove_at.ts";

/** What a directory gets that no entry describes. */
export type DirectoryAttributes = Pick<TreeEntry, "mode" | "uid" | "gid" | "mtime" | "xattrs">;

export interface ReceiveOptions {
  /** How whiteouts are written. */
  readonly whiteouts: WhiteoutStyle;
  /** Default true; false: a device is `denied`. */
  readonly devices?: boolean;
  /** "mine": everything belongs to the caller. Default "keep". */
  readonly owners?: "keep" | "mine";
  /** Default "make". */
  readonly sockets?: "make" | "skip";
  /**
   * "required": an attribute that the file system cannot hold is an error. Default "possible": only
   * file capabilities are, the rest is counted in `notes`.
   */
  readonly xattrs?: "required" | "possible";
  /**
   * Attributes of a parent directory without an entry, e.g. those it has in the layer below; null
   * for the default: mode 0755, owner 0:0, time 0.
   */
  readonly missingParent?: (path: RawPath) => DirectoryAttributes | null;
  /** Follow mounts beneath the root. Default false: they are an error. */
  readonly crossMounts?: boolean;
}

export interface ReceiveNotes {
  sockets: number;
  /** Attributes the file system could not hold. */
  xattrs: number;
}

const PLAIN: DirectoryAttributes = { mode: 0o755, uid: 0, gid: 0, mtime: 0n };
const NOWHERE = "" as RawPath;
const NEW_FILE = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW;

interface OpenFile {
  readonly fd: Fd;
  readonly entry: TreeEntry;
  /** Where the next bytes go. */
  at: number;
  /** End of the data written; what follows is a hole. */
  dataEnd: number;
}

export class TreeReceiver implements TreeSink {
  readonly notes: ReceiveNotes = { sockets: 0, xattrs: 0 };
  readonly #options: ReceiveOptions;
  readonly #keepsOwners: boolean;
  readonly #chain: DirChain;
  readonly #links: DirChain;
  readonly #whiteouts: WhiteoutWriter;
  readonly #attributes: AttributeWriter;
  /** Attributes of directories, set in `end`; by path without links. */
  readonly #directories = new Map<RawPath, DirectoryAttributes>();
  #file: OpenFile | null = null;
  /** The hard link being made, for messages. */
  #link: TreeEntry | null = null;
  /** A whiteout under "remove" makes no parents: what is not there need not go. */
  #makesParents = true;

  /** `root` must be open for reading (not O_PATH) and stays open. */
  constructor(root: Fd, options: ReceiveOptions) {
    this.#options = options;
    this.#keepsOwners = options.owners !== "mine";
    const { crossMounts } = options;
    this.#chain = new DirChain(root, {
      crossMounts,
      missing: (parent, name, found) => this.#makeParent(parent, name, found),
    });
    this.#links = new DirChain(root, { crossMounts, missing: () => this.#noTarget() });
    this.#whiteouts = new WhiteoutWriter(options.whiteouts);
    this.#attributes = new AttributeWriter(options.xattrs === "required", this.notes);
  }

  entry(entry: TreeEntry): void {
    try {
      if (this.#file !== null) {
        throw new Error(`file ${quoted(this.#file.entry.path)} is not whole`);
      }
      this.#make(entry);
    } catch (error) {
      this.close();
      throw unpackError(entry.path, error);
    }
  }

  write(bytes: Uint8Array): void {
    const file = this.#file;
    if (file === null) throw new Error("content without a file");
    try {
      this.#content(file, bytes);
    } catch (error) {
      this.close();
      throw unpackError(file.entry.path, error);
    }
  }

  /** Sets what directories get last, because work in them changes their times. */
  end(): void {
    let path = "" as RawPath;
    try {
      if (this.#file !== null) {
        throw new Error(`file ${quoted(this.#file.entry.path)} is not whole`);
      }
      const paths = [...this.#directories.keys()].sort();
      // Children first where their parents may become closed to us; root goes the shorter way.
      if (!this.#keepsOwners) paths.reverse();
      for (path of paths) this.#finishDirectory(path, this.#directories.get(path) ?? PLAIN);
    } catch (error) {
      throw unpackError(path, error);
    } finally {
      this.close();
    }
  }

  /** Closes what is open; needed only when the source stops early. Quiet when repeated. */
  close(): void {
    if (this.#file !== null) close(this.#file.fd);
    this.#file = null;
    this.#chain.close();
    this.#links.close();
  }

  #make(entry: TreeEntry): void {
    if (entry.type === "opaque") return this.#opaque(entry.path);
    if (entry.type === "whiteout") return this.#whiteout(entry.path);
    if (entry.path === "") {
      this.#directories.set(entry.path, entry);
      return;
    }
    const parent = this.#chain.enter(parentOf(entry.path));
    const name = baseOf(entry.path);
    if (this.#whiteouts.isHidden(parent, name)) this.#replaceHidden(parent, name, entry);
    switch (entry.type) {
      case "file":
        return this.#startFile(parent, name, entry);
      case "dir":
        return this.#makeDirectory(parent, name, entry);
      case "symlink":
        this.#create(parent, name, () => symlinkAt(target(entry), parent.fd, name));
        return this.#finishAt(parent, name, entry);
      case "hardlink":
        return this.#hardLink(parent, name, entry);
      default:
        return this.#makeNode(parent, name, entry);
    }
  }

  /** aufs: the whiteout beside the name goes; a directory hides what it hid. */
  #replaceHidden(parent: ChainPlace, name: RawPath, entry: TreeEntry): void {
    this.#whiteouts.reveal(parent, name, null);
    if (entry.type !== "dir") return;
    mkdirAt(parent.fd, name, 0o700);
    this.#whiteouts.hide(parent, name);
  }

  /** Makes something new; what is there already is replaced. */
  #create<T>(parent: ChainPlace, name: RawPath, make: () => T): T {
    let made: T;
    try {
      made = make();
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      const real = joinRaw(parent.real, name);
      this.#links.close();
      this.#forget(real);
      removeAt(parent.fd, name);
      made = make();
    }
    this.#whiteouts.made(joinRaw(parent.real, name));
    return made;
  }

  /** A directory is replaced: nothing beneath it is there any more. */
  #forget(path: RawPath): void {
    if (!this.#directories.delete(path)) return;
    for (const other of this.#directories.keys()) {
      if (other.startsWith(`${path}/`)) this.#directories.delete(other);
    }
  }

  #startFile(parent: ChainPlace, name: RawPath, entry: TreeEntry): void {
    const fd = this.#create(parent, name, () => openAt(parent.fd, name, NEW_FILE, 0o600));
    this.#file = { fd, entry, at: 0, dataEnd: 0 };
    if (entry.size === 0) this.#finishFile(this.#file);
  }

  #content(file: OpenFile, bytes: Uint8Array): void {
    const { size } = file.entry;
    const end = file.at + bytes.length;
    if (end > size) throw new Error(`file ${quoted(file.entry.path)} is longer than announced`);
    if (size < HOLE) {
      write(file.fd, bytes);
      file.dataEnd = end;
    } else file.dataEnd = Math.max(file.dataEnd, writeSparse(file.fd, bytes, file.at));
    file.at = end;
    if (end === size) this.#finishFile(file);
  }

  /** chown takes away set-id bits and capabilities, so it comes first; times come last. */
  #finishFile({ fd, entry, dataEnd }: OpenFile): void {
    if (dataEnd < entry.size) truncate(fd, entry.size);
    if (this.#keepsOwners) chownFd(fd, entry.uid, entry.gid);
    chmodFd(fd, entry.mode);
    if (entry.xattrs !== undefined) this.#attributes.onFile(fd, entry.xattrs);
    utimeFd(fd, entry.mtime);
    this.#file = null;
    close(fd);
  }

  #makeDirectory(parent: ChainPlace, name: RawPath, entry: TreeEntry): void {
    const real = joinRaw(parent.real, name);
    try {
      mkdirAt(parent.fd, name, 0o700);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      this.#makeDirectoryOver(parent, name);
    }
    this.#whiteouts.made(real);
    this.#directories.set(real, entry);
  }

  /** A directory stays and takes the entry's attributes; anything else, links too, is replaced. */
  #makeDirectoryOver(parent: ChainPlace, name: RawPath): void {
    const found = lookAt(parent.fd, name);
    if (found?.type === "dir") return;
    const wasHidden = this.#whiteouts.reveal(parent, name, found);
    this.#links.close();
    if (!wasHidden) removeAt(parent.fd, name);
    mkdirAt(parent.fd, name, 0o700);
    if (wasHidden) this.#whiteouts.hide(parent, name);
  }

  #makeParent(parent: ChainPlace, name: RawPath, found: "nothing" | "other"): void {
    if (!this.#makesParents) throw new NothingThere();
    const real = joinRaw(parent.real, name);
    if (found === "other" && !isOverlayWhiteout(lookAt(parent.fd, name))) {
      throw new CoracleError("corrupt", `cannot unpack into ${quoted(real)}`, {
        why: "it is not a directory",
      });
    }
    if (this.#whiteouts.isHidden(parent, name)) {
      this.#replaceHidden(parent, name, { ...PLAIN, path: real, type: "dir", size: 0 });
    } else if (found === "other") this.#makeDirectoryOver(parent, name);
    else mkdirAt(parent.fd, name, 0o700);
    this.#whiteouts.made(real);
    this.#directories.set(real, this.#options.missingParent?.(real) ?? PLAIN);
  }

  #hardLink(parent: ChainPlace, name: RawPath, entry: TreeEntry): void {
    this.#link = entry;
    const path = target(entry);
    const from = this.#links.enter(parentOf(path));
    const found = lookAt(from.fd, baseOf(path));
    const isWhiteout = this.#whiteouts.style === "overlay" && isOverlayWhiteout(found);
    if (found === null || isWhiteout) this.#noTarget();
    if (found?.type === "dir") this.#noTarget("is a directory");
    // Entered again: what is replaced may be a directory on the way, and closes the way.
    this.#create(parent, name, () => {
      linkAt(this.#links.enter(parentOf(path)).fd, baseOf(path), parent.fd, name);
    });
  }

  #noTarget(why = "is not there"): never {
    const { path, linkTarget } = this.#link ?? {};
    throw new CoracleError("corrupt", `cannot make hard link ${quoted(path ?? NOWHERE)}`, {
      why: `it names ${quoted(linkTarget ?? NOWHERE)}, which ${why}`,
    });
  }

  #makeNode(parent: ChainPlace, name: RawPath, entry: TreeEntry): void {
    const { type, device } = entry;
    if (type !== "fifo" && type !== "char" && type !== "block" && type !== "socket") return;
    if (type === "socket" && this.#options.sockets === "skip") {
      this.notes.sockets++;
      return;
    }
    if (device !== undefined) this.#checkDevice(entry, device);
    this.#create(parent, name, () => mknodAt(parent.fd, name, type, 0o600, device));
    this.#finishAt(parent, name, entry);
  }

  #checkDevice(entry: TreeEntry, device: { readonly major: number; readonly minor: number }): void {
    const isWhiteout = entry.type === "char" && device.major === 0 && device.minor === 0;
    if (this.#options.devices !== false && !isWhiteout) return;
    throw new CoracleError("denied", `cannot unpack ${quoted(entry.path)}`, {
      why:
        `it is the ${entry.type} device ${device.major}:${device.minor}, which is not allowed here`,
    });
  }

  /** Attributes of what cannot be opened without effects. */
  #finishAt(parent: ChainPlace, name: RawPath, entry: TreeEntry): void {
    if (this.#keepsOwners) chownAt(parent.fd, name, entry.uid, entry.gid);
    if (entry.type !== "symlink") chmodAt(parent.fd, name, entry.mode);
    if (entry.xattrs !== undefined) this.#attributes.onName(parent.fd, name, entry.xattrs);
    utimeAt(parent.fd, name, entry.mtime);
  }

  #finishDirectory(path: RawPath, attributes: DirectoryAttributes): void {
    const { fd } = this.#chain.enter(path);
    if (this.#keepsOwners) chownFd(fd, attributes.uid, attributes.gid);
    chmodFd(fd, attributes.mode);
    this.#attributes.onDirectory(fd, attributes.xattrs);
    utimeFd(fd, attributes.mtime);
  }

  #opaque(path: RawPath): void {
    const place = this.#chain.enter(path);
    this.#whiteouts.opaque(place);
  }

  #whiteout(path: RawPath): void {
    if (path === "") throw new CoracleError("corrupt", "cannot remove the root of a layer");
    this.#makesParents = this.#whiteouts.style !== "remove";
    try {
      const parent = this.#chain.enter(parentOf(path));
      this.#links.close();
      this.#whiteouts.hide(parent, baseOf(path));
    } catch (error) {
      if (!(error instanceof NothingThere)) throw error;
    } finally {
      this.#makesParents = true;
    }
  }
}

/** The parent of a whiteout is not there; never leaves this file. */
class NothingThere extends Error {}

function target(entry: TreeEntry): RawPath {
  if (entry.linkTarget === undefined) throw new Error(`${quoted(entry.path)} has no link target`);
  return entry.linkTarget;
}

/** Kernel errors name a call; the user needs the member. */
function unpackError(path: RawPath, error: unknown): unknown {
  if (!(error instanceof SysError)) return error;
  return new CoracleError(error.code, `cannot unpack ${quoted(path)}`, {
    why: error.why,
    cause: error,
  });
}
