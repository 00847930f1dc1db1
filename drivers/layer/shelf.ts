/**
 * Where the built-in drivers keep layers: a directory per layer that is made elsewhere and renamed
 * in, renamed out and then deleted, with the name of the process that made it, so that a kill at any
 * moment leaves only what `recover` can tell apart.
 *
 *     ROOT/stages/<id>.<owner>/   being made by a living process, or garbage
 *     ROOT/layers/<id>/           a layer
 *         made -> "<short> <kind> <owner> <root>"    a symlink as a record: one call to write or read
 *         diff/                   its files
 *     ROOT/l/<short> -> ../layers/<id>/diff   short names, so that 500 of them fit into one page of
 *                                             mount options and none needs escaping
 *     ROOT/mnt/<id>/              where it is mounted
 *     ROOT/trash/<id>.<owner>/    being deleted
 *
 * An owner is "<pid>-<start time>-<8 digits of the boot id>".
 */
import { CoracleError, isErrno } from "../../core/errors.ts";
import {
  AT_FDCWD,
  chmodAt,
  chownAt,
  close,
  type Fd,
  listDir,
  lookAt,
  mkdirAt,
  O,
  openAt,
  readlinkAt,
  renameAt,
  rmdirAt,
  statAt,
  symlinkAt,
  syncfs,
  unlinkAt,
  utimeAt,
} from "../../core/sys/at.ts";
import { realPath, removeAt } from "../../core/sys/files.ts";
import { spreadFolders } from "../../core/sys/spread_folders.ts";
import { getXattrAt, listXattrsAt, setXattrAt } from "../../core/sys/xattr.ts";
import { bootId, isAlive, selfIdentity } from "../../core/sys/process.ts";
import { type LayerId, raw, type RawPath, text } from "../../core/terms.ts";
import type { BeginSpec, LayerKind, LayerRef } from "./driver.ts";
import { isPrivateXattr } from "./sender.ts";

/** `sealed`: was writable, is read-only now. */
export type ShelfKind = LayerKind | "sealed";

export interface Made {
  /** Name under `l/`. */
  readonly short: string;
  readonly kind: ShelfKind;
  readonly owner: string;
  /** The root is opaque: nothing of the layers below shows. overlayfs does not look at that itself. */
  readonly hidesAll: boolean;
}

export interface Shelf {
  readonly root: string;
  /** Descriptor of the root; names below are relative to it, so its length and letters never matter. */
  readonly fd: Fd;
  /** Stages of this process by id: a child may be begun before its parent is committed. */
  readonly stages: Map<LayerId, RawPath>;
}

const FOLDERS = ["stages", "layers", "l", "mnt", "trash"];

export function openShelf(root: string): Shelf {
  const fd = openAt(AT_FDCWD, raw(root), O.RDONLY | O.DIRECTORY);
  if (lookAt(fd, raw("trash")) === null) {
    for (const folder of FOLDERS) makeDirectory(fd, raw(folder), 0o700);
    spreadFolders(fd, raw("stages"));
  }
  // The kernel names mounts by their real path.
  return { root: realPath(root), fd, stages: new Map() };
}

/** Quiet when it is there. */
export function makeDirectory(dir: Fd, path: RawPath, mode: number): void {
  try {
    mkdirAt(dir, path, mode);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

/** Layer directory, relative to the root. */
export function layerPath(id: LayerId): RawPath {
  return `layers/${id}` as RawPath;
}

export function mountPath(id: LayerId): RawPath {
  return `mnt/${id}` as RawPath;
}

/** Where a layer that this process is making is; null when it makes none of this id. */
export function stagePath(shelf: Shelf, id: LayerId): RawPath | null {
  return shelf.stages.get(id) ?? null;
}

/** The layer's directory, or its stage's when this process is still making it; null when neither. */
export function findLayer(shelf: Shelf, id: LayerId): RawPath | null {
  const committed = layerPath(id);
  if (lookAt(shelf.fd, committed) !== null) return committed;
  return shelf.stages.get(id) ?? null;
}

export function noSuchLayer(verb: string, id: LayerId): CoracleError {
  return new CoracleError("notfound", `cannot ${verb} layer "${id}"`, { why: "no such layer" });
}

let owner: string | undefined;
let stageCount = 0;

export function ownOwner(): string {
  if (owner === undefined) {
    const self = selfIdentity();
    owner = `${self.pid}-${self.start}-${bootId().slice(0, 8)}`;
  }
  return owner;
}

export function ownerLives(name: string): boolean {
  const [pid, start, boot] = name.split("-");
  if (start === undefined || boot !== bootId().slice(0, 8)) return false;
  return isAlive({ pid: Number(pid), start });
}

/**
 * Makes the stage of a layer: its directory, the record, and in it `folder`, which looks as the
 * parent's root. Returns its path relative to the root.
 */
export function makeStage(
  shelf: Shelf,
  spec: BeginSpec,
  folder: "diff" | null = "diff",
): RawPath {
  if (spec.replaces) requireSameKind(shelf, spec);
  else if (findLayer(shelf, spec.id) !== null) {
    throw new CoracleError("exists", `cannot make layer "${spec.id}"`, { why: "the id is taken" });
  }
  const parent = spec.chain[0];
  const parentPath = parent === undefined ? null : findLayer(shelf, parent);
  if (parent !== undefined && parentPath === null) {
    throw new CoracleError("notfound", `cannot make layer "${spec.id}"`, {
      why: `no such layer: its parent "${parent}"`,
    });
  }
  const stage = `stages/${spec.id}.${ownOwner()}` as RawPath;
  mkdirAt(shelf.fd, stage, 0o700);
  try {
    const short = takeShortName(shelf, spec.id);
    const made = { short, kind: spec.kind, owner: ownOwner(), hidesAll: false };
    symlinkAt(madeText(made), shelf.fd, inside(stage, "made"));
    if (folder !== null) makeRoot(shelf, inside(stage, folder), parentPath);
  } catch (error) {
    discard(shelf, stage, spec.id);
    throw error;
  }
  shelf.stages.set(spec.id, stage);
  return stage;
}

function requireSameKind(shelf: Shelf, { id, kind }: BeginSpec): void {
  if (kind === "image" && lookAt(shelf.fd, layerPath(id)) === null) throw noSuchLayer("fill", id);
  const wasWritable = kind === "image"
    ? readMade(shelf, layerPath(id))?.kind === "container"
    : madeOf(shelf, id, "fill").kind === "container";
  if (wasWritable === (kind === "container")) return;
  const why = wasWritable ? "it is writable" : "it is read-only";
  throw new CoracleError("state", `cannot fill layer "${id}"`, { why });
}

export function inside(path: RawPath, name: string): RawPath {
  return `${path}/${name}` as RawPath;
}

/** What a layer's root looks like until an entry says otherwise. */
export interface RootLook {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: bigint;
}

const PLAIN_ROOT: RootLook = { mode: 0o755, uid: 0, gid: 0, mtime: 0n };

/** The parent's root: a container of an image with a 0700 root has one too. */
export function rootLook(shelf: Shelf, spec: LayerRef): RootLook {
  const parent = spec.chain[0];
  return rootOf(shelf, parent === undefined ? null : findLayer(shelf, parent));
}

function rootOf(shelf: Shelf, parentPath: RawPath | null): RootLook {
  return parentPath === null ? PLAIN_ROOT : statAt(shelf.fd, inside(parentPath, "diff"));
}

function makeRoot(shelf: Shelf, path: RawPath, parentPath: RawPath | null): void {
  const look = rootOf(shelf, parentPath);
  mkdirAt(shelf.fd, path, 0o755);
  if (look.uid !== 0 || look.gid !== 0) chownAt(shelf.fd, path, look.uid, look.gid);
  // Always: mkdir(2) obeys the umask.
  chmodAt(shelf.fd, path, look.mode);
  if (parentPath !== null) copyXattrs(shelf, inside(parentPath, "diff"), path);
  utimeAt(shelf.fd, path, look.mtime);
}

function copyXattrs(shelf: Shelf, from: RawPath, to: RawPath): void {
  for (const name of listXattrsAt(shelf.fd, from)) {
    const value = isPrivateXattr(name) ? null : getXattrAt(shelf.fd, from, name);
    if (value !== null) setXattrAt(shelf.fd, to, name, value);
  }
}

/**
 * A free name of three digits of base 36, drawn by lot so that no process waits for another; four
 * when the first draws are taken, which happens only beyond some ten thousand layers.
 */
function takeShortName(shelf: Shelf, id: LayerId): string {
  const target = raw(`../layers/${id}/diff`);
  for (let draw = 0;; draw++) {
    const digits = draw < 8 ? 3 : 4;
    const low = 36 ** (digits - 1);
    const short = Math.floor(low + Math.random() * (36 ** digits - low)).toString(36);
    try {
      symlinkAt(target, shelf.fd, raw(`l/${short}`));
      return short;
    } catch (error) {
      if (!isErrno(error, "EEXIST") || draw > 100) throw error;
    }
  }
}

/** The record of a layer or stage. Throws `notfound` when there is none. */
export function madeOf(shelf: Shelf, id: LayerId, verb: string): Made {
  const stage = shelf.stages.get(id);
  const made = readMade(shelf, stage ?? layerPath(id));
  if (made === null) throw noSuchLayer(verb, id);
  return made;
}

export function readMade(shelf: Shelf, path: RawPath): Made | null {
  try {
    const words = text(readlinkAt(shelf.fd, inside(path, "made"))).split(" ");
    const [short, kind, owner, root] = words;
    if (short === undefined || kind === undefined || owner === undefined) return null;
    return { short, kind: kind as ShelfKind, owner, hidesAll: root === "opaque" };
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return null;
    throw error;
  }
}

export function commitStage(shelf: Shelf, id: LayerId, replaces = false): void {
  const stage = shelf.stages.get(id);
  if (stage === undefined) throw noSuchLayer("commit", id);
  if (replaces) {
    renameAt(shelf.fd, stage, shelf.fd, layerPath(id), "exchange");
    shelf.stages.delete(id);
    // What was there has the stage's name now, and goes as any stage that came to nothing.
    return discard(shelf, stage, id);
  }
  try {
    renameAt(shelf.fd, stage, shelf.fd, layerPath(id), "no-replace");
  } catch (error) {
    if (!isErrno(error, "EEXIST", "ENOTEMPTY")) throw error;
    throw new CoracleError("exists", `cannot make layer "${id}"`, { why: "the id is taken" });
  }
  shelf.stages.delete(id);
}

export function abortStage(shelf: Shelf, id: LayerId): void {
  const stage = shelf.stages.get(id);
  if (stage === undefined) return;
  shelf.stages.delete(id);
  discard(shelf, stage, id);
}

function madeText(made: Made): RawPath {
  return raw(`${made.short} ${made.kind} ${made.owner} ${made.hidesAll ? "opaque" : "open"}`);
}

/** Changes the record of a layer or stage, in one rename. */
export function changeMade(shelf: Shelf, id: LayerId, change: Partial<Made>): void {
  const path = stagePath(shelf, id) ?? findLayer(shelf, id);
  if (path === null) throw noSuchLayer("change", id);
  const fresh = inside(path, "made.new");
  removeName(shelf, fresh);
  symlinkAt(madeText({ ...madeOf(shelf, id, "change"), ...change }), shelf.fd, fresh);
  renameAt(shelf.fd, fresh, shelf.fd, inside(path, "made"));
}

/** The ids down to the first one that hides all below it. */
export function visibleChain(shelf: Shelf, ids: readonly LayerId[]): { id: LayerId; made: Made }[] {
  const visible: { id: LayerId; made: Made }[] = [];
  for (const id of ids) {
    const made = madeOf(shelf, id, "read");
    visible.push({ id, made });
    if (made.hidesAll) break;
  }
  return visible;
}

/** unlink(2), quiet when it is gone. */
export function removeName(shelf: Shelf, path: RawPath): void {
  try {
    unlinkAt(shelf.fd, path);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** Takes the layer out of sight and deletes it; quiet when it is gone. The caller saw to mounts. */
export function discardLayer(shelf: Shelf, id: LayerId): void {
  discard(shelf, layerPath(id), id);
}

function discard(shelf: Shelf, path: RawPath, id: LayerId): void {
  const made = readMade(shelf, path);
  const trashed = toTrash(shelf, path, id);
  if (trashed === null) return;
  if (made !== null) removeName(shelf, raw(`l/${made.short}`));
  removeMountpoint(shelf, id);
  removeAt(shelf.fd, trashed);
}

/** Claims a directory by renaming it; null when it is gone or another process claimed it first. */
export function toTrash(shelf: Shelf, path: RawPath, name: string): RawPath | null {
  const target = raw(`trash/${name}.${stageCount++}.${ownOwner()}`);
  try {
    renameAt(shelf.fd, path, shelf.fd, target);
    return target;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return null;
    throw error;
  }
}

/** Quiet when it is gone, in use or not empty. */
export function removeMountpoint(shelf: Shelf, id: LayerId): void {
  try {
    rmdirAt(shelf.fd, mountPath(id));
  } catch (error) {
    if (!isErrno(error, "ENOENT", "EBUSY", "ENOTEMPTY")) throw error;
  }
}

export function syncShelf(shelf: Shelf): void {
  syncfs(shelf.fd);
}

export function namesIn(shelf: Shelf, folder: string): string[] {
  const fd = openAt(shelf.fd, raw(folder), O.RDONLY | O.DIRECTORY);
  try {
    return listDir(fd).map(({ name }) => text(name));
  } finally {
    close(fd);
  }
}

/** What `newLayerId` makes; anything else in a folder is not ours. */
export const LAYER_ID = /^[a-z0-9]{4,26}$/;

export function listShelf(shelf: Shelf): LayerId[] {
  return namesIn(shelf, "layers").filter((name): name is LayerId => LAYER_ID.test(name)).sort();
}
