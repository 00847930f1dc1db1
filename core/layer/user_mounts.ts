/**
 * Mounts that the user asks for by command and that outlive the command: counted, so that two
 * scripts that mount one layer do not take it from each other.
 */
import type { LayerId } from "../terms.ts";
import { isUserHolder, lastUserHolder, nextUserHolder } from "./holders.ts";
import {
  layerHolders,
  type LayerStore,
  mountLayer,
  type MountLayerOptions,
  unmountLayer,
} from "./store.ts";

/** Mounts the layer once more for the user and returns the directory. */
export function mountForUser(
  store: LayerStore,
  id: LayerId,
  options: MountLayerOptions = {},
): string {
  return mountLayer(store, id, nextUserHolder, options);
}

/**
 * Ends one of the user's mounts, with `all` every one of them; nothing when there is none. The last
 * of all holders unmounts the layer; busy, it fails and stays, unless `detach`. Returns whether the
 * user had it mounted.
 */
export function unmountForUser(
  store: LayerStore,
  id: LayerId,
  options: { readonly all?: boolean; readonly detach?: boolean } = {},
): boolean {
  let had = false;
  for (;;) {
    const { ended } = unmountLayer(store, id, lastUserHolder, options);
    had ||= ended;
    if (!ended || options.all !== true) return had;
  }
}

/** How often the user has it mounted. */
export function userMounts(store: LayerStore, id: LayerId): number {
  return layerHolders(store, id).filter(isUserHolder).length;
}
