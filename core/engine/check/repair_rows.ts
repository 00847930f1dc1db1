/** References that lead nowhere: rows of layers are put back, or the layers are made anew. */
import { CoracleError } from "../../errors.ts";
import { chainIds } from "../../layer/chain.ts";
import { readLayerRecord } from "../../layer/records.ts";
import {
  chainOf,
  commitLayers,
  type LayerToCommit,
  lockChain,
  type StagedLayer,
  stageLayer,
} from "../../layer/store.ts";
import { listContainers } from "../../state/containers.ts";
import { transaction } from "../../state/database.ts";
import { imageById, type ImageRow, listImages, setImageLayer } from "../../state/images.ts";
import { insertLayer, layerByChainId, layerById, type LayerRow } from "../../state/layers.ts";
import type { ChainId, DiffId, ImageId, LayerId } from "../../terms.ts";
import { readLayer } from "../image_layers.ts";
import { readImageConfig } from "../images.ts";
import { layerRowsOfContainers } from "../store_records.ts";
import type { Finding } from "./finding.ts";
import type { RepairTools } from "./repair_layers.ts";
import { withCompression } from "./repair_sources.ts";

/** Before anything is removed: what seems to be nobody's may be what these need. */
export async function repairRows(tools: RepairTools, findings: readonly Finding[]): Promise<void> {
  const broken = findings.filter(({ kind }) => kind.endsWith("-broken"));
  if (broken.length === 0) return;
  restoreLayerRows(tools);
  for (const { kind, id } of broken) {
    const row = kind === "image-broken" ? imageById(tools.engine.db, id as ImageId) : undefined;
    if (row !== undefined) await restoreImage(tools, row);
  }
}

/** Rows of layers that images and containers name, out of the records beside the trees. */
function restoreLayerRows({ engine }: RepairTools): void {
  const { db, layers, paths } = engine;
  const ofContainers = layerRowsOfContainers(paths);
  const there = new Set(layers.driver.list());
  const restore = (id: LayerId, depth: number): boolean => {
    if (layerById(db, id) !== undefined) return true;
    const row = readLayerRecord(layers.records, id) ?? ofContainers.get(id) ?? null;
    if (row === null || !there.has(id) || depth > 1000) return false;
    if (row.parent !== null && !restore(row.parent, depth + 1)) return false;
    if (isTaken(row)) return false;
    insertLayer(db, row);
    return true;
  };
  const isTaken = ({ chainId }: LayerRow) =>
    chainId !== null && layerByChainId(db, chainId) !== undefined;
  const wanted = [
    ...listContainers(db).map(({ layer }) => layer),
    ...listImages(db).map(({ layer }) => layer),
  ];
  transaction(db, () => {
    for (const id of wanted) if (id !== null) restore(id, 0);
  }, { durable: true });
}

/** Layers that have no row are unpacked again, and the image's row names the right one. */
async function restoreImage(tools: RepairTools, row: ImageRow): Promise<void> {
  const { db } = tools.engine;
  const config = readImageConfig(tools.engine, row);
  const ids = chainIds(config.rootfs.diff_ids);
  const isWhole = () => ids.every((id) => layerByChainId(db, id) !== undefined);
  try {
    if (!isWhole()) await unpackMissing(tools, ids, config.rootfs.diff_ids);
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
    return tools.note(row.id, error.message);
  }
  const top = ids.at(-1);
  const layer = top === undefined ? null : layerByChainId(db, top)?.id ?? null;
  if (isWhole() && layer !== row.layer) setImageLayer(db, row.id, layer);
}

/** From the bottom up, as a load does; nothing of it is known before all of it is there. */
async function unpackMissing(
  tools: RepairTools,
  ids: readonly ChainId[],
  diffIds: readonly DiffId[],
) {
  const { engine: { db, layers } } = tools;
  const made: LayerToCommit[] = [];
  using locks = new DisposableStack();
  try {
    let chain: readonly LayerId[] = [];
    for (const [i, chainId] of ids.entries()) {
      const there = layerByChainId(db, chainId);
      if (there !== undefined) {
        chain = [there.id, ...chainOf(layers, there.id)];
        continue;
      }
      locks.use(lockChain(layers, chainId));
      const layer = stageLayer(layers, { chain });
      const diffId = diffIds[i] ?? "" as DiffId;
      made.push({ layer, chainId, diffId, size: 0 });
      const size = await unpackAnywhere(tools, layer, diffId);
      made[made.length - 1] = { layer, chainId, diffId, size };
      chain = [layer.id, ...chain];
    }
    commitLayers(layers, made);
  } catch (error) {
    for (const { layer } of made) layer.stage.abort();
    throw error;
  }
  tools.staging.publishRecipes();
}

/** Bytes of the files. Fails with what the last place said. */
async function unpackAnywhere(
  { sources, staging }: RepairTools,
  { stage }: StagedLayer,
  diffId: DiffId,
): Promise<number> {
  for (const bytes of sources.layer(diffId)) {
    const { file, compression } = withCompression(staging, bytes);
    const read = await readLayer(staging, file, {
      into: stage,
      diffId,
      compression,
      withRecipe: true,
    });
    return read.bytes;
  }
  throw new CoracleError("notfound", `cannot make layer "${diffId}" anew`, {
    why: "no kept blob and no archive given with --from has it",
  });
}
