/** From what the user typed (name, id, the beginning of an id) to the layer's row. */
import { CoracleError } from "../errors.ts";
import type { Database } from "../state/database.ts";
import { layerByName, type LayerRow, layersByIdPrefix } from "../state/layers.ts";

export type { LayerRow };

/**
 * The layer called `wanted`: a name first, then an id or the unique beginning of one. Fails with
 * `notfound` ("no such layer") and with `usage` when several ids begin so.
 */
export function findLayer(db: Database, wanted: string): LayerRow {
  const row = lookForLayer(db, wanted);
  if (row !== undefined) return row;
  throw new CoracleError("notfound", `cannot find layer "${wanted}"`, {
    why: "no such layer",
    hint: 'list them with "coracle layer ls"',
  });
}

/** As `findLayer`, but undefined when there is none. */
export function lookForLayer(db: Database, wanted: string): LayerRow | undefined {
  const named = layerByName(db, wanted);
  if (named !== undefined) return named;
  const [first, second] = layersByIdPrefix(db, wanted);
  if (second === undefined || first?.id === wanted) return first;
  throw new CoracleError("usage", `cannot choose layer "${wanted}"`, {
    why: "several ids begin so",
    hint: "give more characters of the id",
  });
}
