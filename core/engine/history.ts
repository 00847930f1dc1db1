/** `history`: the steps that made an image, newest first, with the space of each layer. */
import { layerById, layerChain } from "../state/layers.ts";
import { namesOfImage } from "../state/images.ts";
import type { ImageHistory, ImageId, LayerId } from "../terms.ts";
import type { Engine } from "./engine.ts";
import { findImage, readImageConfig } from "./images.ts";

export interface HistoryStep {
  /** The image's id for the newest step; earlier ones have none of their own. */
  readonly id: ImageId | null;
  /** RFC 3339, as the config has it; "" when it does not say. */
  readonly created: string;
  readonly createdBy: string;
  readonly comment: string;
  /** Bytes of the step's layer; 0 for a step without one. */
  readonly size: number;
  /** Names of the image, on the newest step. */
  readonly tags: readonly string[];
}

/** Fails with `notfound`. */
export function imageHistory(engine: Pick<Engine, "db" | "paths">, wanted: string): HistoryStep[] {
  const { row } = findImage(engine, wanted);
  const config = readImageConfig(engine, row);
  const sizes = layerSizes(engine, row.layer);
  const history = config.history ?? sizes.map((): ImageHistory => ({}));
  let layer = 0;
  const steps = history.map((step): HistoryStep => ({
    id: null,
    created: step.created ?? "",
    createdBy: step.created_by ?? "",
    comment: step.comment ?? "",
    size: step.empty_layer === true ? 0 : sizes[layer++] ?? 0,
    tags: [],
  })).reverse();
  const tags = namesOfImage(engine.db, row.id);
  return steps.map((step, i) => i === 0 ? { ...step, id: row.id, tags } : step);
}

/** Bytes of each layer, bottom first. */
function layerSizes(engine: Pick<Engine, "db">, top: LayerId | null): number[] {
  if (top === null) return [];
  return [top, ...layerChain(engine.db, top)].reverse()
    .map((id) => layerById(engine.db, id)?.size ?? 0);
}
