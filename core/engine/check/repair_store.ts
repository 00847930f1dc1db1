/**
 * `system check --repair`: references first, then layers, then blobs, and only when nothing is broken
 * any more is what nobody needs removed. What works is never touched.
 */
import { BlobStaging } from "../../image/blob_staging.ts";
import { removeBlob } from "../../image/blobs.ts";
import { recoverLayers } from "../../layer/recover.ts";
import { isBlobUsed } from "../../state/images.ts";
import type { Digest } from "../../terms.ts";
import type { LayerDriver } from "../../../drivers/layer/driver.ts";
import type { Engine } from "../engine.ts";
import { leftoverDrivers } from "../leftover_layers.ts";
import { removeLeftover } from "../migrate_layers.ts";
import { lockImages, recoverImages } from "../recover_images.ts";
import { checkStore } from "./check_store.ts";
import { type Finding, keyOf } from "./finding.ts";
import { repairBlobs } from "./repair_blobs.ts";
import { repairLayers, type RepairTools } from "./repair_layers.ts";
import { repairRows } from "./repair_rows.ts";
import { openRepairSources } from "./repair_sources.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export interface RepairOptions {
  /** The depth in which the findings were made, and in which the result is looked at. */
  readonly digest: boolean;
  /** Archives and folders with images. */
  readonly archives: readonly string[];
  /** Opens a driver of which a migration left layers. */
  readonly openLayers: (driver: string) => Promise<LayerDriver>;
}

/** What became of a finding. */
export interface Repaired extends Finding {
  readonly isRepaired: boolean;
  /** Why it was not; "" when it was, or when nobody knows. */
  readonly why: string;
}

/** Repairs what can be repaired, and looks again: nothing counts as repaired that is found again. */
export async function repairStore(
  engine: Parts,
  findings: readonly Finding[],
  options: RepairOptions,
): Promise<Repaired[]> {
  const notes = new Map<string, string>();
  using staging = new BlobStaging(engine.paths);
  const sources = await openRepairSources(engine, staging, options.archives);
  const note = (id: string, why: string) => void notes.set(id, why);
  const tools: RepairTools = { engine, staging, sources, note };
  try {
    await repairRows(tools, findings);
    await repairLayers(tools, findings);
    repairBlobs(tools, findings);
  } finally {
    sources.close();
  }
  let left = checkStore(engine, options);
  if (left.every(({ kind }) => !kind.endsWith("-broken"))) {
    removeWaste(engine, left);
    for (const name of leftoverDrivers(engine.db)) {
      removeLeftover(engine, await options.openLayers(name));
    }
    left = checkStore(engine, options);
  }
  const remaining = new Map(left.map((one) => [keyOf(one), one]));
  const first = findings.map((one) => {
    const again = remaining.get(keyOf(one));
    remaining.delete(keyOf(one));
    const why = again === undefined ? "" : notes.get(one.id) ?? "";
    return { ...one, ...again, isRepaired: again === undefined, why };
  });
  // What came to light only when something else was repaired.
  const later = [...remaining.values()].map((one) => {
    return { ...one, isRepaired: false, why: notes.get(one.id) ?? "" };
  });
  return [...first, ...later];
}

/** As every changing command begins; the driver makes lost short names again. */
function removeWaste(engine: Parts, findings: readonly Finding[]): void {
  recoverImages(engine);
  recoverLayers(engine.layers);
  using _lock = lockImages(engine.paths);
  for (const { kind, id } of findings) {
    if (kind !== "blob-unused" || isBlobUsed(engine.db, id as Digest)) continue;
    removeBlob(engine.paths, id as Digest);
  }
}
