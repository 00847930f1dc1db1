/** How a delta on disk says what it deleted: one `Marks` for each way of writing it. */
import { isErrno } from "../../core/errors.ts";
import { type DirName, type Fd, listDir, lookAt, type Stat } from "../../core/sys/at.ts";
import { getXattr } from "../../core/sys/xattr.ts";
import { raw, type RawPath } from "../../core/terms.ts";

export interface Item {
  readonly name: RawPath;
  /** The name marks a deletion and is no object. */
  readonly gone: boolean;
}

export interface Marks {
  /**
   * The names of a directory of the delta, sorted. `replaced`: an opaque directory is above, so
   * that everything counts as new, even what looks untouched.
   */
  list(dir: Fd, path: RawPath, replaced: boolean): Item[];
  /** One name: its object, and whether it hides what lower layers have under that name. */
  look(
    dir: Fd,
    path: RawPath,
    name: RawPath,
  ): { readonly stat: Stat | null; readonly hides: boolean };
  isOpaque(dir: Fd, path: RawPath): boolean;
}

/** The names of an open directory; none when it was removed meanwhile, as getdents(2) says ENOENT. */
export function namesOf(dir: Fd): DirName[] {
  try {
    return listDir(dir);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error;
  }
}

/** Marks as overlayfs writes them: a character device 0:0, and an attribute. Kernel overlayfs.rst. */
export const OVERLAY_MARKS: Marks = {
  list(dir, _path) {
    const items: Item[] = [];
    for (const { name, type } of namesOf(dir)) {
      const mayMark = type === "char" || type === "unknown";
      items.push({ name, gone: mayMark && isOverlayWhiteout(lookAt(dir, name)) });
    }
    return sortItems(items);
  },
  look(dir, _path, name) {
    const stat = lookAt(dir, name);
    return isOverlayWhiteout(stat) ? { stat: null, hides: true } : { stat, hides: false };
  },
  isOpaque(dir) {
    const value = getXattr(dir, raw("trusted.overlay.opaque"));
    return value !== null && value.length === 1 && value[0] === 0x79; // "y"
  },
};

/** Marks of a plain tree: none. */
export const NO_MARKS: Marks = {
  list: (dir) => sortItems(namesOf(dir).map(({ name }) => ({ name, gone: false }))),
  look: (dir, _path, name) => ({ stat: lookAt(dir, name), hides: false }),
  isOpaque: () => false,
};

export function sortItems(items: Item[]): Item[] {
  return items.sort((a, b) => a.name < b.name ? -1 : 1);
}

function isOverlayWhiteout(stat: Stat | null): boolean {
  return stat !== null && stat.type === "char" && stat.major === 0 && stat.minor === 0;
}
