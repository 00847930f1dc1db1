/** `volume rm --force`: the containers that use a volume go first. */
import { containerById } from "../state/containers.ts";
import { usersOfVolume } from "../state/volumes.ts";
import type { Engine } from "./engine.ts";
import { removeContainer } from "./remove_container.ts";

/** Stops and removes every container that uses the volume; `timeout` in seconds until SIGKILL. */
export function freeVolume(
  engine: Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">,
  volume: string,
  options: { readonly timeout?: number } = {},
): void {
  for (const id of usersOfVolume(engine.db, volume)) {
    const row = containerById(engine.db, id);
    if (row !== undefined) removeContainer(engine, row, { force: true, ...options });
  }
}
