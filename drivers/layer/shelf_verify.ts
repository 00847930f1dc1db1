/** Reading a layer of a shelf as it lies on the disk, and finding what is not whole. */
import { CoracleError } from "../../core/errors.ts";
import { type Fd, lookAt, O, openAt, readlinkAt } from "../../core/sys/at.ts";
import { type LayerId, raw, text, type TreeSink } from "../../core/terms.ts";
import type { Finding, LayerDriver, LayerRef } from "./driver.ts";
import { inside, layerPath, type Made, madeOf, readMade, type Shelf } from "./shelf.ts";

/** See `LayerDriver.openTree`. */
export function openLayerTree(
  shelf: Shelf,
  id: LayerId,
  folder: (made: Made) => string = () => "diff",
): Fd {
  const path = inside(layerPath(id), folder(madeOf(shelf, id, "read")));
  return openAt(shelf.fd, path, O.RDONLY | O.DIRECTORY);
}

/**
 * What is not whole on the shelf, of the layer and its chain; `folder` names what holds a layer's
 * files.
 */
export function verifyShelf(
  shelf: Shelf,
  layer: LayerRef,
  folder: (made: Made) => string = () => "diff",
): Finding[] {
  const found: Finding[] = [];
  for (const id of [layer.id, ...layer.chain]) {
    const path = layerPath(id);
    const made = readMade(shelf, path);
    const wanted = made === null ? "made" : folder(made);
    if (made !== null && lookAt(shelf.fd, inside(path, wanted)) !== null) {
      if (!hasShortName(shelf, id, made)) {
        const detail = `its short name "l/${made.short}" is gone`;
        found.push({ layer: id, path: raw(`l/${made.short}`), kind: "missing", detail });
      }
      continue;
    }
    const isThere = lookAt(shelf.fd, path) !== null;
    const detail = isThere ? `its "${wanted}" is gone` : "its directory is gone";
    found.push({ layer: id, path: raw(isThere ? wanted : ""), kind: "missing", detail });
  }
  return found;
}

function hasShortName(shelf: Shelf, id: LayerId, made: Made): boolean {
  const link = raw(`l/${made.short}`);
  if (lookAt(shelf.fd, link)?.type !== "symlink") return false;
  return text(readlinkAt(shelf.fd, link)) === `../layers/${id}/diff`;
}

/** The layer is read as deep as asked; what cannot be read is a finding. The store knows digests. */
export function verifyByReading(
  driver: Pick<LayerDriver, "changes" | "entries">,
  layer: LayerRef,
  depth: "exists" | "stat" | "digest",
): Finding[] {
  const nowhere: TreeSink = { entry() {}, write() {}, end() {} };
  try {
    if (depth === "stat") driver.changes(layer);
    else if (depth === "digest") driver.entries(layer, nowhere);
    return [];
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    return [{ layer: layer.id, path: raw(""), kind: "changed", detail: error.message }];
  }
}
