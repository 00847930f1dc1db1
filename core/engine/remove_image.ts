/** `rmi` and `image prune`: names and images go, and with the last of them what only they needed. */
import { CoracleError } from "../errors.ts";
import { removeBlob } from "../image/blobs.ts";
import { markBlobs } from "../image/mark_blobs.ts";
import { containersOfImage } from "../state/containers.ts";
import { transaction } from "../state/database.ts";
import {
  blobsOfImage,
  deleteImage,
  imageById,
  isBlobUsed,
  namesOfImage,
  unnameImage,
} from "../state/images.ts";
import type { ContainerId, ImageId } from "../terms.ts";
import type { Engine } from "./engine.ts";
import { findImage, type FoundImageRow } from "./images.ts";
import { lockImages, removeUnusedLayers } from "./recover_images.ts";
import { writeImageNotes } from "./store_records.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export interface RemovedImage {
  /** Full names it lost. */
  readonly untagged: readonly string[];
  /** Its id when it is gone. */
  readonly deleted: ImageId | null;
}

export interface RemoveImageOptions {
  /** All names of an image given by id; with `removeContainer` its containers too. */
  readonly force?: boolean;
  /** How `force` removes a container that uses the image. */
  readonly removeContainer?: (id: ContainerId) => void;
}

/** Exit statuses that Podman's `rmi` has of its own. */
const UNKNOWN = 1;
const IN_USE = 2;

/**
 * Removes what `wanted` names. By a name, only the name goes while the image has others; by its id
 * the image goes with its names, more than one only with `force`. Fails with `notfound` (exit status
 * 1), with `busy` when a container uses it (2), with `usage` for several names without `force`.
 */
export function removeImage(
  engine: Parts,
  wanted: string,
  options: RemoveImageOptions = {},
): RemovedImage {
  const found = find(engine, wanted);
  const names = namesOfImage(engine.db, found.row.id);
  const isName = !found.byId && found.name !== "" && !isByDigest(wanted);
  if (isName && names.length > 1) {
    unnameImage(engine.db, found.name);
    writeImageNotes(engine);
    return { untagged: [found.name], deleted: null };
  }
  if (names.length > 1 && options.force !== true) {
    throw new CoracleError("usage", `cannot remove image "${wanted}"`, {
      why: `unable to delete image "${found.row.id}" by ID with more than one tag ([${
        names.join(" ")
      }]): please force removal`,
    });
  }
  return removeWhole(engine, found.row.id, options);
}

function find(engine: Parts, wanted: string): FoundImageRow {
  try {
    return findImage(engine, wanted);
  } catch (error) {
    if (!(error instanceof CoracleError) || error.code !== "notfound") throw error;
    throw new CoracleError("notfound", `cannot remove image "${wanted}"`, {
      why: error.why ?? "image not known",
      exitStatus: UNKNOWN,
    });
  }
}

function isByDigest(wanted: string): boolean {
  return wanted.includes("@") || wanted.startsWith("sha256:");
}

/** The image with all its names. */
export function removeWhole(
  engine: Parts,
  id: ImageId,
  options: RemoveImageOptions = {},
): RemovedImage {
  const { db } = engine;
  for (const container of containersOfImage(db, id)) {
    if (options.force !== true || options.removeContainer === undefined) {
      throw inUse(id, container.id);
    }
    options.removeContainer(container.id);
  }
  const untagged = namesOfImage(db, id);
  dropImage(engine, id);
  removeUnusedLayers(engine);
  return { untagged, deleted: id };
}

function inUse(image: ImageId, container: ContainerId): CoracleError {
  return new CoracleError("busy", `cannot remove image "${image.slice(0, 12)}"`, {
    why: `image used by ${container}: image is in use by a container`,
    hint: `coracle rm ${container.slice(0, 12)}, or coracle rmi --force to remove both`,
    exitStatus: IN_USE,
  });
}

/** Records first, then content: a kill in between leaves marks by which recovery finds the rest. */
function dropImage({ db, paths }: Pick<Parts, "db" | "paths">, id: ImageId): void {
  // The marks go last, outside the lock: with them goes the space, which takes time.
  using _marks = markBlobs(paths, blobsOfImage(db, id));
  using _lock = lockImages(paths);
  const blobs = blobsOfImage(db, id);
  transaction(db, () => {
    const user = containersOfImage(db, id)[0];
    if (user !== undefined) throw inUse(id, user.id);
    deleteImage(db, id);
  }, { durable: true });
  for (const blob of blobs) if (!isBlobUsed(db, blob)) removeBlob(paths, blob);
  writeImageNotes({ db, paths });
}

export interface PruneOptions extends RemoveImageOptions {
  /** Ids of the images to be considered. */
  readonly candidates: readonly ImageId[];
}

/** Removes those of the images that no container uses. */
export function pruneImages(engine: Parts, options: PruneOptions): RemovedImage[] {
  const removed: RemovedImage[] = [];
  for (const id of options.candidates) {
    if (imageById(engine.db, id) === undefined) continue;
    if (containersOfImage(engine.db, id).length > 0) continue;
    removed.push(removeWhole(engine, id));
  }
  return removed;
}
