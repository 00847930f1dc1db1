/** `layer create`, `layer commit`, `layer rm`: the life of a layer of the user's own. */
import { CoracleError } from "../errors.ts";
import { createWritable, removeLayer, sealLayer } from "../layer/store.ts";
import { unmountForUser } from "../layer/user_mounts.ts";
import { layerByName, usersOfLayer } from "../state/layers.ts";
import type { LayerId } from "../terms.ts";
import type { Engine } from "./engine.ts";
import { findLayer, type LayerRow, lookForLayer } from "./find_layer.ts";

type Parts = Pick<Engine, "db" | "layers">;

/** As names of containers; an id of ours is never one, so that a name cannot hide a layer. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/**
 * An empty writable layer, on `parent` (name, id or the beginning of one) or on nothing. Fails with
 * `notfound`, `state` (the parent is writable), `exists` (the name is taken), `unsupported` (more
 * layers than the driver can show).
 */
export function createLayer(
  engine: Parts,
  options: { readonly parent?: string | undefined; readonly name?: string | undefined },
): LayerId {
  const { name } = options;
  if (name !== undefined) checkName(engine, name);
  const parent = options.parent === undefined ? null : findLayer(engine.db, options.parent).id;
  return createWritable(engine.layers, parent, name === undefined ? {} : { name });
}

function checkName({ db }: Pick<Engine, "db">, name: string): void {
  const what = `cannot name a layer "${name}"`;
  if (!NAME.test(name)) {
    throw new CoracleError("usage", what, {
      why: "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
    });
  }
  if (layerByName(db, name) !== undefined) {
    throw new CoracleError("exists", what, { why: "another layer is called so" });
  }
  if (lookForLayer(db, name)?.id === name) {
    throw new CoracleError("exists", what, { why: "it is the id of a layer" });
  }
}

/** From now on it is read-only and can be a parent. Quiet when it is so already. */
export function commitLayer(engine: Parts, row: LayerRow): void {
  refuseOwned(engine, row, "commit");
  sealLayer(engine.layers, row.id);
}

/**
 * Fails with `busy` when a layer, an image or a container needs it, or when it is mounted; with
 * `force` the user's own mounts end first.
 */
export function removeUserLayer(
  engine: Parts,
  row: LayerRow,
  options: { readonly force?: boolean } = {},
): void {
  refuseOwned(engine, row, "remove");
  if (options.force) unmountForUser(engine.layers, row.id, { all: true, detach: true });
  removeLayer(engine.layers, row.id);
}

/** Layers of containers and images go with these, and change only through them. */
export function refuseOwned(engine: Pick<Engine, "db">, row: LayerRow, verb: string): void {
  const { images, containers } = usersOfLayer(engine.db, row.id);
  const [container] = containers;
  const [image] = images;
  if (container === undefined && (image === undefined || verb !== "remove")) return;
  const [kind, name] = container === undefined ? ["image", image] : ["container", container];
  throw new CoracleError("busy", `cannot ${verb} layer "${row.id}"`, {
    why: `it belongs to ${kind} "${name}"`,
    ...(verb === "remove" ? { hint: `coracle ${kind === "image" ? "rmi" : "rm"} ${name}` } : {}),
  });
}
