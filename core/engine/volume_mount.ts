/**
 * Volumes with options of the local driver (`type`, `device`, `o`): a file system of its own that is
 * mounted on the volume's directory while a container uses it. volume create, mount(8).
 */
import { CoracleError } from "../errors.ts";
import { containerById, type ContainerRow } from "../state/containers.ts";
import { usersOfVolume, type VolumeRow, volumesOfContainer } from "../state/volumes.ts";
import { exists } from "../sys/files.ts";
import { lockFile } from "../sys/lock.ts";
import { mount, mountAt, splitMountOptions, unmount } from "../sys/mount.ts";
import type { Engine } from "./engine.ts";

type Parts = Pick<Engine, "db" | "paths">;

/** The directory that containers see. */
export function volumeData(paths: Engine["paths"], name: string): string {
  return `${paths.volumes}/${name}/_data`;
}

/** Has the volume something to be mounted? Options without type and device only describe. */
export function isMountedVolume({ options }: Pick<VolumeRow, "options">): boolean {
  return options.type !== undefined || options.device !== undefined;
}

/** Mounts what the volume's options say, unless it is mounted. Quiet for plain volumes. */
export function mountVolume(engine: Parts, row: VolumeRow): void {
  if (!isMountedVolume(row)) return;
  const directory = volumeData(engine.paths, row.name);
  using _lock = lockFile(`${engine.paths.locks}/mount-of-volume-${row.name}`);
  if (mountAt(directory) !== null) return;
  const { type = "none", device = type, o = "" } = row.options;
  const { flags, data } = splitMountOptions(o.split(",").filter((word) => word !== ""));
  const isBind = flags.includes("bind") || flags.includes("rbind");
  try {
    mount({
      source: device,
      target: directory,
      flags: type === "bind" && !isBind ? ["bind", ...flags] : flags,
      data,
      ...(isBind || type === "bind" ? {} : { type }),
    });
  } catch (cause) {
    if (!(cause instanceof CoracleError)) throw cause;
    throw new CoracleError(cause.code, `cannot mount volume "${row.name}"`, {
      why: cause.why ?? cause.what,
      hint: `look at its options: "coracle volume inspect ${row.name}"`,
      cause,
    });
  }
}

/** Unmounts the volumes of a container that has ended, but for those that another one is using. */
export function unmountVolumes(engine: Parts, row: Pick<ContainerRow, "id">): void {
  for (const volume of volumesOfContainer(engine.db, row.id)) {
    if (!isMountedVolume(volume)) continue;
    using _lock = lockFile(`${engine.paths.locks}/mount-of-volume-${volume.name}`);
    const isUsed = usersOfVolume(engine.db, volume.name).some((id) => {
      const phase = id === row.id ? undefined : containerById(engine.db, id)?.phase;
      return phase === "created" || phase === "started";
    });
    if (!isUsed) unmountVolume(volumeData(engine.paths, volume.name));
  }
}

/** Quiet when nothing is mounted. */
export function unmountVolume(directory: string): void {
  if (exists(directory) && mountAt(directory) !== null) unmount(directory, { detach: true });
}
