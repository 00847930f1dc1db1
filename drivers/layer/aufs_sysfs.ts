/**
 * What aufs says of its unions in sysfs: /sys/fs/aufs/si_<id>/br0, br1, … with one branch each, as
 * "<path>=<permission>". The mount table has the id only.
 *
 * Only a union that is known to be mounted may be read: a read that meets the end of a union brings
 * the kernel down (sysfs.c takes the super block without looking). Whether `si_<id>` is there can be
 * asked at any time.
 */
import { isErrno } from "../../core/errors.ts";
import { exists, listNames, readText } from "../../core/sys/files.ts";
import type { MountInfo } from "../../core/sys/mount.ts";
import type { AufsBranch } from "./aufs_plan.ts";

export const AUFS_SYSFS = "/sys/fs/aufs";

export interface FoundBranch {
  /** As the kernel writes it: absolute, with blanks as octal digits. */
  readonly path: string;
  readonly permission: string;
}

const SI = /^si=([0-9a-f]+)$/;

/** The id of a mounted union; null when the mount is none. */
export function unionId(info: MountInfo | null): string | null {
  for (const option of info?.superOptions ?? []) {
    const id = SI.exec(option)?.[1];
    if (id !== undefined) return id;
  }
  return null;
}

export function isUnionAlive(id: string, sysfs: string = AUFS_SYSFS): boolean {
  return exists(`${sysfs}/si_${id}`);
}

/** The branches of a mounted union, topmost first; empty when sysfs does not have them. */
export function readBranches(id: string, sysfs: string = AUFS_SYSFS): FoundBranch[] {
  const directory = `${sysfs}/si_${id}`;
  if (!exists(directory)) return [];
  const numbers = listNames(directory)
    .flatMap((name) => /^br(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number)
    .sort((a, b) => a - b);
  return numbers.map((number) => parseBranch(readSettled(`${directory}/br${number}`)));
}

/**
 * Branches of a union where the module was loaded with `brs=0`: then they are in the mount table, as
 * its last option, "br:<path>=<permission>:…".
 */
export function branchesInOptions(info: MountInfo | null): FoundBranch[] {
  const option = info?.superOptions.join(",") ?? "";
  const start = option.indexOf(",br:");
  if (start < 0) return [];
  return option.slice(start + ",br:".length).split(/:(?=\/)/).map(parseBranch);
}

/** aufs answers EBUSY while something changes the union, which never takes long. */
function readSettled(path: string): string {
  for (let tries = 0;; tries++) {
    try {
      return readText(path);
    } catch (error) {
      if (!isErrno(error, "EBUSY") || tries === 100) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

function parseBranch(line: string): FoundBranch {
  const text = line.trimEnd();
  const equals = text.lastIndexOf("=");
  return { path: text.slice(0, equals), permission: text.slice(equals + 1) };
}

/**
 * Why the branches found are not the wanted ones; null when they are. `directories` are the real
 * places of the wanted branches, relative to the store: the kernel names no links.
 */
export function branchMismatch(
  found: readonly FoundBranch[],
  wanted: readonly AufsBranch[],
  directories: readonly string[],
): string | null {
  if (found.length !== wanted.length) return `${found.length} of ${wanted.length} layers`;
  for (const [index, { path, permission }] of found.entries()) {
    const directory = directories[index];
    if (directory === undefined || !path.endsWith(`/${directory}`)) {
      return `"${path}" in place of layer ${index}`;
    }
    if (permission !== wanted[index]?.permission) {
      return `layer ${index} as "${permission}" in place of "${wanted[index]?.permission}"`;
    }
  }
  return null;
}
