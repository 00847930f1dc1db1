/** Images, their blobs and the containers made of them, against the records. */
import { Sha256Sink } from "../../archive/digest.ts";
import { CoracleError } from "../../errors.ts";
import { sendFile } from "../../image/blob_staging.ts";
import { hasBlob, listBlobs, openBlob, readBlob } from "../../image/blobs.ts";
import { parseConfig } from "../../image/image_config.ts";
import { CONFIG_BYTES, MANIFEST_BYTES } from "../../image/json_document.ts";
import { digestOf } from "../../archive/digest.ts";
import { chainIds } from "../../layer/chain.ts";
import { findRecipe } from "../../layer/recipe.ts";
import { listContainers } from "../../state/containers.ts";
import {
  blobsOfImage,
  type ImageRow,
  listImages,
  namesOfImage,
  usedBlobs,
} from "../../state/images.ts";
import { layerByChainId, layerById } from "../../state/layers.ts";
import { close } from "../../sys/at.ts";
import type { DiffId, Digest, ImageConfig } from "../../terms.ts";
import { recordOf } from "../container_state.ts";
import type { Engine } from "../engine.ts";
import { readImageManifest, type StoredManifest } from "../images.ts";
import type { CheckOptions } from "./check_layers.ts";
import { type Finding, finding } from "./finding.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export function checkImages(engine: Parts, options: CheckOptions): Finding[] {
  const found = new Map<string, Finding>();
  for (const row of listImages(engine.db)) {
    for (const one of checkImage(engine, row, options)) {
      const key = `${one.kind} ${one.id}`;
      // A blob that several images need is told once.
      const affects = [...found.get(key)?.affects ?? [], ...one.affects];
      found.set(key, { ...one, affects });
    }
  }
  const used = usedBlobs(engine.db);
  for (const digest of listBlobs(engine.paths)) {
    if (used.has(digest)) continue;
    const of = { object: "blob", id: digest, detail: "no image needs it" } as const;
    found.set(digest, finding("blob-unused", of));
  }
  return [...found.values()];
}

function checkImage(engine: Parts, row: ImageRow, options: CheckOptions): Finding[] {
  const { db } = engine;
  const name = `image ${namesOfImage(db, row.id)[0] ?? row.id.slice(0, 12)}`;
  const affects = [name];
  const found: Finding[] = [];
  const configDigest = `sha256:${row.id}` as Digest;
  for (const [digest, limit] of [[configDigest, CONFIG_BYTES], [row.manifest, MANIFEST_BYTES]]) {
    const wrong = checkDocument(engine, digest as Digest, limit as number);
    if (wrong !== null) found.push({ ...wrong, affects });
  }
  const config = quietly(() =>
    parseConfig(readBlob(engine.paths, configDigest, CONFIG_BYTES), "config")
  );
  if (config !== null) {
    const why = chainProblem(engine, row, config);
    if (why !== null) {
      found.push(finding("image-broken", { object: "image", id: row.id, detail: why, affects }));
    }
  }
  const manifest = quietly(() => readImageManifest(engine, row));
  if (manifest === null) return found;
  const layers = checkLayerBlobs(engine, row, { manifest, config, ...options });
  return [...found, ...layers.map((one) => ({ ...one, affects }))];
}

function quietly<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof CoracleError) return null;
    throw error;
  }
}

/** Small, so its digest is always compared. */
function checkDocument({ paths }: Parts, digest: Digest, limit: number): Finding | null {
  const of = { object: "blob", id: digest } as const;
  if (!hasBlob(paths, digest)) {
    return finding("blob-missing", { ...of, detail: "its file is gone" });
  }
  const bytes = quietly(() => readBlob(paths, digest, limit));
  if (bytes !== null && digestOf(bytes) === digest) return null;
  return finding("blob-damaged", { ...of, detail: "its bytes have another digest" });
}

/** Do the records have the layers that the config names? */
function chainProblem({ db }: Parts, row: ImageRow, config: ImageConfig): string | null {
  for (const [i, chainId] of chainIds(config.rootfs.diff_ids).entries()) {
    if (layerByChainId(db, chainId) === undefined) return `its layer ${i + 1} has no record`;
  }
  const top = chainIds(config.rootfs.diff_ids).at(-1);
  const layer = top === undefined ? null : layerByChainId(db, top)?.id ?? null;
  return layer === row.layer ? null : "its record names another layer than its config";
}

interface ImageLook extends CheckOptions {
  readonly manifest: StoredManifest;
  readonly config: ImageConfig | null;
}

function checkLayerBlobs(engine: Parts, row: ImageRow, look: ImageLook): Finding[] {
  const kept = new Set(blobsOfImage(engine.db, row.id));
  return look.manifest.manifest.layers.flatMap((layer, i) => {
    const { digest, size } = layer;
    const of = { object: "blob", id: digest } as const;
    if (!hasBlob(engine.paths, digest)) {
      const diffId = look.config?.rootfs.diff_ids[i] ?? digest as string as DiffId;
      const isDropped = !kept.has(digest) &&
        findRecipe(engine.layers, diffId, engine.paths.recipes) !== null;
      return isDropped ? [] : [finding("blob-missing", { ...of, detail: "its file is gone" })];
    }
    const why = blobProblem(engine, digest, { size, digest: look.digest });
    return why === null ? [] : [finding("blob-damaged", { ...of, detail: why })];
  });
}

/** Null when the blob is as it should be. */
export function blobProblem(
  { paths }: Pick<Engine, "paths">,
  digest: Digest,
  look: { readonly size: number; readonly digest: boolean },
): string | null {
  const { fd, stat } = openBlob(paths, digest);
  try {
    if (stat.size !== look.size) return `it has ${stat.size} bytes, not ${look.size}`;
    if (!look.digest) return null;
    const hash = new Sha256Sink();
    sendFile(fd, hash);
    return hash.digest() === digest ? null : "its bytes have another digest";
  } finally {
    close(fd);
  }
}

export function checkContainers({ db }: Pick<Engine, "db">): Finding[] {
  return listContainers(db).flatMap((row) => {
    const hasOwnRoot = recordOf(row).resolved.request.rootfs !== undefined;
    if (row.layer === null ? hasOwnRoot : layerById(db, row.layer) !== undefined) return [];
    const detail = row.layer === null
      ? "its record names no layer"
      : `its layer "${row.layer}" has no record`;
    const affects = [`container ${row.name}`];
    return [finding("container-broken", { object: "container", id: row.id, detail, affects })];
  });
}
