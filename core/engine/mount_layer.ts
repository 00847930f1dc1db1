/** `layer mount` and `layer unmount`. */
import { mountForUser, unmountForUser } from "../layer/user_mounts.ts";
import type { Engine } from "./engine.ts";
import type { LayerRow } from "./find_layer.ts";

/** Mounts it once more for the user and returns the directory. */
export function mountUserLayer({ layers }: Pick<Engine, "layers">, row: LayerRow): string {
  return mountForUser(layers, row.id);
}

/** Ends one of the user's mounts, with `force` all, also when processes use files in it. */
export function unmountUserLayer(
  { layers }: Pick<Engine, "layers">,
  row: LayerRow,
  { force }: { readonly force: boolean },
): void {
  unmountForUser(layers, row.id, { all: force, detach: force });
}
