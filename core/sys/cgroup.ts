/**
 * How control groups are mounted on this host, and where a process is in them. cgroups(7).
 */
import { isErrno } from "../errors.ts";
import { raw } from "../terms.ts";
import { AT_FDCWD, rmdirAt } from "./at.ts";
import { exists, listNames, lookAtText, readText, readTextOrNull } from "./files.ts";
import { FS_MAGIC, fsMagic } from "./file_system.ts";
import { sleep } from "./pipe.ts";
import { sendSignal, SIGNALS } from "./process.ts";

export type CgroupLayout = "v1" | "v2" | "hybrid" | "none";

const ROOT = "/sys/fs/cgroup";
let layout: CgroupLayout | undefined;

/** "hybrid": controllers on v1, with a v2 tree without controllers beside them. */
export function cgroupLayout(): CgroupLayout {
  return layout ??= lookAtLayout();
}

function lookAtLayout(): CgroupLayout {
  if (!exists(ROOT)) return "none";
  if (fsMagic(ROOT) === FS_MAGIC.cgroup2) return "v2";
  if (cgroupHierarchies().length === 0) return "none";
  const unified = `${ROOT}/unified`;
  return exists(unified) && fsMagic(unified) === FS_MAGIC.cgroup2 ? "hybrid" : "v1";
}

/** One v1 hierarchy, or the v2 tree (no controllers in the name, `controllers` from its file). */
export interface CgroupHierarchy {
  readonly path: string;
  readonly controllers: readonly string[];
}

/** v1 hierarchies that are mounted in the usual place; on v2 the one tree. */
export function cgroupHierarchies(): CgroupHierarchy[] {
  const unified = readTextOrNull(`${ROOT}/cgroup.controllers`);
  if (unified !== null) return [{ path: ROOT, controllers: words(unified) }];
  return v1Controllers().flatMap((controller) => {
    const path = `${ROOT}/${controller}`;
    return exists(`${path}/cgroup.procs`) ? [{ path, controllers: [controller] }] : [];
  });
}

function words(line: string): string[] {
  return line.split(/\s+/).filter((word) => word !== "");
}

/** Enabled v1 controllers, also those that are not mounted. */
function v1Controllers(): string[] {
  return (readTextOrNull("/proc/cgroups") ?? "").split("\n")
    .filter((line) => line !== "" && !line.startsWith("#") && line.split("\t")[3] === "1")
    .map((line) => line.split("\t")[0]!);
}

/** Names of the controllers that can be used: memory, pids, cpu, … */
export function controllers(): string[] {
  return [...new Set(cgroupHierarchies().flatMap((hierarchy) => hierarchy.controllers))].sort();
}

/** Where a process is: the v2 path under key "", v1 paths under each controller's name. */
export function cgroupOf(pid: number | "self"): Map<string, string> {
  return parsePlaces(readText(`/proc/${pid}/cgroup`));
}

function parsePlaces(content: string): Map<string, string> {
  const out = new Map<string, string>();
  for (const line of content.split("\n")) {
    const match = /^\d+:([^:]*):(.*)$/.exec(line);
    if (match === null) continue;
    for (const controller of match[1]!.split(",")) out.set(controller, match[2]!);
  }
  return out;
}

/** The directory of a cgroup path for a controller (on v2 for any). */
export function cgroupDirectory(path: string, controller: string): string {
  const clean = path.replace(/^\/+/, "");
  return cgroupLayout() === "v2" ? `${ROOT}/${clean}` : `${ROOT}/${controller}/${clean}`;
}

/**
 * Is the process stopped by its cgroup (a paused container)? False when it is gone. Freezing in
 * progress counts: the process gets no more time.
 */
export function isFrozen(pid: number): boolean {
  const line = readTextOrNull(`/proc/${pid}/cgroup`);
  if (line === null) return false;
  const place = parsePlaces(line);
  const isV2 = cgroupLayout() === "v2";
  const path = place.get(isV2 ? "" : "freezer");
  if (path === undefined || path === "/") return false;
  const file = isV2 ? "cgroup.freeze" : "freezer.state";
  const state = (readTextOrNull(`${cgroupDirectory(path, "freezer")}/${file}`) ?? "").trim();
  return isV2 ? state === "1" : state === "FROZEN" || state === "FREEZING";
}

/**
 * Removes the cgroup from every hierarchy, also `systemd` and `unified` beside v1, and ends the
 * processes in it. Quiet when there is none; false when something in it does not die.
 */
export function removeCgroup(path: string): boolean {
  const tops = cgroupLayout() === "v2" ? [ROOT] : listNames(ROOT).map((name) => `${ROOT}/${name}`);
  const clean = path.replace(/^\/+/, "");
  if (clean === "") return false;
  const directories = tops.map((top) => `${top}/${clean}`).filter((directory) => exists(directory));
  return directories.map(emptyAndRemove).every((isGone) => isGone);
}

/** Rounds of killing and trying again, with a pause of 10 ms between. */
const ROUNDS = 200;

function emptyAndRemove(directory: string): boolean {
  if (!exists(directory)) return true;
  for (const name of listNames(directory)) {
    if (lookAtText(`${directory}/${name}`)?.type === "dir") emptyAndRemove(`${directory}/${name}`);
  }
  for (let round = 0; round < ROUNDS; round++) {
    for (const pid of words(readTextOrNull(`${directory}/cgroup.procs`) ?? "")) {
      sendSignal(Number(pid), SIGNALS.KILL ?? 9);
    }
    try {
      rmdirAt(AT_FDCWD, raw(directory));
      return true;
    } catch (error) {
      if (isErrno(error, "ENOENT")) return true;
      if (!isErrno(error, "EBUSY")) throw error;
    }
    sleep(10);
  }
  return false;
}
