/** `system check`: all that can be wrong in a store, found without changing anything. */
import type { Engine } from "../engine.ts";
import { leftoverDrivers } from "../leftover_layers.ts";
import { checkContainers, checkImages } from "./check_images.ts";
import { checkLayers, type CheckOptions } from "./check_layers.ts";
import { type Finding, finding } from "./finding.ts";

/** Layers first, then images and containers. */
export function checkStore(
  engine: Pick<Engine, "db" | "paths" | "layers">,
  options: CheckOptions,
): Finding[] {
  return [
    ...checkLayers(engine, options),
    ...checkImages(engine, options),
    ...checkContainers(engine),
    ...leftoverDrivers(engine.db).map((id) =>
      finding("driver-leftover", {
        object: "store",
        id,
        detail: `a migration that was interrupted left layers of the driver "${id}"`,
      })
    ),
  ];
}
