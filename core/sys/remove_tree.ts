/**
 * rm -rf by descriptors: never follows a symlink, never enters a mount, as deep as a tree can be.
 */
import { CoracleError, isErrno } from "../errors.ts";
import { raw, type RawPath } from "../terms.ts";
import {
  AT_FDCWD,
  chmodAt,
  close,
  type DirName,
  type Fd,
  listDir,
  lookAt,
  O,
  openAt,
  rmdirAt,
  unlinkAt,
} from "./at.ts";
import { mountsBelow } from "./mount_table.ts";
import { pathOfFd } from "./path_buffer.ts";
import { placeOfFd } from "./stat.ts";

interface Level {
  /** -1 while it is closed: a deep tree must not use up the descriptors. */
  fd: Fd;
  readonly name: RawPath;
  readonly ino: bigint;
  /** Subdirectories still to go. */
  readonly rest: DirName[];
}

/** How many directories are held open at once. */
const HELD = 64;
const OPEN_DIR = O.RDONLY | O.DIRECTORY | O.NOFOLLOW;
/**
 * How often a directory may have got something new while it was emptied: a monitor writes its last
 * files when its container may be removed already.
 */
const REFILLS = 100;
const PARENT = raw("..");

/**
 * Removes `path` and everything below it; quiet when there is nothing. Fails with `busy`, before
 * anything is removed, when something is mounted on it or below it.
 */
export function removeTree(path: string): void {
  const slash = path.replace(/\/+$/, "").lastIndexOf("/");
  const name = raw(path.replace(/\/+$/, "").slice(slash + 1));
  const parentPath = slash < 0 ? "." : path.slice(0, slash) || "/";
  const found = lookAt(AT_FDCWD, raw(path));
  if (found === null) return;
  if (found.type === "dir") {
    const mount = mountsBelow(path)[0];
    if (mount !== undefined) throw mounted(path, mount.target);
  }
  const parent = openAt(AT_FDCWD, raw(parentPath), O.RDONLY | O.DIRECTORY);
  try {
    removeAt(parent, name);
  } finally {
    close(parent);
  }
}

function mounted(path: string, target: string): CoracleError {
  return new CoracleError("busy", `cannot remove ${JSON.stringify(path)}`, {
    why: `${JSON.stringify(target)} is a mount point`,
    hint: `unmount it first: umount ${JSON.stringify(target)}`,
  });
}

/** The same for one name of an open directory. */
export function removeAt(parent: Fd, name: RawPath): void {
  if (removeLeaf(parent, name)) return;
  const place = placeOfFd(parent);
  const levels: Level[] = [];
  let refills = 0;
  try {
    enter(parent, name, place, levels);
    while (levels.length > 0) {
      const level = levels.at(-1)!;
      const next = level.rest.pop();
      if (next !== undefined) enter(level.fd, next.name, place, levels);
      else if (!leave(parent, levels, refills < REFILLS)) {
        refills++;
        enter(levels.at(-1)?.fd ?? parent, level.name, place, levels);
      }
    }
  } finally {
    for (const { fd } of levels) if (fd >= 0) close(fd);
  }
}

/** Unlinks what is no directory; false when it is one. */
function removeLeaf(dir: Fd, name: RawPath): boolean {
  try {
    unlinkAt(dir, name);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return true;
    if (isErrno(error, "EBUSY")) throw mounted(error.path, error.path);
    // A directory gives EISDIR, and EPERM on some file systems.
    if (isErrno(error, "EISDIR")) return false;
    if (isErrno(error, "EPERM") && lookAt(dir, name)?.type === "dir") return false;
    throw error;
  }
}

/** Opens a directory, removes its files, and leaves its subdirectories to the loop. */
function enter(
  dir: Fd,
  name: RawPath,
  place: { dev: number; mount: number | null },
  levels: Level[],
): void {
  const fd = openDirectory(dir, name);
  if (fd === null) return;
  const { dev, mount, ino } = placeOfFd(fd);
  if (dev !== place.dev || mount !== place.mount) {
    const target = pathOfFd(fd);
    close(fd);
    throw mounted(target, target);
  }
  const level: Level = { fd, name, ino, rest: [] };
  levels.push(level);
  for (const child of listDir(fd)) {
    if (child.type === "dir" || !removeLeaf(fd, child.name)) level.rest.push(child);
  }
  const far = levels[levels.length - 1 - HELD];
  if (far !== undefined && far.fd >= 0) {
    close(far.fd);
    far.fd = -1;
  }
}

/** Null when it is gone. Without root, a directory that its owner cannot read is made readable. */
function openDirectory(dir: Fd, name: RawPath): Fd | null {
  try {
    return openAt(dir, name, OPEN_DIR);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return null;
    if (!isErrno(error, "EACCES")) throw error;
    // Between this and the open it may become a link: chmod follows it, but only to what is ours.
    if (lookAt(dir, name)?.type === "dir") chmodAt(dir, name, 0o700);
    return openAt(dir, name, OPEN_DIR);
  }
}

/**
 * Removes the emptied directory on top of the stack and goes on in the one above. False when it is
 * not empty after all and `mayRefill`.
 */
function leave(parent: Fd, levels: Level[], mayRefill: boolean): boolean {
  const level = levels.at(-1)!;
  const above = levels.at(-2);
  if (above !== undefined && above.fd < 0) reopen(level.fd, above);
  close(level.fd);
  levels.pop();
  try {
    rmdirAt(above?.fd ?? parent, level.name);
  } catch (error) {
    if (isErrno(error, "EBUSY")) throw mounted(error.path, error.path);
    if (mayRefill && isErrno(error, "ENOTEMPTY")) return false;
    if (!isErrno(error, "ENOENT")) throw error;
  }
  return true;
}

/** Opens the directory above by "..", and makes sure that it is the one we came through. */
function reopen(below: Fd, above: Level): void {
  above.fd = openAt(below, PARENT, OPEN_DIR);
  if (placeOfFd(above.fd).ino !== above.ino) {
    throw new CoracleError("busy", `cannot remove ${JSON.stringify(pathOfFd(below))}`, {
      why: "it was moved while it was being removed",
    });
  }
}
