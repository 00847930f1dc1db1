/** Commands that take several layers: do each, and say which could not be done. */
import { CoracleError } from "../errors.ts";
import { findLayer, type LayerRow } from "../engine/find_layer.ts";
import type { Context } from "./context.ts";
import { tellError } from "./each_container.ts";

/** Exit status: that of the first failure, 0 when there was none. */
export function eachLayer(
  context: Context,
  names: readonly string[],
  work: (row: LayerRow, wanted: string) => void,
): number {
  let status = 0;
  for (const name of names) {
    try {
      work(findLayer(context.engine.db, name), name);
    } catch (error) {
      if (status === 0) status = error instanceof CoracleError ? error.exitStatus : 125;
      tellError(context, error);
    }
  }
  return status;
}
