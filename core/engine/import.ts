/** `import`: a tar of a file system becomes an image of one layer. */
import { digestOf } from "../archive/digest.ts";
import { decompressed, detectCompression } from "../archive/compression.ts";
import { CoracleError } from "../errors.ts";
import { BlobStaging, type StagedFile } from "../image/blob_staging.ts";
import { hexOf } from "../image/blobs.ts";
import { applyChanges } from "../image/change.ts";
import { blobsOf, layerType, OCI_CONFIG, OCI_MANIFEST, writeManifest } from "../image/manifest.ts";
import { localName } from "../image/reference.ts";
import { chainIdOn } from "../layer/chain.ts";
import { lockChain, stageLayer } from "../layer/store.ts";
import { close, type Fd, O, seek, SEEK_CUR, statFd } from "../sys/at.ts";
import { lookAtText, openText, removeFile } from "../sys/files.ts";
import { env } from "../sys/environment.ts";
import { architecture } from "../sys/host.ts";
import type { ImageConfig, ImageId, ImageRunConfig, Manifest } from "../terms.ts";
import { namingInput } from "./archive_errors.ts";
import { commitImages } from "./commit_image.ts";
import type { Engine } from "./engine.ts";
import { headAt, type Intake, type ReadLayer, readLayer } from "./image_layers.ts";

export interface ImportOptions {
  /** Name of the image; none: it has only its id. */
  readonly name?: string;
  readonly changes: readonly string[];
  readonly message?: string;
  /** Go's names; the host's when not given. */
  readonly architecture?: string;
  readonly os?: string;
  readonly variant?: string;
}

/**
 * Imports the tar at `path`, or from `stdin`; returns the image's id. Its creation time is
 * SOURCE_DATE_EPOCH, else the file's, so that the same file gives the same image; of a stream it is
 * now. Fails with `corrupt`, `usage` (a wrong change or name), `notfound`.
 */
export async function importImage(
  engine: Pick<Engine, "db" | "paths" | "layers">,
  input: { readonly path: string } | { readonly stdin: Fd },
  options: ImportOptions,
): Promise<ImageId> {
  // What the user typed is checked before the work begins.
  const name = options.name === undefined ? undefined : localName(options.name);
  const run = applyChanges({}, options.changes);
  const fd = "stdin" in input ? input.stdin : openTar(input.path);
  using staging = new BlobStaging(engine.paths);
  const intake: Intake = { engine, staging, layers: new Map() };
  try {
    const created = creationTime(fd);
    return await namingInput("import", input, async () => {
      const layer = await stageTar(staging, fd);
      return await takeTar(intake, layer, { ...options, name, run, created });
    });
  } finally {
    if (!("stdin" in input)) close(fd);
  }
}

function openTar(path: string): Fd {
  if (/^[a-z]+:\/\//i.test(path)) {
    throw new CoracleError("unsupported", `cannot import ${JSON.stringify(path)}`, {
      why: "coracle fetches nothing by itself",
      hint: `curl -L ${path} | coracle import -`,
    });
  }
  const there = lookAtText(path);
  if (there === null) {
    throw new CoracleError("notfound", `cannot import ${JSON.stringify(path)}`, {
      why: `stat ${path}: no such file or directory`,
    });
  }
  if (there.type === "dir") {
    throw new CoracleError("usage", `cannot import ${JSON.stringify(path)}`, {
      why: "it is a directory",
      hint: `tar -C ${path} -c . | coracle import -`,
    });
  }
  return openText(path, O.RDONLY);
}

function creationTime(fd: Fd): string {
  const epoch = Number(env("SOURCE_DATE_EPOCH") ?? NaN);
  if (Number.isSafeInteger(epoch)) return new Date(epoch * 1000).toISOString();
  const stat = statFd(fd);
  if (stat.type !== "file") return new Date().toISOString();
  const seconds = stat.mtime / 1_000_000_000n;
  const nanos = String(stat.mtime % 1_000_000_000n).padStart(9, "0");
  return new Date(Number(seconds) * 1000).toISOString().replace(".000Z", `.${nanos}Z`);
}

interface StagedTar {
  readonly file: StagedFile;
  readonly compression: "none" | "gzip" | "zstd";
}

/** The tar as the layer's blob: as it is when images may have it so, else uncompressed. */
async function stageTar(staging: BlobStaging, fd: Fd): Promise<StagedTar> {
  const stat = statFd(fd);
  const isFile = stat.type === "file" && seek(fd, 0, SEEK_CUR) === 0;
  const compression = isFile ? detectCompression(headAt(fd, 0)) : null;
  if (isFile && (compression === "none" || compression === "gzip" || compression === "zstd")) {
    return { file: staging.copy(fd, 0, stat.size), compression };
  }
  const writer = staging.writer();
  try {
    for await (const chunk of decompressed(fd)) writer.write(chunk);
  } catch (error) {
    writer.abort();
    throw error;
  }
  return { file: writer.finish(), compression: "none" };
}

interface Facts extends ImportOptions {
  readonly run: ImageRunConfig;
  /** RFC 3339. */
  readonly created: string;
}

async function takeTar(intake: Intake, tar: StagedTar, facts: Facts): Promise<ImageId> {
  const { engine, staging } = intake;
  const stage = stageLayer(engine.layers, { chain: [] });
  let isHandedOver = false;
  try {
    const read = await readLayer(staging, tar.file, {
      into: stage.stage,
      compression: tar.compression,
      withRecipe: true,
    });
    const chainId = chainIdOn(null, read.diffId);
    // Until the image is known its layer is nobody's: the lock tells recovery to leave it alone.
    using undo = new DisposableStack();
    const lock = undo.use(lockChain(engine.layers, chainId));
    undo.defer(() => removeFile(lock.path));
    staging.keep(tar.file, read.digest);
    const { diffId, bytes: size } = read;
    intake.layers.set(chainId, { layer: stage, chainId, diffId, size });
    isHandedOver = true;
    const image = documents(staging, tar, { ...facts, read });
    commitImages(intake, [{ ...image, isManifestOriginal: true, top: chainId }]);
    return image.id;
  } catch (error) {
    if (!isHandedOver) stage.stage.abort();
    throw error;
  }
}

/** Makes and stages config and manifest. */
function documents(staging: BlobStaging, tar: StagedTar, facts: Facts & { read: ReadLayer }) {
  const { read, message = "imported from tarball" } = facts;
  const config: ImageConfig = {
    created: facts.created,
    architecture: facts.architecture ?? architecture(),
    os: facts.os ?? "linux",
    ...(facts.variant === undefined ? {} : { variant: facts.variant }),
    config: facts.run,
    rootfs: { type: "layers", diff_ids: [read.diffId] },
    history: [{
      created: facts.created,
      created_by: `/bin/sh -c #(nop) ADD file:${read.diffId.slice("sha256:".length)} in /`,
      comment: message,
    }],
  };
  const configBytes = new TextEncoder().encode(JSON.stringify(config));
  const configDigest = digestOf(configBytes);
  const mediaType = layerType(OCI_MANIFEST, tar.compression);
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: { mediaType: OCI_CONFIG, size: configBytes.length, digest: configDigest },
    layers: [{ mediaType, size: tar.file.size, digest: read.digest }],
  };
  const bytes = writeManifest(OCI_MANIFEST, manifest);
  const digest = staging.put(bytes);
  staging.put(configBytes);
  return {
    id: hexOf(configDigest) as ImageId,
    manifest: digest,
    config,
    blobs: [digest, ...blobsOf(manifest)],
    documentBytes: bytes.length + configBytes.length,
    names: facts.name === undefined ? [] : [facts.name],
  };
}
