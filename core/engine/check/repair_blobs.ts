/** Blobs that are gone or damaged are made again from their layers, or come out of an archive. */
import { CoracleError } from "../../errors.ts";
import type { BlobStaging } from "../../image/blob_staging.ts";
import { blobPath } from "../../image/blobs.ts";
import { findRecipe, recreatedLayer } from "../../layer/recipe.ts";
import { exists } from "../../sys/files.ts";
import type { DiffId, Digest } from "../../terms.ts";
import type { Finding } from "./finding.ts";
import type { RepairTools } from "./repair_layers.ts";

/** After the layers are repaired. */
export function repairBlobs(tools: RepairTools, findings: readonly Finding[]): void {
  const { staging } = tools;
  let isAny = false;
  for (const { kind, id } of findings) {
    if (kind !== "blob-missing" && kind !== "blob-damaged") continue;
    const why = repairBlob(tools, id as Digest);
    if (why === null) isAny = true;
    else tools.note(id, why);
  }
  if (!isAny) return;
  staging.publish();
  staging.sync();
}

/** Null when the blob is in the staging. */
function repairBlob(tools: RepairTools, digest: Digest): string | null {
  const { engine, sources, staging } = tools;
  const document = sources.document(digest);
  if (document !== null) {
    staging.put(document);
    return null;
  }
  const recipe = findRecipe(engine.layers, digest as string as DiffId, engine.paths.recipes);
  if (recipe !== null) {
    const why = fromTree(staging, () => recreatedLayer(engine.layers, recipe), digest);
    if (why === null) return null;
  }
  const file = sources.blob(digest);
  if (file !== null) {
    staging.keep(file, digest);
    return null;
  }
  return exists(blobPath(engine.paths, digest))
    ? "no archive given with --from has it, and it cannot be made from a layer"
    : "no archive given with --from has it, and it cannot be made from a layer; if it is a " +
      "compressed layer, coracle image drop-blobs makes the image do without it";
}

function fromTree(
  staging: BlobStaging,
  chunks: () => Iterable<Uint8Array>,
  digest: Digest,
): string | null {
  const writer = staging.writer();
  try {
    for (const chunk of chunks()) writer.write(chunk);
  } catch (error) {
    writer.abort();
    if (!(error instanceof CoracleError)) throw error;
    return error.message;
  }
  staging.keep(writer.finish(), digest);
  return null;
}
