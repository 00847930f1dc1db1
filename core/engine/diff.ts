/** `diff`: what a container, an image or a layer changed. */
import { CoracleError } from "../errors.ts";
import { compareLayers } from "../layer/compare.ts";
import { layerChanges } from "../layer/read.ts";
import { type Change, type LayerId, text } from "../terms.ts";
import type { Engine } from "./engine.ts";
import { lookForContainer } from "./find_container.ts";
import { type LayerRow, lookForLayer } from "./find_layer.ts";
import { lookForImage } from "./images.ts";

type Parts = Pick<Engine, "db" | "layers">;
export type DiffKind = "container" | "image" | "layer";

/** What the runtime itself makes in a container; Podman leaves it out too. Without leading slash. */
const MADE_BY_RUNTIME: ReadonlySet<string> = new Set([
  "dev",
  "etc/hostname",
  "etc/hosts",
  "etc/mtab",
  "etc/resolv.conf",
  "proc",
  "run",
  "run/.containerenv",
  "run/notify",
  "run/secrets",
  "sys",
]);

/** Finds the layer of a container, an image (its top layer; null: it has none) or a layer. */
export function layerOf(
  engine: Parts,
  wanted: string,
  kinds: readonly DiffKind[],
): LayerId | null {
  const { db } = engine;
  const container = kinds.includes("container") ? lookForContainer(db, wanted) : undefined;
  if (container !== undefined) return container.layer ?? rootless(wanted);
  const image = kinds.includes("image") ? lookForImage(db, wanted) : undefined;
  if (image !== undefined) return image.row.layer;
  const layer = kinds.includes("layer") ? lookForLayer(db, wanted) : undefined;
  if (layer !== undefined) return layer.id;
  throw new CoracleError("notfound", `cannot compare "${wanted}"`, {
    why: `${wanted} not found: no such ${kinds.join(", no such ")}, ` +
      (kinds.includes("container") ? "layer not known" : "image not known"),
  });
}

function rootless(wanted: string): never {
  throw new CoracleError("unsupported", `cannot compare container "${wanted}"`, {
    why: "it runs on a root directory of the user's, of which nobody knows how it was",
  });
}

/** What `layer changes` lists: every path, the runtime's own included. */
export function changesOfLayer(engine: Parts, row: LayerRow, against?: LayerRow): Change[] {
  const { layers } = engine;
  const changes = against === undefined || against.id === row.parent
    ? layerChanges(layers, row.id)
    : compareLayers(layers, against.id, row.id).changes;
  return changes.filter(({ path }) => path !== "");
}

/** Against its parent, or against `other`. In order of paths as they are shown. */
export function diffOf(
  engine: Parts,
  wanted: string,
  options: { readonly other?: string | undefined; readonly kinds: readonly DiffKind[] },
): Change[] {
  const id = layerOf(engine, wanted, options.kinds);
  const { other } = options;
  const changes = id === null
    ? []
    : other === undefined
    ? layerChanges(engine.layers, id)
    : compareLayers(engine.layers, layerOf(engine, other, ["container", "image", "layer"]), id)
      .changes;
  return changes.filter(({ path }) => path !== "" && !MADE_BY_RUNTIME.has(text(path)));
}
