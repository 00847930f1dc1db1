/**
 * Volumes: directories that outlive containers, at `<root>/volumes/NAME/_data`. A new one is filled
 * from the image's content at its first mount.
 */
import { TreeReceiver, walkTree } from "../archive/kit.ts";
import { CoracleError, isErrno } from "../errors.ts";
import {
  deleteVolume,
  insertVolume,
  markVolumeFilled,
  usersOfVolume,
  volumeByName,
  type VolumeRow,
  volumesByPrefix,
} from "../state/volumes.ts";
import { close, listDir, O, openBeneath } from "../sys/at.ts";
import { exists, makeDirs, openText, removeTree } from "../sys/files.ts";
import { type FileLock, lockFile } from "../sys/lock.ts";
import { mountsBelow } from "../sys/mount_table.ts";
import { raw } from "../terms.ts";
import { timestamp } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { writeVolumeNote } from "./store_records.ts";
import { isMountedVolume, unmountVolume, volumeData } from "./volume_mount.ts";

type Parts = Pick<Engine, "db" | "paths">;

export { volumeData };

export interface NewVolume {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly options?: Readonly<Record<string, string>>;
  readonly isAnonymous?: boolean;
}

/** A new volume. Fails with `exists`, and with `usage` when what it binds is missing. */
export function createVolume(engine: Parts, wanted: NewVolume): VolumeRow {
  checkDevice(wanted);
  using _lock = lockVolume(engine, wanted.name);
  if (volumeByName(engine.db, wanted.name) === undefined) return makeLocked(engine, wanted);
  throw new CoracleError("exists", `cannot create volume "${wanted.name}"`, {
    why: `volume with name ${wanted.name} already exists: volume already exists`,
  });
}

/** What is to be bound must be there: said now, not when a container starts. */
function checkDevice({ name, options: { type, device, o = "" } = {} }: NewVolume): void {
  const words = o.split(",");
  const isBind = type === "bind" || words.includes("bind") || words.includes("rbind");
  if (!isBind || device === undefined || exists(device)) return;
  throw new CoracleError("usage", `cannot create volume "${name}"`, {
    why: `invalid volume option device for driver 'local': stat ${device}: ` +
      "no such file or directory",
  });
}

/** Held by whoever makes, fills or removes the volume: a directory without a record is not touched by recovery meanwhile. */
function lockVolume(engine: Parts, name: string): FileLock {
  return lockFile(`${engine.paths.locks}/volume-${name}`);
}

/** Makes the directory, then the record. */
function makeLocked(engine: Parts, wanted: NewVolume): VolumeRow {
  const { name } = wanted;
  makeDirs(volumeData(engine.paths, name), 0o755);
  const row: VolumeRow = {
    name,
    created: timestamp(),
    labels: wanted.labels ?? {},
    options: wanted.options ?? {},
    isAnonymous: wanted.isAnonymous ?? false,
    isFilled: false,
  };
  insertVolume(engine.db, row);
  writeVolumeNote(engine.paths, row);
  return row;
}

/** The volume of that name, made when it is missing; two processes may ask at once. */
export function ensureVolume(engine: Parts, wanted: NewVolume): VolumeRow {
  using _lock = lockVolume(engine, wanted.name);
  return volumeByName(engine.db, wanted.name) ?? makeLocked(engine, wanted);
}

/** By name or the unique beginning of it. Fails with `notfound` ("no such volume"). */
export function findVolume(engine: Parts, wanted: string): VolumeRow {
  const row = lookForVolume(engine, wanted);
  if (row !== undefined) return row;
  throw new CoracleError("notfound", `cannot find volume "${wanted}"`, {
    why: `no volume with name "${wanted}" found: no such volume`,
    hint: 'list them with "coracle volume ls"',
    exitStatus: 1,
  });
}

/** As `findVolume`, but undefined when there is none. Fails with `usage` when several begin so. */
export function lookForVolume(engine: Pick<Parts, "db">, wanted: string): VolumeRow | undefined {
  const row = volumeByName(engine.db, wanted);
  if (row !== undefined || wanted === "") return row;
  const [first, second] = volumesByPrefix(engine.db, wanted);
  if (second === undefined) return first;
  throw new CoracleError("usage", `cannot choose volume "${wanted}"`, {
    why: `more than one result for volume name "${wanted}": volume already exists`,
    hint: "give its whole name",
  });
}

/** Is there a volume of exactly this name? */
export function hasVolume(engine: Pick<Parts, "db">, name: string): boolean {
  return volumeByName(engine.db, name) !== undefined;
}

/** Podman's JSON of a volume. */
export function describeVolume(engine: Pick<Parts, "paths">, row: VolumeRow) {
  return {
    Name: row.name,
    Driver: "local",
    Mountpoint: volumeData(engine.paths, row.name),
    CreatedAt: row.created,
    Labels: row.labels,
    Scope: "local",
    Options: row.options,
    ...(row.isAnonymous ? { Anonymous: true } : {}),
    MountCount: 0,
    ...(row.isFilled ? {} : { NeedsCopyUp: true, NeedsChown: true }),
  };
}

/**
 * Removes the volume with what is in it. Fails with `busy` and exit status 2 when a container uses
 * it, and with `busy` when something is mounted in it, before anything has changed.
 */
export function removeVolume(engine: Parts, row: VolumeRow): void {
  using _lock = lockVolume(engine, row.name);
  const users = usersOfVolume(engine.db, row.name);
  if (users.length > 0) {
    throw new CoracleError("busy", `cannot remove volume "${row.name}"`, {
      why: `volume ${row.name} is being used by the following container(s): ` +
        `${users.join(", ")}: volume is being used`,
      hint: 'remove the containers first, or use "--force"',
      exitStatus: 2,
    });
  }
  const directory = `${engine.paths.volumes}/${row.name}`;
  if (isMountedVolume(row)) unmountVolume(volumeData(engine.paths, row.name));
  const mount = exists(directory) ? mountsBelow(directory)[0] : undefined;
  if (mount !== undefined) {
    throw new CoracleError("busy", `cannot remove volume "${row.name}"`, {
      why: `${JSON.stringify(mount.target)} is a mount point`,
      hint: `unmount it first: umount ${JSON.stringify(mount.target)}`,
    });
  }
  deleteVolume(engine.db, row.name);
  removeTree(directory);
}

/**
 * Copies what the image has at `destination` into a volume that was never filled, with owners,
 * modes and times; the volume's root takes those of the image's directory. `root` is the mounted
 * root. A volume that has content keeps it.
 */
export function fillVolume(
  engine: Parts,
  row: VolumeRow,
  image: { readonly root: number; readonly destination: string },
): void {
  if (row.isFilled) return;
  using _lock = lockVolume(engine, row.name);
  if (volumeByName(engine.db, row.name)?.isFilled !== false) return;
  const source = openSource(image.root, image.destination);
  const target = openText(volumeData(engine.paths, row.name), O.RDONLY | O.DIRECTORY);
  try {
    if (source !== null && listDir(target).length === 0) {
      walkTree(source, new TreeReceiver(target, { whiteouts: "remove" }));
    }
    markVolumeFilled(engine.db, row.name);
  } finally {
    close(target);
    if (source !== null) close(source);
  }
}

function openSource(root: number, destination: string): number | null {
  try {
    const path = destination.replace(/^\/+/, "") || ".";
    return openBeneath(root, raw(path), O.RDONLY | O.DIRECTORY, { scope: "in-root" });
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return null;
    throw error;
  }
}
