/**
 * Turns objects on disk into `TreeEntry`s with their content: what every driver's `entries` does at
 * the end, whichever way it found the object. Finds hard links, leaves out sockets and the
 * attributes that belong to union file systems.
 */
import { isErrno } from "../../core/errors.ts";
import { isOverlayPrivate } from "../../core/archive/member_path.ts";
import { sendContent } from "../../core/archive/send_content.ts";
import { close, type Fd, O, openAt, read, readlinkAt, type Stat } from "../../core/sys/at.ts";
import { getXattr, getXattrAt, listXattrs, listXattrsAt } from "../../core/sys/xattr.ts";
import type { EntryType, RawPath, TreeSink } from "../../core/terms.ts";

export type Xattrs = ReadonlyMap<RawPath, Uint8Array>;

/** For comparing; files that look the same but were opened for writing are few. */
const CHUNK = 64 * 1024;

/**
 * Attributes of the union file systems and of the host's policy: they describe how the layer is
 * kept here, and another engine that obeyed them would show another tree. Kernels from 6.7 on
 * escape the container's own as `trusted.overlay.overlay.`; those go too, as older kernels refuse
 * to set them at all.
 */
export function isPrivateXattr(name: RawPath): boolean {
  // xfs shows its access lists a second time under names of its own.
  return isOverlayPrivate(name) || name === "security.selinux" ||
    name.startsWith("trusted.SGI_ACL_");
}

/** The attributes of an open file or directory that belong to the tree; undefined when none. */
export function xattrsOf(fd: Fd): Xattrs | undefined {
  const names = listXattrs(fd);
  return names.length === 0 ? undefined : collect(names, (name) => getXattr(fd, name));
}

/** The same for what cannot be opened: symlinks, devices, fifos. */
export function xattrsAt(dir: Fd, name: RawPath): Xattrs | undefined {
  const names = listXattrsAt(dir, name);
  return names.length === 0 ? undefined : collect(names, (key) => getXattrAt(dir, name, key));
}

function collect(
  names: readonly RawPath[],
  get: (name: RawPath) => Uint8Array | null,
): Xattrs | undefined {
  const found = new Map<RawPath, Uint8Array>();
  for (const name of [...names].sort()) {
    if (isPrivateXattr(name)) continue;
    const value = get(name);
    if (value !== null) found.set(name, value);
  }
  return found.size === 0 ? undefined : found;
}

/** The container runs: what was listed a moment ago is gone, or something else by now. */
export function hasVanished(error: unknown): boolean {
  return isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ESTALE", "ENXIO", "EINVAL");
}

/** Sends objects of one tree, in the order it is told, and remembers what hard links need. */
export class Sender {
  readonly sockets: RawPath[] = [];
  readonly #sink: TreeSink;
  /** First path of each inode with several names, by device and inode. */
  readonly #firstNames = new Map<string, RawPath>();

  constructor(sink: TreeSink) {
    this.#sink = sink;
  }

  /** A directory that is open already. */
  directory(fd: Fd, path: RawPath, stat: Stat): void {
    this.#entry("dir", path, stat, { xattrs: xattrsOf(fd) });
  }

  whiteout(path: RawPath): void {
    this.#mark("whiteout", path);
  }

  opaque(path: RawPath): void {
    this.#mark("opaque", path);
  }

  /** Anything but a directory; false when it is a socket or has vanished. */
  object(dir: Fd, name: RawPath, path: RawPath, stat: Stat): boolean {
    if (stat.type === "socket") {
      this.sockets.push(path);
      return false;
    }
    if (stat.nlink > 1 && this.#hardlink(path, stat)) return true;
    try {
      if (stat.type === "file") this.#file(dir, name, path, stat);
      else this.#special(dir, name, path, stat);
    } catch (error) {
      if (hasVanished(error)) return false;
      throw error;
    }
    if (stat.nlink > 1) this.#firstNames.set(`${stat.dev}:${stat.ino}`, path);
    return true;
  }

  end(): void {
    this.#sink.end();
  }

  #hardlink(path: RawPath, stat: Stat): boolean {
    const linkTarget = this.#firstNames.get(`${stat.dev}:${stat.ino}`);
    if (linkTarget === undefined) return false;
    this.#entry("hardlink", path, stat, { linkTarget });
    return true;
  }

  #file(dir: Fd, name: RawPath, path: RawPath, stat: Stat): void {
    const fd = openAt(dir, name, O.RDONLY | O.NOFOLLOW | O.NONBLOCK);
    try {
      this.#entry("file", path, stat, { xattrs: xattrsOf(fd), size: stat.size });
      sendContent(fd, stat, this.#sink);
    } finally {
      close(fd);
    }
  }

  #special(dir: Fd, name: RawPath, path: RawPath, stat: Stat): void {
    const xattrs = xattrsAt(dir, name);
    if (stat.type === "symlink") {
      this.#entry("symlink", path, stat, { xattrs, linkTarget: readlinkAt(dir, name) });
    } else if (stat.type === "fifo") {
      this.#entry("fifo", path, stat, { xattrs });
    } else {
      const device = { major: stat.major, minor: stat.minor };
      this.#entry(stat.type as EntryType, path, stat, { xattrs, device });
    }
  }

  #entry(
    type: EntryType,
    path: RawPath,
    stat: Stat,
    more: {
      xattrs?: Xattrs | undefined;
      linkTarget?: RawPath;
      device?: { major: number; minor: number };
      size?: number;
    },
  ): void {
    this.#sink.entry({
      path,
      type,
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      mtime: stat.mtime,
      size: more.size ?? 0,
      ...(more.linkTarget === undefined ? {} : { linkTarget: more.linkTarget }),
      ...(more.device === undefined ? {} : { device: more.device }),
      ...(more.xattrs === undefined ? {} : { xattrs: more.xattrs }),
    });
  }

  #mark(type: "whiteout" | "opaque", path: RawPath): void {
    this.#sink.entry({ path, type, mode: 0, uid: 0, gid: 0, mtime: 0n, size: 0 });
  }
}

/** True when two objects look the same from inside: metadata, attributes and content. */
export function looksSame(a: Place, b: Place): boolean {
  try {
    return sameMetadata(a.stat, b.stat) && sameInside(a, b);
  } catch (error) {
    if (hasVanished(error)) return false;
    throw error;
  }
}

function sameInside(a: Place, b: Place): boolean {
  switch (a.stat.type) {
    case "file":
      return sameFile(a, b);
    case "symlink":
      return readlinkAt(a.dir, a.name) === readlinkAt(b.dir, b.name) &&
        sameXattrs(xattrsAt(a.dir, a.name), xattrsAt(b.dir, b.name));
    case "dir":
      return withOpen(a, b, O.DIRECTORY, (x, y) => sameXattrs(xattrsOf(x), xattrsOf(y)));
    default:
      return sameXattrs(xattrsAt(a.dir, a.name), xattrsAt(b.dir, b.name));
  }
}

/** An object by its directory and name. */
export interface Place {
  readonly dir: Fd;
  readonly name: RawPath;
  readonly stat: Stat;
}

function sameMetadata(a: Stat, b: Stat): boolean {
  return a.type === b.type && a.mode === b.mode && a.uid === b.uid && a.gid === b.gid &&
    a.mtime === b.mtime && (a.type === "dir" || a.size === b.size) &&
    (a.type !== "char" && a.type !== "block" || a.major === b.major && a.minor === b.minor);
}

export function sameXattrs(a: Xattrs | undefined, b: Xattrs | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.size !== b.size) return false;
  for (const [name, value] of a) {
    const other = b.get(name);
    if (other === undefined || Buffer.compare(value, other) !== 0) return false;
  }
  return true;
}

function sameFile(a: Place, b: Place): boolean {
  return withOpen(
    a,
    b,
    O.NONBLOCK,
    (x, y) => sameXattrs(xattrsOf(x), xattrsOf(y)) && sameContent(x, y),
  );
}

function withOpen(a: Place, b: Place, flags: number, ask: (x: Fd, y: Fd) => boolean): boolean {
  const x = openAt(a.dir, a.name, O.RDONLY | O.NOFOLLOW | flags);
  try {
    const y = openAt(b.dir, b.name, O.RDONLY | O.NOFOLLOW | flags);
    try {
      return ask(x, y);
    } finally {
      close(y);
    }
  } finally {
    close(x);
  }
}

/** Both are regular files of one size; regular files give short reads only at their end. */
function sameContent(x: Fd, y: Fd): boolean {
  const left = new Uint8Array(new ArrayBuffer(CHUNK));
  const right = new Uint8Array(new ArrayBuffer(CHUNK));
  for (;;) {
    const got = read(x, left);
    if (read(y, right) !== got) return false;
    if (got === 0) return true;
    if (Buffer.compare(left.subarray(0, got), right.subarray(0, got)) !== 0) return false;
  }
}
