/** The flat trees of the copy driver as a whole: a cache that can go at any time nobody shows it. */
import { lookAt } from "../../core/sys/at.ts";
import { removeAt } from "../../core/sys/files.ts";
import { type LayerId, raw } from "../../core/terms.ts";
import type { LayerStage } from "./driver.ts";
import { LAYER_ID, layerPath, namesIn, type Shelf, toTrash } from "./shelf.ts";
import { mountedView } from "./shelf_mount.ts";

export function removeFlat(shelf: Shelf, id: LayerId): void {
  const trashed = toTrash(shelf, raw(`flat/${id}`), `flat-${id}`);
  if (trashed !== null) removeAt(shelf.fd, trashed);
}

function flatIds(shelf: Shelf): LayerId[] {
  return namesIn(shelf, "flat").filter((name): name is LayerId => LAYER_ID.test(name));
}

/** Those of layers that are gone. */
export function removeOrphanFlats(shelf: Shelf): void {
  for (const id of flatIds(shelf)) {
    if (lookAt(shelf.fd, layerPath(id)) === null) removeFlat(shelf, id);
  }
}

function removeIdleFlats(shelf: Shelf): void {
  for (const id of flatIds(shelf)) if (mountedView(shelf, id) === null) removeFlat(shelf, id);
}

/** The stage of a layer that replaces another: flat trees over that one hold its old files. */
export function droppingFlats(shelf: Shelf, stage: LayerStage): LayerStage {
  return {
    entry: (entry) => stage.entry(entry),
    write: (bytes) => stage.write(bytes),
    end: () => stage.end(),
    commit: () => {
      // Before, so that a kill leaves none of them; after, for one that was made in between.
      removeIdleFlats(shelf);
      stage.commit();
      removeIdleFlats(shelf);
    },
    abort: () => stage.abort(),
  };
}
