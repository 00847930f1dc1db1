/** From what the user typed (name, id, the beginning of an id) to the container's row. */
import { CoracleError } from "../errors.ts";
import {
  containerById,
  containerByName,
  type ContainerRow,
  containersByIdPrefix,
  listContainers,
} from "../state/containers.ts";
import type { Database } from "../state/database.ts";
import type { ContainerId } from "../terms.ts";

export type { ContainerRow };

/**
 * The container called `wanted`: a full name first, then an id or the unique beginning of one.
 * Fails with `notfound` ("no such container") and with `usage` when several ids begin so.
 */
export function findContainer(db: Database, wanted: string): ContainerRow {
  const row = lookForContainer(db, wanted);
  if (row !== undefined) return row;
  throw new CoracleError("notfound", `cannot find container "${wanted}"`, {
    why: `no container with name or ID "${wanted}" found: no such container`,
    hint: 'list them with "coracle ps --all"',
  });
}

/** As `findContainer`, but undefined when there is none. */
export function lookForContainer(db: Database, wanted: string): ContainerRow | undefined {
  const name = wanted.startsWith("/") ? wanted.slice(1) : wanted;
  const named = containerByName(db, name);
  if (named !== undefined) return named;
  if (name.length === 64) return containerById(db, name as ContainerId);
  const [first, second] = containersByIdPrefix(db, name);
  if (second !== undefined) {
    throw new CoracleError("usage", `cannot choose container "${wanted}"`, {
      why: `more than one result for container name or ID "${wanted}"`,
      hint: "give more characters of the id",
    });
  }
  return first;
}

/** The container made last. Fails with `notfound` when there is none. */
export function latestContainer(db: Database): ContainerRow {
  const row = listContainers(db).at(-1);
  if (row !== undefined) return row;
  throw new CoracleError("notfound", "cannot find the latest container", {
    why: "no such container: there is none",
  });
}

/** Every container, oldest first. */
export function allContainers(db: Database): ContainerRow[] {
  return listContainers(db);
}
