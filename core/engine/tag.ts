/** `tag` and `untag`: names of images come and go; the images stay. */
import { CoracleError } from "../errors.ts";
import { localName, parseReference } from "../image/reference.ts";
import { transaction } from "../state/database.ts";
import { imageByName, nameImage, namesOfImage, unnameImage } from "../state/images.ts";
import type { Engine } from "./engine.ts";
import { findImage, lookForImage } from "./images.ts";
import { writeImageNotes } from "./store_records.ts";

/** Gives the image more names, taking each from whoever had it. All or none. */
export function tagImage(
  engine: Pick<Engine, "db" | "paths">,
  wanted: string,
  names: readonly string[],
): void {
  const { row } = findImage(engine, wanted);
  const full = names.map(localName);
  transaction(engine.db, () => {
    for (const name of full) nameImage(engine.db, name, row.id);
  });
  writeImageNotes(engine);
}

/**
 * Takes names from the image: the given ones, or all of them when none is given. Fails with
 * `notfound` ("tag not known") when one is not the image's; then nothing was done.
 */
export function untagImage(
  engine: Pick<Engine, "db" | "paths">,
  wanted: string,
  names: readonly string[],
): void {
  const { db } = engine;
  const { row } = findImage(engine, wanted);
  const full = names.length === 0
    ? namesOfImage(db, row.id)
    : names.map((name) => nameToRemove(engine, name));
  transaction(db, () => {
    for (const name of full) {
      if (imageByName(db, name)?.id !== row.id) {
        throw new CoracleError("notfound", `cannot untag "${wanted}"`, {
          why: `${name}: tag not known`,
          exitStatus: 125,
        });
      }
      unnameImage(db, name);
    }
  });
  writeImageNotes(engine);
}

function nameToRemove(engine: Pick<Engine, "db">, name: string): string {
  if (parseReference(name).digest !== undefined) {
    throw new CoracleError("usage", `cannot untag "${name}"`, {
      why: `${name}: untag by digest not supported`,
    });
  }
  const found = lookForImage(engine.db, name);
  return found === undefined || found.byId || found.name === "" ? localName(name) : found.name;
}
