/** `image mount` and `image unmount`: the tree of an image, read-only, for the user, counted. */
import { CoracleError } from "../errors.ts";
import { allHolders, isUserHolder } from "../layer/holders.ts";
import { isLayerMounted } from "../layer/store.ts";
import { mountForUser, unmountForUser, userMounts } from "../layer/user_mounts.ts";
import type { ImageRow } from "../state/images.ts";
import { layerChain } from "../state/layers.ts";
import type { LayerId } from "../terms.ts";
import type { Engine } from "./engine.ts";
import { listAllImages, type ListedImage } from "./list_images.ts";

type Parts = Pick<Engine, "db" | "layers">;

export interface MountedImage {
  readonly image: ListedImage;
  readonly path: string;
}

/** Mounts it once more and returns the directory. Fails with `unsupported` for one without layers. */
export function mountImage({ layers }: Parts, row: ImageRow): string {
  return mountForUser(layers, layerOf(row, "mount"));
}

/** Ends one mount, with `force` all, also when processes use files in it. False: there was none. */
export function unmountImage(
  { layers }: Parts,
  row: ImageRow,
  options: { readonly force?: boolean } = {},
): boolean {
  const { force = false } = options;
  const id = layerOf(row, "unmount");
  const isMounted = userMounts(layers, id) > 0;
  if (isMounted) unmountForUser(layers, id, { all: force, detach: force });
  return isMounted;
}

function layerOf(row: ImageRow, verb: string): LayerId {
  if (row.layer !== null) return row.layer;
  throw new CoracleError("unsupported", `cannot ${verb} image "${row.id.slice(0, 12)}"`, {
    why: "it has no layers",
  });
}

/** Images that the user has mounted. */
export function mountedImages(engine: Parts): MountedImage[] {
  const { db, layers } = engine;
  const held = allHolders(layers.holders);
  return listAllImages(engine).flatMap((image) => {
    const id = image.row.layer;
    if (id === null || held.get(id)?.some(isUserHolder) !== true) return [];
    if (!isLayerMounted(layers, id)) return [];
    const { path } = layers.driver.plan({ id, chain: layerChain(db, id) }, "ro");
    return [{ image, path }];
  });
}
