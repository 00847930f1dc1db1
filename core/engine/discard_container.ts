/** Takes a container away: its record first, then its content, so that a kill leaves only what recovery finds. */
import { removeLayer } from "../layer/store.ts";
import {
  changeContainer,
  type ContainerRow,
  deleteContainer,
  execsOf,
} from "../state/containers.ts";
import { transaction } from "../state/database.ts";
import { deleteLayer } from "../state/layers.ts";
import { deleteVolume, usersOfVolume, volumesOfContainer } from "../state/volumes.ts";
import { removeFile, removeTree } from "../sys/files.ts";
import { containerFiles } from "./container_files.ts";
import type { Engine } from "./engine.ts";
import { releaseLeftovers, releaseRun } from "./release_container.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">;

/** With the lock held, whatever is left of its run. */
export function discardLocked(
  engine: Parts,
  row: ContainerRow,
  options: { readonly volumes?: boolean } = {},
): void {
  const { db } = engine;
  const files = containerFiles(engine.paths, row.id);
  if (row.phase === "created" || row.phase === "started" || execsOf(db, row.id).length > 0) {
    // A kill from here on leaves "removing": recovery does the rest.
    changeContainer(db, row.id, { phase: "removing" });
    releaseRun(engine, row);
  }
  releaseLeftovers(engine, row);
  const anonymous = options.volumes
    ? volumesOfContainer(db, row.id).filter((volume) => volume.isAnonymous)
    : [];
  const goneVolumes: string[] = [];
  transaction(db, () => {
    deleteContainer(db, row);
    if (row.layer !== null) deleteLayer(db, row.layer);
    for (const { name } of anonymous) {
      if (usersOfVolume(db, name).length > 0) continue;
      deleteVolume(db, name);
      goneVolumes.push(name);
    }
  });
  if (row.layer !== null) removeLayer(engine.layers, row.layer, { endUserMounts: true });
  for (const name of goneVolumes) removeTree(`${engine.paths.volumes}/${name}`);
  removeTree(files.data);
  removeTree(files.bundle);
  removeFile(files.exit);
  removeFile(files.lock);
}
