/** Gives a container another name (C19); everything of it is filed under its id, so only the record changes. */
import { checkName } from "../container/names.ts";
import { CoracleError, hasCode } from "../errors.ts";
import { changeContainer, containerByName, type ContainerRow } from "../state/containers.ts";
import { withContainer } from "./container_lock.ts";
import type { Engine } from "./engine.ts";
import { rewriteContainerNote } from "./store_records.ts";

/** Fails with `usage` on a name that is none, and with `exists` when another container has it. */
export function renameContainer(
  engine: Pick<Engine, "db" | "paths">,
  row: ContainerRow,
  name: string,
): void {
  checkName(name);
  withContainer(engine, row.id, (fresh) => {
    if (fresh.name === name) return;
    if (containerByName(engine.db, name) !== undefined) throw taken(fresh, name);
    try {
      changeContainer(engine.db, fresh.id, { name });
      rewriteContainerNote(engine, { ...fresh, name });
    } catch (error) {
      throw hasCode(error, "exists") ? taken(fresh, name) : error;
    }
  });
}

function taken(row: ContainerRow, name: string): CoracleError {
  return new CoracleError("exists", `cannot rename container "${row.name}"`, {
    why: `name ${name} already in use, cannot rename container ${row.id}: ` +
      "container already exists",
  });
}
