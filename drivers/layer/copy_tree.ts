/**
 * Whole trees made from others: a flat tree of hard links to the files of several deltas, and a clone
 * of a flat tree whose files share blocks where the file system can.
 */
import { isErrno } from "../../core/errors.ts";
import {
  chmodAt,
  chmodFd,
  chownAt,
  chownFd,
  close,
  type Fd,
  linkAt,
  listDir,
  mkdirAt,
  mknodAt,
  O,
  openAt,
  readlinkAt,
  type Stat,
  statAt,
  statFd,
  symlinkAt,
  utimeAt,
  utimeFd,
} from "../../core/sys/at.ts";
import { copyFile } from "../../core/sys/copy.ts";
import { setXattr, setXattrAt } from "../../core/sys/xattr.ts";
import { joinRaw, raw, type RawPath, type TreeEntry } from "../../core/terms.ts";
import type { DeltaVisitor } from "./delta.ts";
import { type Xattrs, xattrsAt, xattrsOf } from "./sender.ts";

const DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW;
const NEW_FILE = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW;

/** A visitor that builds a tree, and the end of the building. */
export interface TreeLinker extends DeltaVisitor {
  /** Deletions it was shown, in order. */
  readonly deletions: TreeEntry[];
  /** Finishes the directories that are still open. */
  close(): void;
}

/**
 * Builds under `to` what it is shown. Files are hard links: the trees of layers never change, so one
 * inode can stand in all that show it.
 */
export function linkInto(to: Fd): TreeLinker {
  const directories = new OpenDirectories(to);
  const deletions: TreeEntry[] = [];
  const mark = (type: "whiteout" | "opaque") => (path: RawPath) => {
    deletions.push({ path, type, mode: 0, uid: 0, gid: 0, mtime: 0n, size: 0 });
  };
  return {
    deletions,
    directory(fd, path, stat) {
      const xattrs = xattrsOf(fd);
      directories.enter(path, (made) => setDirectoryLook(made, stat, xattrs));
    },
    object(dir, name, path, stat) {
      const target = directories.parentOf(path);
      try {
        linkAt(dir, name, target, name);
      } catch (error) {
        // EMLINK: an inode has as many names as it can. EPERM: some hosts protect hard links.
        if (!isErrno(error, "EMLINK", "EPERM", "EXDEV")) throw error;
        copyObject(dir, target, name, stat);
      }
    },
    whiteout: mark("whiteout"),
    opaque: mark("opaque"),
    close: () => directories.close(),
  };
}

/**
 * The directories on the way to where the walk is, open; what a directory looks like is set when the
 * walk leaves it, because work in it changes its time.
 */
class OpenDirectories {
  readonly #root: Fd;
  readonly #open: {
    readonly path: RawPath;
    readonly fd: Fd;
    readonly finish: (made: Fd) => void;
  }[] = [];

  constructor(root: Fd) {
    this.#root = root;
  }

  /** Makes `path` in its parent, which was entered before; `finish` is called when it is left. */
  enter(path: RawPath, finish: (made: Fd) => void): void {
    const parent = this.parentOf(path);
    if (path !== "") mkdirAt(parent, nameOf(path), 0o700);
    const fd = openAt(parent, path === "" ? raw(".") : nameOf(path), DIRECTORY);
    this.#open.push({ path, fd, finish });
  }

  parentOf(path: RawPath): Fd {
    for (let top = this.#open.at(-1); top !== undefined; top = this.#open.at(-1)) {
      if (top.path === "" || path.startsWith(`${top.path}/`)) return top.fd;
      this.#leave();
    }
    return this.#root;
  }

  close(): void {
    while (this.#open.length > 0) this.#leave();
  }

  #leave(): void {
    const top = this.#open.pop();
    if (top === undefined) return;
    top.finish(top.fd);
    close(top.fd);
  }
}

function nameOf(path: RawPath): RawPath {
  return path.slice(path.lastIndexOf("/") + 1) as RawPath;
}

/** Makes in the empty directory `to` a tree equal to `from`, with inodes of its own. */
export function cloneTree(from: Fd, to: Fd): void {
  cloneInside({ from, to, path: raw(""), root: to, firstNames: new Map() });
}

interface Clone {
  readonly from: Fd;
  readonly to: Fd;
  readonly path: RawPath;
  readonly root: Fd;
  /** First path in the clone of each inode with several names. */
  readonly firstNames: Map<bigint, RawPath>;
}

function cloneInside(clone: Clone): void {
  const { from, to } = clone;
  for (const { name } of listDir(from)) {
    const stat = statAt(from, name);
    if (stat.type === "dir") cloneDirectory(clone, name);
    else if (stat.nlink === 1 || !linkedBefore(clone, name, stat)) copyObject(from, to, name, stat);
  }
  setDirectoryLook(to, statFd(from), xattrsOf(from));
}

function cloneDirectory(clone: Clone, name: RawPath): void {
  mkdirAt(clone.to, name, 0o700);
  const from = openAt(clone.from, name, DIRECTORY);
  try {
    const to = openAt(clone.to, name, DIRECTORY);
    try {
      cloneInside({ ...clone, from, to, path: joinRaw(clone.path, name) });
    } finally {
      close(to);
    }
  } finally {
    close(from);
  }
}

/** Names of one file in one container stay names of one file; containers share no inode. */
function linkedBefore(clone: Clone, name: RawPath, stat: Stat): boolean {
  const first = clone.firstNames.get(stat.ino);
  if (first === undefined) {
    clone.firstNames.set(stat.ino, joinRaw(clone.path, name));
    return false;
  }
  linkAt(clone.root, first, clone.to, name);
  return true;
}

/** chown first, which clears set-id bits and capabilities; times last. */
function setDirectoryLook(to: Fd, stat: Stat, xattrs: Xattrs | undefined): void {
  chownFd(to, stat.uid, stat.gid);
  chmodFd(to, stat.mode);
  for (const [name, value] of xattrs ?? []) setXattr(to, name, value);
  utimeFd(to, stat.mtime);
}

function copyObject(from: Fd, to: Fd, name: RawPath, stat: Stat): void {
  if (stat.type === "file") copyOneFile(from, to, name, stat);
  else copySpecial(from, to, name, stat);
}

function copyOneFile(from: Fd, to: Fd, name: RawPath, stat: Stat): void {
  const source = openAt(from, name, O.RDONLY | O.NOFOLLOW);
  try {
    const target = openAt(to, name, NEW_FILE, 0o600);
    try {
      copyFile(source, target, stat.size);
      chownFd(target, stat.uid, stat.gid);
      chmodFd(target, stat.mode);
      for (const [key, value] of xattrsOf(source) ?? []) setXattr(target, key, value);
      utimeFd(target, stat.mtime);
    } finally {
      close(target);
    }
  } finally {
    close(source);
  }
}

function copySpecial(from: Fd, to: Fd, name: RawPath, stat: Stat): void {
  if (stat.type === "symlink") symlinkAt(readlinkAt(from, name), to, name);
  else if (stat.type !== "file" && stat.type !== "dir") {
    mknodAt(to, name, stat.type, 0o600, { major: stat.major, minor: stat.minor });
  }
  chownAt(to, name, stat.uid, stat.gid);
  if (stat.type !== "symlink") chmodAt(to, name, stat.mode);
  for (const [key, value] of xattrsAt(from, name) ?? []) setXattrAt(to, name, key, value);
  utimeAt(to, name, stat.mtime);
}
