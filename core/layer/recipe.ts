/** The plain tar of a layer again, out of its recipe and its tree. */
import { Sha256Sink } from "../archive/digest.ts";
import { recreated, type WrongFile } from "../archive/recreate.ts";
import { CoracleError, hasCode } from "../errors.ts";
import { layersByDiffId } from "../state/layers.ts";
import { close, O } from "../sys/at.ts";
import { exists, openText } from "../sys/files.ts";
import type { DiffId, LayerId } from "../terms.ts";
import type { LayerStore } from "./store.ts";

/** A layer's recipe and the layer that has its tree. */
export interface LayerRecipe {
  /** Path of the recipe. */
  readonly recipe: string;
  readonly layer: LayerId;
  readonly diffId: DiffId;
}

/** Null when the store has no recipe or no layer for this digest. */
export function findRecipe(
  store: LayerStore,
  diffId: DiffId,
  recipes: string,
): LayerRecipe | null {
  const recipe = `${recipes}/${diffId.slice("sha256:".length)}`;
  const [layer] = layersByDiffId(store.db, diffId);
  return layer === undefined || !exists(recipe) ? null : { recipe, layer: layer.id, diffId };
}

/**
 * The layer's tar, each chunk in memory of its own. Throws `corrupt` when a file is not as it was,
 * and at the end when the whole is not what the digest says.
 */
export function* recreatedLayer(store: LayerStore, from: LayerRecipe): Generator<Uint8Array> {
  const hash = new Sha256Sink();
  for (const chunk of chunksOf(store, from)) {
    hash.write(chunk);
    yield chunk;
  }
  const found = hash.digest() as string;
  if (found === from.diffId) return;
  throw new CoracleError("corrupt", `cannot read layer "${from.diffId}"`, {
    why: `its files give the digest "${found}"`,
    hint: "coracle system check --digest",
  });
}

export interface RecreationReport {
  /** The bytes are those of the digest. */
  readonly isSame: boolean;
  /** Files whose content is not what the archive had. */
  readonly wrong: readonly WrongFile[];
}

/** Reads all of the layer as `recreatedLayer` does, and tells what is wrong. Throws `corrupt` for a damaged recipe. */
export function tryRecreation(store: LayerStore, from: LayerRecipe): RecreationReport {
  const hash = new Sha256Sink();
  const wrong: WrongFile[] = [];
  for (const chunk of chunksOf(store, from, (one) => wrong.push(one))) hash.write(chunk);
  return { isSame: hash.digest() as string === from.diffId, wrong };
}

function* chunksOf(
  store: LayerStore,
  { recipe, layer }: LayerRecipe,
  onWrong?: (wrong: WrongFile) => void,
): Generator<Uint8Array> {
  const fd = openText(recipe, O.RDONLY | O.NOFOLLOW);
  try {
    const tree = store.driver.openTree(layer);
    try {
      yield* recreated(fd, tree, onWrong);
    } finally {
      close(tree);
    }
  } catch (error) {
    if (!hasCode(error, "notfound")) throw error;
    throw new CoracleError("corrupt", `cannot read layer "${layer}"`, {
      why: "its directory is gone",
      hint: "coracle system check",
      cause: error,
    });
  } finally {
    close(fd);
  }
}
