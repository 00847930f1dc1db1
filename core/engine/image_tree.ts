/** `image tree`: the layers an image is made of, or what was made from it. */
import { layerById, layerChain, layerChildren, type LayerRow } from "../state/layers.ts";
import type { LayerId } from "../terms.ts";
import type { Engine } from "./engine.ts";
import { findImage } from "./images.ts";
import { listAllImages } from "./list_images.ts";

export interface TreeNode {
  readonly id: LayerId;
  /** Bytes of the layer alone. */
  readonly size: number;
  /** Names of the images whose top layer it is. */
  readonly names: readonly string[];
  readonly children: readonly TreeNode[];
}

export interface ImageTree {
  readonly id: string;
  readonly names: readonly string[];
  /** Bytes of the image. */
  readonly size: number;
  /** From the bottom up; with `whatRequires` the top layer and beside it what was made from it. */
  readonly layers: readonly TreeNode[];
}

/** Fails with `notfound`. */
export function imageTree(
  engine: Pick<Engine, "db">,
  wanted: string,
  options: { readonly whatRequires?: boolean } = {},
): ImageTree {
  const { db } = engine;
  const { row } = findImage(engine, wanted);
  const images = listAllImages(engine);
  const namesOf = (id: LayerId) =>
    images.filter((image) => image.row.layer === id).flatMap(({ names }) => names).sort();
  const node = (id: LayerId, children: readonly TreeNode[] = []): TreeNode => ({
    id,
    size: (layerById(db, id) as LayerRow).size,
    names: namesOf(id),
    children,
  });
  const above = (id: LayerId): TreeNode[] =>
    layerChildren(db, id).map((child) => node(child, above(child)));
  const top = row.layer;
  const layers = top === null
    ? []
    : options.whatRequires
    ? [node(top), ...above(top)]
    : [top, ...layerChain(db, top)].reverse().map((id) => node(id));
  const names = images.find((image) => image.row.id === row.id)?.names ?? [];
  return { id: row.id, names, size: row.size, layers };
}
