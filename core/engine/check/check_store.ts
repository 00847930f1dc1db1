/** `system check`: all that can be wrong in a store, found without changing anything. */
import { meta } from "../../state/database.ts";
import type { Engine } from "../engine.ts";
import { checkContainers, checkImages } from "./check_images.ts";
import { checkLayers, type CheckOptions } from "./check_layers.ts";
import { type Finding, finding } from "./finding.ts";

/** Key of the fact that a migration has left layers of the driver before. */
export const LEFTOVER = "layer_driver_before";

/** Layers first, then images and containers. */
export function checkStore(
  engine: Pick<Engine, "db" | "paths" | "layers">,
  options: CheckOptions,
): Finding[] {
  const before = meta(engine.db, LEFTOVER);
  return [
    ...checkLayers(engine, options),
    ...checkImages(engine, options),
    ...checkContainers(engine),
    ...(before === undefined ? [] : [finding("driver-leftover", {
      object: "store",
      id: before,
      detail: `layers of the driver "${before}" are left of a migration`,
    })]),
  ];
}
