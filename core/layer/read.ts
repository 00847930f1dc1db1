/** Reading layers: what they changed, their entries, their space. Nothing is mounted for it. */
import type { Sent } from "../../drivers/layer/driver.ts";
import type { Change, LayerId, TreeSink, Usage } from "../terms.ts";
import { type LayerStore, refOf } from "./store.ts";

/** What the layer changed against the layers below it. */
export function layerChanges(store: LayerStore, id: LayerId): Change[] {
  return store.driver.changes(refOf(store, id, "compare"));
}

/** Sends the layer's delta, or the whole tree it shows, into `sink`. */
export function sendLayer(
  store: LayerStore,
  id: LayerId,
  sink: TreeSink,
  options: { readonly whole?: boolean } = {},
): Sent {
  return store.driver.entries(refOf(store, id, "read"), sink, options);
}

/** Space of the layer alone. */
export function layerUsage(store: LayerStore, id: LayerId): Usage {
  return store.driver.usage(refOf(store, id, "measure"));
}
