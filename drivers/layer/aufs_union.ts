/**
 * Mounting a union of aufs, call by call, each proved by what the kernel then shows: it takes fewer
 * branches than it was given without a word, and a call that fails halfway may damage the kernel, so
 * nothing is left for it to find out.
 */
import { CoracleError } from "../../core/errors.ts";
import { lookAt, readlinkAt, type Stat, statFd, symlinkAt } from "../../core/sys/at.ts";
import { FS_MAGIC, fsMagic, type MountInfo, mountRelative, unmount } from "../../core/sys/mount.ts";
import { bootId } from "../../core/sys/process.ts";
import { type LayerId, raw, type RawPath, text } from "../../core/terms.ts";
import { type AufsCall, aufsCalls, branchesOf } from "./aufs_plan.ts";
import { isRefusedByAufs } from "./aufs_probe.ts";
import {
  branchesInOptions,
  branchMismatch,
  isUnionAlive,
  readBranches,
  unionId,
} from "./aufs_sysfs.ts";
import type { MountPlan } from "./driver.ts";
import { inside, layerPath, makeDirectory, mountPath, removeName, type Shelf } from "./shelf.ts";
import { findMount } from "./shelf_mount.ts";

/** A plan with the layers of its branches, topmost first: what the short names stand for. */
export interface UnionPlan {
  readonly plan: MountPlan;
  readonly layers: readonly LayerId[];
}

/** Record of the union that writes into a layer: "<boot id> <id of the union>". */
const UNION = "union";

/** Mounts the plan on the layer's mount point; when it is not as wanted it is undone. */
export function mountUnion(shelf: Shelf, id: LayerId, union: UnionPlan): void {
  const { plan } = union;
  const calls = aufsCalls(plan);
  checkDirectories(shelf, id, union);
  makeDirectory(shelf.fd, mountPath(id), 0o700);
  let isMounted = false;
  try {
    for (const call of calls) {
      perform(shelf, id, plan, call);
      isMounted = true;
      const why = unionMismatch(shelf, id, union, call.branches);
      if (why !== null) throw mountedWrong(id, why);
    }
  } catch (error) {
    if (isMounted) unmount(plan.path, { detach: true });
    throw error;
  }
  if (plan.upper !== undefined) remember(shelf, id);
}

function perform(shelf: Shelf, id: LayerId, plan: MountPlan, { flags, data }: AufsCall): void {
  mountRelative(shelf.root, {
    source: plan.type,
    target: mountPath(id),
    type: plan.type,
    flags,
    data,
  });
}

function mountedWrong(id: LayerId, why: string): CoracleError {
  return new CoracleError("failed", `cannot mount layer "${id}"`, {
    why: `the kernel mounted ${why}`,
  });
}

/** Why what is mounted is not the union wanted, up to its first `count` branches; null when it is. */
export function unionMismatch(
  shelf: Shelf,
  id: LayerId,
  { plan, layers }: UnionPlan,
  count: number = layers.length,
): string | null {
  if (fsMagic(plan.path) !== FS_MAGIC.aufs) return "another file system";
  const info = findMount(shelf, id);
  const directories = layers.slice(0, count).map((layer) => `${layerPath(layer)}/diff`);
  return branchMismatch(branchesOfMount(info), branchesOf(plan).slice(0, count), directories);
}

function branchesOfMount(info: MountInfo | null) {
  const union = unionId(info);
  const found = union === null ? [] : readBranches(union);
  return found.length > 0 ? found : branchesInOptions(info);
}

/**
 * Every branch is a directory, the one its short name is meant for, and on a file system that aufs
 * takes.
 */
function checkDirectories(shelf: Shelf, id: LayerId, { plan, layers }: UnionPlan): void {
  const store = statFd(shelf.fd);
  for (const [index, { path }] of branchesOf(plan).entries()) {
    const layer = layers[index] as LayerId;
    const why = wrongBranch(shelf, { path, layer, store });
    if (why === null) continue;
    throw new CoracleError("corrupt", `cannot mount layer "${id}"`, {
      why: `the directory of layer "${layer}" ${why}`,
      hint: "coracle system check",
    });
  }
}

function wrongBranch(
  shelf: Shelf,
  { path, layer, store }: {
    readonly path: string;
    readonly layer: LayerId;
    readonly store: Stat;
  },
): string | null {
  const meant = lookAt(shelf.fd, diffOf(layer));
  if (meant === null) return "is gone";
  if (meant.type !== "dir") return "is no directory";
  const found = lookAt(shelf.fd, raw(path), { follow: true });
  if (found === null) return `has lost its short name "${path}"`;
  if (found.ino !== meant.ino || found.dev !== meant.dev) {
    return `is not what its short name "${path}" stands for`;
  }
  const isElsewhere = meant.dev !== store.dev &&
    isRefusedByAufs(fsMagic(`${shelf.root}/${text(diffOf(layer))}`));
  return isElsewhere ? "is on a file system that aufs does not take" : null;
}

export function diffOf(id: LayerId): RawPath {
  return inside(layerPath(id), "diff");
}

function remember(shelf: Shelf, id: LayerId): void {
  const union = unionId(findMount(shelf, id));
  removeName(shelf, inside(layerPath(id), UNION));
  if (union !== null) {
    symlinkAt(raw(`${bootId()} ${union}`), shelf.fd, inside(layerPath(id), UNION));
  }
}

/**
 * Does a union still write into the layer, mounted or not? After a lazy unmount, or with a copy of
 * the mount in another namespace, it lives until its last user is gone. The kernel lets a second one
 * write into the same branch, and both then lose what the other did.
 */
export function isWrittenByUnion(shelf: Shelf, id: LayerId): boolean {
  const path = inside(layerPath(id), UNION);
  if (lookAt(shelf.fd, path) === null) return false;
  const [boot, union] = text(readlinkAt(shelf.fd, path)).split(" ");
  if (boot === bootId() && union !== undefined && isUnionAlive(union) && writes(union, id)) {
    return true;
  }
  removeName(shelf, path);
  return false;
}

/**
 * Waits a moment for such a union to end: whoever looks at the mount table keeps one alive for as
 * long as that takes. Fails with `busy`.
 */
export function awaitOnlyWriter(shelf: Shelf, id: LayerId, verb: string): void {
  for (let tries = 0; isWrittenByUnion(shelf, id); tries++) {
    if (tries === PATIENCE) {
      throw new CoracleError("busy", `cannot ${verb} layer "${id}"`, {
        why: "an earlier mount of it still has users, who would write into the same files",
        hint: "end the processes that have files in it open",
      });
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
}

/** Times 5 ms. */
const PATIENCE = 60;

/** The ids come from addresses, so that a later union may have the same one. */
function writes(union: string, id: LayerId): boolean {
  const [top] = readBranches(union);
  return top === undefined || top.path.endsWith(`/${text(diffOf(id))}`);
}
