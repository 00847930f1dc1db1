/** The runtime a container was made with: it stays the same whatever a later command prefers. */
import type { RuntimeDriver } from "../../drivers/runtime/driver.ts";
import type { ContainerRow } from "../state/containers.ts";
import type { Engine } from "./engine.ts";

/** How a row names its runtime: the driver's name, and the program's path after an `@`. */
export function runtimeText(runtime: RuntimeDriver): string {
  return `${runtime.name}@${runtime.path}`;
}

export function runtimeOf(
  engine: Pick<Engine, "runtime" | "openRuntime">,
  row: Pick<ContainerRow, "runtime">,
): RuntimeDriver {
  if (row.runtime === runtimeText(engine.runtime)) return engine.runtime;
  return engine.openRuntime(row.runtime);
}
