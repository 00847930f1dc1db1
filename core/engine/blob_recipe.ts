/**
 * Makes sure that a layer's tar can be made again byte for byte without its blob: the recipe is tried,
 * and made anew from the blob where it is missing or not enough.
 */
import { decompressed, detectCompression } from "../archive/compression.ts";
import type { TarRecorder } from "../archive/recipe.ts";
import { RecipeWriter } from "../archive/recipe.ts";
import { CoracleError, hasCode } from "../errors.ts";
import { type BlobStaging, sendFile } from "../image/blob_staging.ts";
import { openBlob } from "../image/blobs.ts";
import { findRecipe, type RecreationReport, tryRecreation } from "../layer/recipe.ts";
import { LayerUnpacker } from "../layer/unpack.ts";
import { close, O } from "../sys/at.ts";
import { openText } from "../sys/files.ts";
import { type DiffId, type Digest, type RawPath, text } from "../terms.ts";
import type { Engine } from "./engine.ts";
import { headAt } from "./image_layers.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export interface BlobLayer {
  /** Of the blob, which is in the store. */
  readonly digest: Digest;
  readonly diffId: DiffId;
}

/**
 * After it the layer's tar comes back from tree and recipe, which was tried. Fails with `corrupt`
 * when blob, tree or both are damaged; then the blob is still needed.
 */
export async function ensureRecipe(
  engine: Parts,
  staging: BlobStaging,
  layer: BlobLayer,
): Promise<void> {
  if (tried(engine, layer.diffId)?.isSame) return;
  const first = await writeRecipe(engine, staging, layer, new Set());
  const report = tried(engine, layer.diffId);
  if (report === null) throw cannot(layer, "no layer in the store has its tree");
  if (report.isSame) return;
  const damaged = report.wrong.find(({ index }) => !first.isReplaced(index));
  if (damaged !== undefined) {
    const name = JSON.stringify(text(damaged.path));
    throw cannot(layer, `the layer's file ${name} is not what it was: ${damaged.detail}`);
  }
  // Files that a later member of the same tar replaced are in no tree: the recipe has to have them.
  await writeRecipe(engine, staging, layer, new Set(report.wrong.map(({ index }) => index)));
  if (tried(engine, layer.diffId)?.isSame !== true) {
    throw cannot(layer, "its tree and recipe do not give the same bytes");
  }
}

function cannot({ digest }: BlobLayer, why: string): CoracleError {
  return new CoracleError("corrupt", `cannot do without blob "${digest}"`, {
    why,
    hint: "coracle system check --digest --repair",
  });
}

/** Null when there is no recipe, or none that can be read. */
function tried(engine: Parts, diffId: DiffId): RecreationReport | null {
  const found = findRecipe(engine.layers, diffId, engine.paths.recipes);
  try {
    return found && tryRecreation(engine.layers, found);
  } catch (error) {
    if (!hasCode(error, "corrupt")) throw error;
    return null;
  }
}

interface WrittenRecipe {
  /** Has a later member of the archive the place of this file? */
  isReplaced(index: number): boolean;
}

/** Reads the blob and puts the recipe into the store. Throws `corrupt` for a damaged blob. */
async function writeRecipe(
  engine: Parts,
  staging: BlobStaging,
  { digest, diffId }: BlobLayer,
  inline: ReadonlySet<number>,
): Promise<WrittenRecipe> {
  const path = `${staging.path}/.recipe`;
  const out = openText(path, O.RDWR | O.CREAT | O.TRUNC, 0o600);
  const { fd } = openBlob(engine.paths, digest);
  const seen = new SeenMembers();
  try {
    const writer = new RecipeWriter(out, inline);
    const into = { entry: seen.entry, write: () => {}, end: () => {} };
    const unpacker = new LayerUnpacker({ into, diffId, recorder: seen.watching(writer) });
    if (detectCompression(headAt(fd, 0)) === "none") sendFile(fd, unpacker);
    else for await (const chunk of decompressed(fd)) unpacker.write(chunk);
    unpacker.finish();
    writer.end();
  } finally {
    close(fd);
    close(out);
  }
  staging.keepRecipe(path, diffId);
  staging.publishRecipes();
  return seen;
}

/** Which files of an archive are still there when all of it is unpacked. */
class SeenMembers implements WrittenRecipe {
  /** By path the number of the last member; a directory over a directory replaces nothing. */
  readonly #last = new Map<RawPath, number>();
  readonly #files: { readonly path: RawPath; readonly member: number }[] = [];
  #members = 0;
  #path = "" as RawPath;

  readonly entry = ({ path, type }: { readonly path: RawPath; readonly type: string }): void => {
    this.#members++;
    this.#path = path;
    if (type !== "whiteout" && type !== "opaque" && type !== "dir") {
      this.#last.set(path, this.#members);
    }
    if (type === "dir" && this.#last.has(path)) this.#last.set(path, this.#members);
  };

  watching(recorder: TarRecorder): TarRecorder {
    return {
      raw: (bytes) => recorder.raw(bytes),
      body: (bytes) => recorder.body(bytes),
      fileEnd: () => recorder.fileEnd(),
      file: (file) => {
        this.#files.push({ path: this.#path, member: this.#members });
        recorder.file(file);
      },
    };
  }

  isReplaced(index: number): boolean {
    const file = this.#files[index];
    if (file === undefined) return false;
    const { path, member } = file;
    for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
      if ((this.#last.get(path.slice(0, end) as RawPath) ?? 0) > member) return true;
    }
    return false;
  }
}
