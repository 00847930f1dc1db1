/**
 * Mounting layers of a shelf: relative to its root, so that names are short and need no escaping,
 * and looked at afterwards, because the kernel cuts options at a page without a word.
 */
import { CoracleError, isErrno } from "../../core/errors.ts";
import { lookAt } from "../../core/sys/at.ts";
import { readText } from "../../core/sys/files.ts";
import {
  fsMagic,
  mount,
  type MountInfo,
  mountRelative,
  splitMountOptions,
  unmount,
} from "../../core/sys/mount.ts";
import { parseMountInfo } from "../../core/sys/mount_table.ts";
import type { LayerId } from "../../core/terms.ts";
import type { MountPlan, View } from "./driver.ts";
import { mountedLayer } from "./refusals.ts";
import { makeDirectory, mountPath, removeMountpoint, type Shelf } from "./shelf.ts";

/** mount(2) takes one page with its final zero. */
const DATA_LIMIT = 4095;

function escaped(path: string): string {
  return path.replace(
    /[ \t\n\\]/g,
    (letter) => `\\${letter.charCodeAt(0).toString(8).padStart(3, "0")}`,
  );
}

/** The topmost mount on the layer's mount point: one line of the table is parsed, not all. */
export function findMount(shelf: Shelf, id: LayerId): MountInfo | null {
  if (lookAt(shelf.fd, mountPath(id)) === null) return null;
  const table = readText("/proc/self/mountinfo");
  // Field 5; the root of a bind mount (field 4) could be the same path, so the fields are checked.
  const target = `${shelf.root}/mnt/${id}`;
  const needle = ` ${escaped(target)} `;
  for (let at = table.lastIndexOf(needle); at >= 0; at = table.lastIndexOf(needle, at - 1)) {
    const start = table.lastIndexOf("\n", at) + 1;
    const info = parseMountInfo(table.slice(start, table.indexOf("\n", at)));
    if (info.target === target) return info;
    if (at === 0) break;
  }
  return null;
}

/** In which view the layer is mounted now; null when it is not. */
export function mountedView(shelf: Shelf, id: LayerId): View | null {
  const info = findMount(shelf, id);
  if (info === null) return null;
  return info.options.includes("ro") || info.superOptions.includes("ro") ? "ro" : "rw";
}

/** True when it is mounted in this view; fails with `busy` when it is in the other. */
export function isAlreadyMounted(shelf: Shelf, id: LayerId, view: View): boolean {
  const found = mountedView(shelf, id);
  if (found === null || found === view) return found === view;
  throw new CoracleError("busy", `cannot mount layer "${id}"`, {
    why: found === "ro" ? "it is mounted read-only" : "it is mounted for writing",
  });
}

/**
 * Performs a plan and verifies it: the file system has `magic` (unions), and the kernel took all
 * lower layers. Undone when not.
 */
export function mountPlan(shelf: Shelf, id: LayerId, plan: MountPlan, magic: number): void {
  makeDirectory(shelf.fd, mountPath(id), 0o700);
  const { flags, data } = splitMountOptions(plan.options);
  if (plan.type === "bind") {
    mount({ source: `${plan.base}/${plan.upper}`, target: plan.path, flags });
    return;
  }
  if (data.length > DATA_LIMIT) throw tooLong(id, data.length);
  mountRelative(plan.base, {
    source: plan.type,
    target: mountPath(id),
    type: plan.type,
    flags,
    data,
  });
  const why = fsMagic(plan.path) === magic ? missingLowers(shelf, id, plan) : "another file system";
  if (why === null) return;
  unmount(plan.path, { detach: true });
  throw new CoracleError("failed", `cannot mount layer "${id}"`, {
    why: `the kernel mounted ${why}`,
  });
}

function tooLong(id: LayerId, length: number): CoracleError {
  return new CoracleError("unsupported", `cannot mount layer "${id}"`, {
    why: `its mount options are ${length} bytes long, and the kernel takes ${DATA_LIMIT}`,
  });
}

function missingLowers(shelf: Shelf, id: LayerId, plan: MountPlan): string | null {
  const found = lowersOf(findMount(shelf, id));
  return found === plan.lowers.length ? null : `${found} of ${plan.lowers.length} layers`;
}

function lowersOf(info: MountInfo | null): number {
  let count = 0;
  for (const option of info?.superOptions ?? []) {
    if (option.startsWith("lowerdir=")) count += option.split(":").length;
    else if (option.startsWith("lowerdir+=")) count++;
  }
  return count;
}

/** See `LayerDriver.unmount`. */
export function unmountLayer(shelf: Shelf, id: LayerId, detach: boolean): void {
  if (lookAt(shelf.fd, mountPath(id)) === null) return;
  try {
    unmount(`${shelf.root}/mnt/${id}`, { detach });
  } catch (error) {
    if (isErrno(error, "EBUSY")) throw inUse(id);
    if (!isErrno(error, "EINVAL", "ENOENT")) throw error;
  }
  removeMountpoint(shelf, id);
}

function inUse(id: LayerId): CoracleError {
  const busy = mountedLayer("unmount", id);
  return new CoracleError("busy", busy.what, {
    why: "a process uses files in it",
    hint: "end the process, or unmount lazily",
  });
}
