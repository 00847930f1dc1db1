/**
 * Pseudo-links. When a file with several names is copied up, aufs makes the name that was asked for
 * and keeps the file under `.wh..wh.plnk/<inode in the union>.<inode in the branch>`, by which all
 * its names show the new content while the union is mounted. Afterwards the other names would show
 * the old one again. So before the end every name is touched through the union, which makes it a
 * real name of the file in the branch.
 */
import { isErrno } from "../../core/errors.ts";
import {
  AT_FDCWD,
  close,
  type Fd,
  listDir,
  lookAt,
  O,
  openAt,
  statFd,
  unlinkAt,
  utimeAt,
} from "../../core/sys/at.ts";
import { raw, type RawPath } from "../../core/terms.ts";
import { inside, type Shelf } from "./shelf.ts";

const FOLDER = ".wh..wh.plnk";
const DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW;

/** Inodes in the union that have a pseudo-link in the branch `diff`. */
export function pseudoLinks(shelf: Shelf, diff: RawPath): Set<bigint> {
  const inodes = new Set<bigint>();
  for (const name of linkNames(shelf, diff)) {
    const inode = /^(\d+)\.\d+$/.exec(name)?.[1];
    if (inode !== undefined) inodes.add(BigInt(inode));
  }
  return inodes;
}

/**
 * Gives every name of a pseudo-linked file to the file in the branch. `union` is where it is
 * mounted. What cannot be done (the disk is full, the file is immutable) is left: those names then
 * show what they showed before, as they would on overlayfs.
 */
export function flushPseudoLinks(shelf: Shelf, diff: RawPath, union: string): void {
  const inodes = pseudoLinks(shelf, diff);
  if (inodes.size === 0) return;
  const root = openAt(AT_FDCWD, raw(union), DIRECTORY);
  try {
    touchInside(root, inodes, statFd(root).dev);
  } finally {
    close(root);
  }
}

function touchInside(dir: Fd, inodes: ReadonlySet<bigint>, device: number): void {
  for (const { name, type } of listDir(dir)) {
    const stat = lookAt(dir, name);
    if (stat === null || stat.dev !== device) continue;
    if (stat.type === "dir") enter(dir, name, (fd) => touchInside(fd, inodes, device));
    else if (type !== "dir" && inodes.has(stat.ino)) touch(dir, name, stat.mtime);
  }
}

/** Directories that vanish are no loss: a process may still be at work in the union. */
function enter(dir: Fd, name: RawPath, work: (fd: Fd) => void): void {
  let fd: Fd;
  try {
    fd = openAt(dir, name, DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ESTALE")) return;
    throw error;
  }
  try {
    work(fd);
  } finally {
    close(fd);
  }
}

/**
 * Sets the time it has: that copies the name up. chown(2), which the tools of aufs use for this,
 * would take away set-id bits and file capabilities.
 */
function touch(dir: Fd, name: RawPath, mtime: bigint): void {
  try {
    utimeAt(dir, name, mtime);
  } catch (error) {
    const isLoss = isErrno(error, "ENOENT", "ESTALE", "EPERM", "ENOSPC", "EDQUOT", "EMLINK");
    if (!isLoss) throw error;
  }
}

/**
 * Removes the pseudo-links of a branch that no union has any more: a file would count one name too
 * many, and their numbers mean nothing to the next union.
 */
export function clearPseudoLinks(shelf: Shelf, diff: RawPath): void {
  for (const name of linkNames(shelf, diff)) {
    unlinkAt(shelf.fd, inside(inside(diff, FOLDER), name));
  }
}

function linkNames(shelf: Shelf, diff: RawPath): RawPath[] {
  let fd: Fd;
  try {
    fd = openAt(shelf.fd, inside(diff, FOLDER), DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
  try {
    return listDir(fd).map(({ name }) => name);
  } finally {
    close(fd);
  }
}
