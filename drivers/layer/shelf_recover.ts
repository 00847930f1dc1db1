/** What a kill or a reboot left on a shelf: found by looking, removed unless its maker lives. */
import { isErrno } from "../../core/errors.ts";
import { lookAt, readlinkAt, symlinkAt } from "../../core/sys/at.ts";
import { removeAt } from "../../core/sys/files.ts";
import { unmountIfMounted } from "../../core/sys/mount.ts";
import { type LayerId, raw, type RawPath, text } from "../../core/terms.ts";
import type { RecoveryReport } from "./driver.ts";
import {
  LAYER_ID,
  layerPath,
  listShelf,
  namesIn,
  ownerLives,
  readMade,
  removeMountpoint,
  removeName,
  type Shelf,
  toTrash,
} from "./shelf.ts";

/** See `LayerDriver.recover`. */
export function recoverShelf(shelf: Shelf, isKnown: (id: LayerId) => boolean): RecoveryReport {
  const removed: string[] = [];
  const claim = (path: RawPath, name: string) => {
    const made = readMade(shelf, path);
    const trashed = toTrash(shelf, path, name);
    if (trashed === null) return;
    removed.push(name);
    // A layer that was replaced left a short name that leads to the one in its place.
    if (made !== null) removeName(shelf, raw(`l/${made.short}`));
    removeAt(shelf.fd, trashed);
  };
  for (const folder of ["stages", "trash"]) {
    for (const name of namesIn(shelf, folder)) {
      const [id = name] = name.split(".");
      if (!ownerLives(name.slice(name.lastIndexOf(".") + 1))) claim(raw(`${folder}/${name}`), id);
    }
  }
  const layers = listShelf(shelf);
  for (const id of layers) {
    if (isKnown(id)) continue;
    const made = readMade(shelf, layerPath(id));
    // Asked again once the owner is seen dead: it may have made the layer known and ended since.
    if (made !== null && ownerLives(made.owner) || isKnown(id)) continue;
    // It may still be mounted by a container whose record is gone.
    unmountIfMounted(`${shelf.root}/mnt/${id}`, { detach: true });
    claim(layerPath(id), id);
  }
  repairShortNames(shelf, listShelf(shelf));
  clearMountpoints(shelf);
  return { removed, bytes: 0 };
}

/** `l/` follows from the records; walked only when the numbers differ. */
function repairShortNames(shelf: Shelf, layers: readonly LayerId[]): void {
  const links = namesIn(shelf, "l");
  const stages = namesIn(shelf, "stages").length;
  if (links.length === layers.length + stages) return;
  const wanted = new Map<string, LayerId>();
  for (const id of layers) {
    const made = readMade(shelf, layerPath(id));
    if (made !== null) wanted.set(made.short, id);
  }
  // Names that no layer has may belong to stages that are being begun right now.
  if (stages === 0) {
    for (const name of links) {
      if (!wanted.has(name) && isNobodys(shelf, name)) removeName(shelf, raw(`l/${name}`));
    }
  }
  const there = new Set(links);
  for (const [short, id] of wanted) {
    if (!there.has(short)) symlinkAt(raw(`../layers/${id}/diff`), shelf.fd, raw(`l/${short}`));
  }
}

/** It leads nowhere, or to a layer that goes by another name. */
function isNobodys(shelf: Shelf, short: string): boolean {
  try {
    const target = text(readlinkAt(shelf.fd, raw(`l/${short}`)));
    const [, path] = /^\.\.\/(layers\/[^/]+)\/diff$/.exec(target) ?? [];
    if (path === undefined || lookAt(shelf.fd, raw(path)) === null) return true;
    return (readMade(shelf, raw(path))?.short ?? short) !== short;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

function clearMountpoints(shelf: Shelf): void {
  for (const name of namesIn(shelf, "mnt")) {
    if (LAYER_ID.test(name) && lookAt(shelf.fd, layerPath(name as LayerId)) === null) {
      removeMountpoint(shelf, name as LayerId);
    }
  }
}
