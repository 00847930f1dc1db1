/**
 * Sends a directory tree to a `TreeSink` in one order for every host: names in byte order, each
 * directory before its content. Works on trees that change meanwhile.
 */
import { isErrno } from "../errors.ts";
import {
  joinRaw,
  raw,
  type RawPath,
  type TreeEntry,
  type TreeSink,
  type WhiteoutStyle,
} from "../terms.ts";
import {
  close,
  type DirName,
  type Fd,
  listDir,
  lookAt,
  O,
  openAt,
  readlinkAt,
  type Stat,
  statFd,
} from "../sys/at.ts";
import { getXattr, getXattrAt, listXattrs, listXattrsAt } from "../sys/xattr.ts";
import { isOverlayPrivate, OPAQUE_NAME, WHITEOUT_PREFIX } from "./member_path.ts";
import { isOverlayWhiteout } from "./receive_whiteouts.ts";
import { sendContent } from "./send_content.ts";

export interface WalkOptions {
  /**
   * How whiteouts stand on this disk; they become neutral entries. "remove" (default): there are
   * none, and everything is what it seems.
   */
  readonly whiteouts?: WhiteoutStyle;
  /** Asked for every path but the root before it is looked at; "skip" leaves out what is beneath too. */
  readonly filter?: (path: RawPath) => "keep" | "skip";
  /** Only these paths, with the directories above them; a directory here comes without its content. */
  readonly only?: Iterable<RawPath>;
  /** Show mount points as empty directories. */
  readonly oneFileSystem?: boolean;
  /** Send sockets as entries; default false: they are counted. */
  readonly sockets?: boolean;
}

export interface WalkNotes {
  entries: number;
  /** Sum of the sizes of the files sent, bytes. */
  bytes: number;
  /** Sockets left out. */
  sockets: number;
  /** Objects that were there when their directory was read and then not. */
  vanished: number;
  /** Files that became shorter while they were read; zeros stand for what is missing. */
  shrunk: RawPath[];
}

const OPAQUE_XATTR = raw("trusted.overlay.opaque");
const NOTHING = raw("");

/** One directory on the way down. */
interface Level {
  readonly path: RawPath;
  readonly fd: Fd;
  readonly names: readonly DirName[];
  next: number;
}

/** Walks the tree beneath `root`, a directory open for reading, which stays open. Calls `sink.end`. */
export function walkTree(root: Fd, sink: TreeSink, options: WalkOptions = {}): WalkNotes {
  return new Walk(sink, options).run(root);
}

class Walk {
  readonly #sink: TreeSink;
  readonly #options: WalkOptions;
  readonly #style: WhiteoutStyle;
  readonly #only: ReadonlyMap<RawPath, ReadonlySet<RawPath>> | null;
  readonly #notes: WalkNotes = { entries: 0, bytes: 0, sockets: 0, vanished: 0, shrunk: [] };
  /** First path of each inode that has several names. */
  readonly #inodes = new Map<string, RawPath>();
  readonly #levels: Level[] = [];
  #device = 0;
  /** O_NOATIME is refused for files of others without CAP_FOWNER. */
  #noAtime: number = O.NOATIME;

  constructor(sink: TreeSink, options: WalkOptions) {
    this.#sink = sink;
    this.#options = options;
    this.#style = options.whiteouts ?? "remove";
    this.#only = options.only === undefined ? null : childrenOf(options.only);
  }

  run(root: Fd): WalkNotes {
    const stat = statFd(root);
    this.#device = stat.dev;
    try {
      // A descriptor of our own: reading a directory moves its offset.
      const fd = openAt(root, raw("."), O.RDONLY | O.DIRECTORY);
      this.#directory(NOTHING, fd, stat);
      for (let level = this.#levels.at(-1); level !== undefined; level = this.#levels.at(-1)) {
        const child = level.names[level.next++];
        if (child !== undefined) this.#child(level, child);
        else {
          this.#levels.pop();
          close(level.fd);
        }
      }
      this.#sink.end();
    } finally {
      for (const level of this.#levels) close(level.fd);
    }
    return this.#notes;
  }

  #child(level: Level, { name, type }: DirName): void {
    const path = joinRaw(level.path, name);
    if (this.#style === "aufs" && name.startsWith(WHITEOUT_PREFIX)) {
      return this.#aufsName(level.path, name);
    }
    if (this.#options.filter?.(path) === "skip") return;
    if (type === "file" || type === "dir") return this.#openable(level.fd, name, path, type);
    const stat = lookAt(level.fd, name);
    if (stat === null) this.#notes.vanished++;
    else if (stat.type === "file" || stat.type === "dir") {
      this.#openable(level.fd, name, path, stat.type);
    } else this.#special(level.fd, name, path, stat);
  }

  #special(dir: Fd, name: RawPath, path: RawPath, stat: Stat): void {
    if (stat.type === "socket" && this.#options.sockets !== true) this.#notes.sockets++;
    else if (this.#style === "overlay" && isOverlayWhiteout(stat)) this.#whiteout(path);
    else this.#unopened(dir, name, path, stat);
  }

  /** aufs keeps whiteouts as hard links of one file: they must not reach the hard-link table. */
  #aufsName(parent: RawPath, name: RawPath): void {
    if (name === OPAQUE_NAME || name.startsWith(`${WHITEOUT_PREFIX}${WHITEOUT_PREFIX}`)) return;
    const gone = joinRaw(parent, name.slice(WHITEOUT_PREFIX.length) as RawPath);
    if (this.#options.filter?.(gone) !== "skip") this.#whiteout(gone);
  }

  #whiteout(path: RawPath): void {
    this.#send({ path, type: "whiteout", mode: 0, uid: 0, gid: 0, mtime: 0n, size: 0 });
  }

  /** What was looked at may be another thing once it is open; what is open counts. */
  #openable(dir: Fd, name: RawPath, path: RawPath, type: "file" | "dir"): void {
    const fd = this.#open(dir, name, type);
    if (fd === null) {
      this.#notes.vanished++;
      return;
    }
    let isKept = false;
    try {
      const stat = statFd(fd);
      if (stat.type === "file") this.#file(path, fd, stat);
      else if (stat.type === "dir") {
        this.#directory(path, fd, stat);
        isKept = true;
      } else this.#notes.vanished++;
    } finally {
      if (!isKept) close(fd);
    }
  }

  #open(dir: Fd, name: RawPath, type: "file" | "dir"): Fd | null {
    const flags = O.RDONLY | O.NOFOLLOW | O.NONBLOCK | (type === "dir" ? O.DIRECTORY : 0);
    try {
      return openAt(dir, name, flags | this.#noAtime);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ENXIO")) return null;
      if (this.#noAtime === 0 || !isErrno(error, "EPERM")) throw error;
      this.#noAtime = 0;
      return this.#open(dir, name, type);
    }
  }

  #file(path: RawPath, fd: Fd, stat: Stat): void {
    const first = this.#earlierName(path, stat);
    if (first !== null) return this.#send(entryOf(path, "hardlink", stat, { linkTarget: first }));
    const xattrs = xattrsOf(listXattrs(fd), (name) => getXattr(fd, name));
    this.#send({ ...entryOf(path, "file", stat, { xattrs }), size: stat.size });
    this.#notes.bytes += stat.size;
    if (stat.size > 0 && !sendContent(fd, stat, this.#sink)) this.#notes.shrunk.push(path);
  }

  #directory(path: RawPath, fd: Fd, stat: Stat): void {
    const names = listXattrs(fd);
    const xattrs = xattrsOf(names, (name) => getXattr(fd, name));
    this.#send(entryOf(path, "dir", stat, { xattrs }));
    const entersIt = stat.dev === this.#device || this.#options.oneFileSystem !== true;
    const children = entersIt ? this.#children(path, fd) : [];
    if (this.#isOpaque(fd, names, children)) {
      this.#send({ path, type: "opaque", mode: 0, uid: 0, gid: 0, mtime: 0n, size: 0 });
    }
    this.#levels.push({ path, fd, names: children, next: 0 });
  }

  #children(path: RawPath, fd: Fd): DirName[] {
    const names = listDir(fd).sort(this.#style === "aufs" ? byNeutralName : byName);
    if (this.#only === null) return names;
    const wanted = this.#only.get(path);
    if (wanted === undefined) return [];
    return names.filter(({ name }) => wanted.has(name) || this.#isWantedWhiteout(name, wanted));
  }

  #isWantedWhiteout(name: RawPath, wanted: ReadonlySet<RawPath>): boolean {
    return this.#style === "aufs" && name.startsWith(WHITEOUT_PREFIX) &&
      (name === OPAQUE_NAME || wanted.has(name.slice(WHITEOUT_PREFIX.length) as RawPath));
  }

  #isOpaque(fd: Fd, xattrs: readonly RawPath[], children: readonly DirName[]): boolean {
    if (this.#style === "aufs") return children.some((child) => child.name === OPAQUE_NAME);
    if (this.#style !== "overlay" || !xattrs.includes(OPAQUE_XATTR)) return false;
    // "x" only says that a directory has whiteouts of another kind; overlayfs.rst.
    return getXattr(fd, OPAQUE_XATTR)?.[0] === 0x79;
  }

  /** Symlinks, devices, fifos, sockets: described by name, in two calls that may see two objects. */
  #unopened(dir: Fd, name: RawPath, path: RawPath, stat: Stat): void {
    if (stat.type === "dir") return;
    const first = this.#earlierName(path, stat);
    if (first !== null) return this.#send(entryOf(path, "hardlink", stat, { linkTarget: first }));
    let entry: TreeEntry;
    try {
      const linkTarget = stat.type === "symlink" ? readlinkAt(dir, name) : undefined;
      const isDevice = stat.type === "char" || stat.type === "block";
      const device = isDevice ? { major: stat.major, minor: stat.minor } : undefined;
      const names = listXattrsAt(dir, name);
      const xattrs = xattrsOf(names, (xattr) => getXattrAt(dir, name, xattr));
      entry = entryOf(path, stat.type, stat, { linkTarget, device, xattrs });
    } catch (error) {
      if (!isErrno(error, "ENOENT", "EINVAL")) throw error;
      this.#inodes.delete(`${stat.dev}:${stat.ino}`);
      this.#notes.vanished++;
      return;
    }
    this.#send(entry);
  }

  #earlierName(path: RawPath, stat: Stat): RawPath | null {
    if (stat.nlink < 2) return null;
    const key = `${stat.dev}:${stat.ino}`;
    const first = this.#inodes.get(key);
    if (first === undefined) this.#inodes.set(key, path);
    return first ?? null;
  }

  #send(entry: TreeEntry): void {
    this.#notes.entries++;
    this.#sink.entry(entry);
  }
}

/** Order of strings is order of UTF-16 units, here bytes. */
function byName(a: DirName, b: DirName): number {
  return a.name < b.name ? -1 : 1;
}

/** A whiteout of aufs stands where the name stands that it hides, as under every other style. */
function byNeutralName(a: DirName, b: DirName): number {
  return neutralName(a.name) < neutralName(b.name) ? -1 : 1;
}

function neutralName(name: RawPath): string {
  return name.startsWith(WHITEOUT_PREFIX) ? name.slice(WHITEOUT_PREFIX.length) : name;
}

function entryOf(
  path: RawPath,
  type: TreeEntry["type"],
  stat: Stat,
  more: Pick<TreeEntry, "linkTarget" | "device" | "xattrs">,
): TreeEntry {
  const { mode, uid, gid, mtime } = stat;
  const { linkTarget, device, xattrs } = more;
  return { path, type, mode, uid, gid, mtime, size: 0, linkTarget, device, xattrs };
}

/** All attributes but overlayfs' own; undefined for none. */
function xattrsOf(
  names: readonly RawPath[],
  get: (name: RawPath) => Uint8Array | null,
): ReadonlyMap<RawPath, Uint8Array> | undefined {
  if (names.length === 0) return undefined;
  const xattrs = new Map<RawPath, Uint8Array>();
  for (const name of names) {
    const value = isOverlayPrivate(name) ? null : get(name);
    if (value !== null) xattrs.set(name, value);
  }
  return xattrs.size === 0 ? undefined : xattrs;
}

/** For each directory on the way to one of `paths`: the names in it that are wanted. */
function childrenOf(paths: Iterable<RawPath>): Map<RawPath, Set<RawPath>> {
  const children = new Map<RawPath, Set<RawPath>>();
  for (const path of paths) {
    let parent = NOTHING;
    for (const part of path === "" ? [] : path.split("/")) {
      const name = part as RawPath;
      const known = children.get(parent);
      if (known === undefined) children.set(parent, new Set([name]));
      else known.add(name);
      parent = joinRaw(parent, name);
    }
  }
  return children;
}
