/**
 * Removal relative to a directory descriptor, never through a symbolic link.
 */
import { isErrno } from "../errors.ts";
import { joinRaw, type RawPath } from "../terms.ts";
import { close, type Fd, listDir, lookAt, O, openAt, rmdirAt, unlinkAt } from "../sys/at.ts";

/** Removes `name` in `dir` with all beneath it; quiet when it is not there. */
export function removeAt(dir: Fd, name: RawPath): void {
  try {
    unlinkAt(dir, name);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return;
    // unlink(2) of a directory: EISDIR on Linux, EPERM by POSIX.
    if (!isErrno(error, "EISDIR", "EPERM") || lookAt(dir, name)?.type !== "dir") throw error;
    emptyAt(dir, name, null);
    rmdirAt(dir, name);
  }
}

/**
 * Removes what is in the directory `name` of `dir`, except the paths in `keep` (relative to the
 * tree's root, where the directory is `keep.path`); kept directories are emptied the same way.
 */
export function emptyAt(
  dir: Fd,
  name: RawPath,
  keep: { readonly path: RawPath; readonly paths: ReadonlySet<RawPath> } | null,
): void {
  const fd = openAt(dir, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
  try {
    for (const child of listDir(fd)) {
      const path = keep === null ? child.name : joinRaw(keep.path, child.name);
      if (keep === null || !keep.paths.has(path)) removeAt(fd, child.name);
      else if (lookAt(fd, child.name)?.type === "dir") {
        emptyAt(fd, child.name, { path, paths: keep.paths });
      }
    }
  } finally {
    close(fd);
  }
}
