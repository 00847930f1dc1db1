/** `update`: other limits for a container that lives, until it ends. */
import type { ResourceRequest } from "../container/request.ts";
import { limitsOf } from "../container/oci/linux.ts";
import { CoracleError } from "../errors.ts";
import type { ContainerRow } from "../state/containers.ts";
import { withContainer } from "./container_lock.ts";
import { runtimeOf } from "./container_runtime.ts";
import { derived, recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";

/**
 * Sets the given limits and leaves the others. Its next start has those it was made with again, as
 * in Podman. Fails with `state` when it does not run, and with `usage` when nothing is given.
 */
export function updateContainer(
  engine: Pick<Engine, "db" | "paths" | "runtime" | "openRuntime">,
  row: ContainerRow,
  wanted: ResourceRequest,
): void {
  const limits = limitsOf(wanted);
  const what = `cannot update container "${row.name}"`;
  if (Object.keys(limits).length === 0) {
    throw new CoracleError("usage", what, { why: "no limit was given" });
  }
  withContainer(engine, row.id, (fresh) => {
    const { state } = derived(engine, fresh);
    if (state !== "running" && state !== "paused" && state !== "created") {
      throw new CoracleError("state", what, {
        why: `container ${row.id} is not running: container state improper`,
        hint: "limits last until the container ends; give them when it is made to keep them",
      });
    }
    if (recordOf(fresh).resolved.request.cgroups === "disabled") {
      throw new CoracleError("unsupported", what, { why: "it was made with --cgroups disabled" });
    }
    runtimeOf(engine, fresh).update(fresh.id, { resources: { ...limits } });
  });
}
