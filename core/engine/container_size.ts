/** How much space a container's files take: its own layer, and all layers it is made of. */
import { layerUsage } from "../layer/read.ts";
import type { ContainerRow } from "../state/containers.ts";
import { layerById, layerChain } from "../state/layers.ts";
import type { Engine } from "./engine.ts";

export interface ContainerSize {
  /** Bytes in the container's own layer. */
  readonly writable: number;
  /** Bytes of it and of the image's layers below. */
  readonly whole: number;
}

/** Measured now; nothing is mounted. A container on a root directory of the user's has no layer. */
export function containerSize(
  engine: Pick<Engine, "db" | "layers">,
  row: Pick<ContainerRow, "layer">,
): ContainerSize {
  if (row.layer === null) return { writable: 0, whole: 0 };
  const writable = layerUsage(engine.layers, row.layer).bytes;
  const below = layerChain(engine.db, row.layer)
    .reduce((sum, id) => sum + (layerById(engine.db, id)?.size ?? 0), 0);
  return { writable, whole: writable + below };
}
