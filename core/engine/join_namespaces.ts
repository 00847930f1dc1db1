/** Paths of the namespaces a container joins: another container's, or the user's own. */
import { CoracleError } from "../errors.ts";
import type { CreateRequest, NamespaceMode } from "../container/request.ts";
import type { NamespaceType } from "../container/oci/spec.ts";
import { stateOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { findContainer } from "./find_container.ts";

type Joins = Partial<Record<NamespaceType, string>>;

/** Fails with `state` when the other container does not run, and `notfound` when there is none. */
export function joinNamespaces(
  engine: Pick<Engine, "db" | "paths">,
  request: CreateRequest,
): Joins {
  const wanted: readonly (readonly [NamespaceType, string, NamespaceMode | undefined])[] = [
    ["pid", "pid", request.pid],
    ["ipc", "ipc", request.ipc],
    ["uts", "uts", request.uts],
    ["network", "net", request.network],
    ["cgroup", "cgroup", request.cgroupns],
  ];
  const joins: Joins = {};
  for (const [type, file, mode] of wanted) {
    if (mode?.kind === "path") joins[type] = mode.path;
    if (mode?.kind !== "container") continue;
    const other = findContainer(engine.db, mode.container);
    const state = stateOf(engine, other);
    if (state !== "running" && state !== "paused" && state !== "created") {
      throw new CoracleError("state", `cannot join the ${type} namespace of "${other.name}"`, {
        why: `container ${other.id} is not running: container state improper`,
        hint: `start it first: "coracle start ${other.name}"`,
      });
    }
    joins[type] = `/proc/${other.pid}/ns/${file}`;
  }
  return joins;
}
