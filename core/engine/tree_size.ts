/** Bytes of the files of a tree, as `du --apparent-size` counts them, without directories. */
import { isErrno } from "../errors.ts";
import { close, type Fd, listDir, lookAt, O, openBeneath } from "../sys/at.ts";
import { openText } from "../sys/files.ts";
import { joinRaw, raw, type RawPath } from "../terms.ts";

const DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW;

/**
 * The sum; a file with several names counts once, what is mounted in the tree does not count, and a
 * tree that is gone has 0. Directories whose path is longer than the kernel takes are passed over.
 */
export function treeSize(path: string): number {
  let root: Fd;
  try {
    root = openText(path, DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return 0;
    throw error;
  }
  try {
    return sizeBelow(root);
  } finally {
    close(root);
  }
}

function sizeBelow(root: Fd): number {
  const seen = new Set<bigint>();
  const waiting: RawPath[] = [raw("")];
  let sum = 0;
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    const dir = openDirectory(root, path);
    if (dir === null) continue;
    try {
      for (const { name } of listDir(dir)) {
        const stat = lookAt(dir, name);
        if (stat === null) continue;
        if (stat.type === "dir") waiting.push(joinRaw(path, name));
        else if (stat.nlink === 1 || !seen.has(stat.ino)) sum += stat.size;
        if (stat.type !== "dir" && stat.nlink > 1) seen.add(stat.ino);
      }
    } finally {
      close(dir);
    }
  }
  return sum;
}

/** Null when it went away meanwhile, or is another file system. */
function openDirectory(root: Fd, path: RawPath): Fd | null {
  try {
    const name = path === "" ? raw(".") : path;
    return openBeneath(root, name, DIRECTORY, { noSymlinks: true, noXdev: true });
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "EXDEV", "ENAMETOOLONG", "EACCES")) {
      return null;
    }
    throw error;
  }
}
