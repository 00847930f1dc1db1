/** Where a container's volumes and image mounts come from on the host, made ready for a start. */
import { checkBindSources } from "../container/host/bind_sources.ts";
import { CoracleError } from "../errors.ts";
import type { ContainerRow } from "../state/containers.ts";
import { volumeByName } from "../state/volumes.ts";
import { recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { giveTree } from "../container/host/give_tree.ts";
import type { ResolvedUser } from "../container/users.ts";
import { mountVolume, volumeData } from "./volume_mount.ts";
import { fillVolume } from "./volume_store.ts";

/** The user of the container, for the mount option `U`. */
type Owner = Pick<ResolvedUser, "uid" | "gid">;

/**
 * Host directories by volume name. Volumes that were never used are filled from the image below
 * `root`, the mounted root. Fails with `usage` when a bind mount's source is not there.
 */
export function mountSources(
  engine: Pick<Engine, "db" | "paths">,
  row: ContainerRow,
  inside: { readonly root: number; readonly user: Owner },
): Record<string, string> {
  const { mounts } = recordOf(row).resolved;
  checkBindSources(mounts);
  const sources: Record<string, string> = {};
  for (const mount of mounts) {
    if (mount.type === "bind" && mount.chown) giveTree(mount.source, inside.user);
    if (mount.type !== "volume") continue;
    const volume = volumeByName(engine.db, mount.source);
    if (volume === undefined) {
      throw new CoracleError("notfound", `cannot mount volume "${mount.source}"`, {
        why: `no volume with name "${mount.source}" found: no such volume`,
      });
    }
    mountVolume(engine, volume);
    if (!mount.noCopy) {
      fillVolume(engine, volume, {
        root: inside.root,
        destination: mount.destination,
      });
    }
    sources[mount.source] = volumeData(engine.paths, mount.source);
    if (mount.chown) giveTree(volumeData(engine.paths, mount.source), inside.user);
  }
  return sources;
}
