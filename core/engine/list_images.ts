/** `images`: every image with its names and uses, out of the records alone; no blob is opened. */
import { splitName } from "../image/reference.ts";
import {
  type ImageRow,
  imageUses,
  listImageNames,
  listImages as listRows,
} from "../state/images.ts";
import type { ImageId } from "../terms.ts";
import type { Engine } from "./engine.ts";

export interface ListedImage {
  readonly row: ImageRow;
  /** Full names in the order in which they were given. */
  readonly names: readonly string[];
  /** `repository@sha256:…` for each of its repositories, in byte order. */
  readonly digests: readonly string[];
  /** How many containers use it. */
  readonly containers: number;
  /** Without a name, and no other image was made from it. */
  readonly isDangling: boolean;
  /** Without a name, but another image was made from it. */
  readonly isIntermediate: boolean;
}

/** All images, newest first. */
export function listAllImages({ db }: Pick<Engine, "db">): ListedImage[] {
  const names = new Map<ImageId, string[]>();
  for (const { name, image } of listImageNames(db)) {
    const known = names.get(image);
    if (known === undefined) names.set(image, [name]);
    else known.push(name);
  }
  const containers = imageUses(db);
  const rows = listRows(db);
  const parents = new Set(rows.map(({ parent }) => parent));
  return rows.map((row) => {
    const own = names.get(row.id) ?? [];
    const isParent = parents.has(row.id);
    return {
      row,
      names: own,
      digests: repositoryDigests(own, row),
      containers: containers.get(row.id) ?? 0,
      isDangling: own.length === 0 && !isParent,
      isIntermediate: own.length === 0 && isParent,
    };
  });
}

/** Each repository once, with the digest of the manifest. */
export function repositoryDigests(names: readonly string[], row: ImageRow): string[] {
  const repositories = new Set(names.map((name) => splitName(name).repository));
  return [...repositories].sort().map((repository) => `${repository}@${row.manifest}`);
}
