/**
 * How a branch of aufs says what is gone: beside the name it hides an empty file `.wh.NAME`, in a
 * directory that replaces another one an empty file `.wh..wh..opq`. All other names that begin with
 * `.wh..wh.` are aufs' own: `aufs` (which all whiteouts it makes are hard links of), `plnk`, `orph`,
 * and what is being removed. None of them is content, so none is ever looked at as a hard link.
 */
import { OPAQUE_NAME, WHITEOUT_PREFIX } from "../../core/archive/member_path.ts";
import {
  close,
  type Fd,
  listDir,
  lookAt,
  O,
  openAt,
  type Stat,
  statFd,
  utimeFd,
  write,
} from "../../core/sys/at.ts";
import { joinRaw, type RawPath } from "../../core/terms.ts";
import { closeLevels, find, type Level } from "./delta.ts";
import { type Item, type Marks, namesOf, sortItems } from "./marks.ts";

const OPAQUE = OPAQUE_NAME as RawPath;
/** Names aufs keeps for itself, but for the opaque mark. */
const OWN_PREFIX = `${WHITEOUT_PREFIX}${WHITEOUT_PREFIX}`;
/** NAME_MAX less the prefix: longer names cannot be hidden. */
const LONGEST_HIDDEN = 255 - WHITEOUT_PREFIX.length;
const DIRECTORY = O.RDONLY | O.DIRECTORY | O.NOFOLLOW;

/**
 * What is in the opaque mark of a directory that replaces something else than a directory. aufs goes
 * past that and merges the directories further down, which no other form of layers means; so the
 * mark is needed, and has content to tell that it is no part of the delta.
 */
const REPLACES_NO_DIRECTORY = Buffer.from("in place of something else than a directory\n");

/**
 * Marks of one layer. A root that hides all layers below stands in the layer's record: a mark in the
 * root would show when the layer is shown without a union.
 */
export function aufsMarks(hidesAll: boolean): Marks {
  return {
    list: (dir) => listBranch(dir),
    look(dir, _path, name) {
      if (isReserved(name)) return { stat: null, hides: false };
      const stat = lookAt(dir, name);
      if (isForeignWhiteout(stat)) return { stat: null, hides: true };
      return { stat, hides: isHidden(dir, name) };
    },
    isOpaque(dir, path) {
      if (path === "") return hidesAll;
      const mark = lookAt(dir, OPAQUE);
      return mark !== null && mark.type === "file" && mark.size === 0;
    },
  };
}

export function isReserved(name: RawPath): boolean {
  return name.startsWith(WHITEOUT_PREFIX);
}

function isHidden(dir: Fd, name: RawPath): boolean {
  return name.length <= LONGEST_HIDDEN &&
    lookAt(dir, `${WHITEOUT_PREFIX}${name}` as RawPath) !== null;
}

/** The object wins over a whiteout of its name: aufs never makes both. */
function listBranch(dir: Fd): Item[] {
  const items: Item[] = [];
  const hidden: RawPath[] = [];
  const names = new Set<RawPath>();
  for (const { name, type } of namesOf(dir)) {
    if (name.startsWith(OWN_PREFIX)) continue;
    if (isReserved(name)) {
      hidden.push(name.slice(WHITEOUT_PREFIX.length) as RawPath);
      continue;
    }
    const mayMark = type === "char" || type === "unknown";
    items.push({ name, gone: mayMark && isForeignWhiteout(lookAt(dir, name)) });
    names.add(name);
  }
  for (const name of hidden) if (!names.has(name)) items.push({ name, gone: true });
  return sortItems(items);
}

/**
 * aufs lets a container make the device 0:0, which is a whiteout to every engine on overlayfs: no
 * archive may carry it, so it counts as what those would make of it.
 */
function isForeignWhiteout(stat: Stat | null): boolean {
  return stat !== null && stat.type === "char" && stat.major === 0 && stat.minor === 0;
}

/**
 * Marks the directories of a new layer that stand where `below` shows something else than a
 * directory. `own` is the layer's root; what it has under names that are new below is not looked at.
 */
export function markReplacing(
  own: Fd,
  below: readonly Level[],
  path: RawPath = "" as RawPath,
): void {
  for (const { name, type } of listDir(own)) {
    const mayBeDirectory = type === "dir" || type === "unknown";
    if (!mayBeDirectory || isReserved(name) || lookAt(own, name)?.type !== "dir") continue;
    const found = find(below, path, name);
    if (found === null) continue;
    const fd = openAt(own, name, DIRECTORY);
    try {
      if (found.stat.type !== "dir") writeMark(fd);
      else if (lookAt(fd, OPAQUE) === null) markReplacing(fd, found.dirs, joinRaw(path, name));
    } finally {
      close(fd);
      closeLevels(found.dirs);
    }
  }
}

function writeMark(dir: Fd): void {
  if (lookAt(dir, OPAQUE) !== null) return;
  const { mtime } = statFd(dir);
  const fd = openAt(dir, OPAQUE, O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW, 0o444);
  try {
    write(fd, REPLACES_NO_DIRECTORY);
  } finally {
    close(fd);
  }
  utimeFd(dir, mtime);
}
