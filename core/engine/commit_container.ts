/** `commit`: what a container changed becomes a layer, and with its settings an image. */
import { digestOf } from "../archive/digest.ts";
import type { ResolvedContainer } from "../container/resolve.ts";
import { CoracleError } from "../errors.ts";
import { BlobStaging, type StagedFile } from "../image/blob_staging.ts";
import { hexOf } from "../image/blobs.ts";
import { applyChanges } from "../image/change.ts";
import {
  blobsOf,
  convertManifest,
  DOCKER_CONFIG,
  DOCKER_MANIFEST,
  layerType,
  OCI_CONFIG,
  OCI_MANIFEST,
  writeManifest,
} from "../image/manifest.ts";
import { localName } from "../image/reference.ts";
import { chainIdOn, chainIds } from "../layer/chain.ts";
import { packLayer } from "../layer/pack.ts";
import { chainOf, lockChain, stageLayer } from "../layer/store.ts";
import type { ContainerRow } from "../state/containers.ts";
import { imageById, type ImageRow } from "../state/images.ts";
import { removeFile } from "../sys/files.ts";
import { env } from "../sys/environment.ts";
import { architecture } from "../sys/host.ts";
import type {
  ChainId,
  ImageConfig,
  ImageId,
  ImageRunConfig,
  LayerId,
  Manifest,
  RawPath,
} from "../terms.ts";
import { commitImages } from "./commit_image.ts";
import { recordOf, stateOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { type Intake, type ReadLayer, readLayer } from "./image_layers.ts";
import { readImageConfig, readImageManifest } from "./images.ts";
import { whilePaused } from "./signal_container.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers" | "runtime" | "openRuntime">;

export interface CommitOptions {
  /** Name of the image; none: it has only its id. */
  readonly name?: string;
  readonly author?: string;
  readonly message?: string;
  /** Instructions of a Containerfile (`core/image/change.ts`). */
  readonly changes: readonly string[];
  readonly format: "oci" | "docker";
  /** The container's own volumes are volumes of the image too. */
  readonly includeVolumes?: boolean;
  /** Nothing in the container runs while its files are read. */
  readonly pause?: boolean;
  /** One layer with everything, instead of one more on those of the image. */
  readonly squash?: boolean;
}

export interface Committed {
  readonly id: ImageId;
  /** Left out: a tar has no sockets. */
  readonly sockets: readonly RawPath[];
}

/**
 * Makes an image of the container as it is now; returns its id. Fails with `unsupported` (a root
 * directory of the user's), `usage` (a wrong name or change).
 */
export async function commitContainer(
  engine: Parts,
  row: ContainerRow,
  options: CommitOptions,
): Promise<Committed> {
  // What the user typed is checked before the work begins.
  const name = options.name === undefined ? undefined : localName(options.name);
  if (row.layer === null) {
    throw new CoracleError("unsupported", `cannot commit container "${row.name}"`, {
      why: "it runs on a root directory of the user's, of which nobody knows how it was",
      hint: "make an image of the directory: tar -c . | coracle import - NAME",
    });
  }
  const { layer } = row;
  const base = row.image === null ? undefined : imageById(engine.db, row.image);
  const before = base === undefined ? null : readImageConfig(engine, base);
  const run = applyChanges(
    runConfig(recordOf(row).resolved, { before: before?.config ?? {}, ...options }),
    options.changes,
  );
  using staging = new BlobStaging(engine.paths);
  const intake: Intake = { engine, staging, layers: new Map() };
  const isPaused = options.pause === true && stateOf(engine, row) === "running";
  const packed = isPaused
    ? whilePaused(engine, row, () => pack(intake, layer, options))
    : pack(intake, layer, options);
  const { author, message, format, squash = false } = options;
  const epoch = sourceDateEpoch();
  const created = new Date(epoch === null ? Date.now() : epoch * 1000).toISOString();
  const { file } = packed;
  const facts = { author, message, format, squash, name, run, base, before, file, row, created };
  return { id: await takeImage(intake, layer, facts), sockets: packed.sockets };
}

function pack({ engine, staging }: Intake, layer: LayerId, { squash }: CommitOptions) {
  const writer = staging.writer();
  const epoch = sourceDateEpoch();
  try {
    const { sockets } = packLayer(engine.layers, layer, writer, {
      whole: squash ?? false,
      ...(epoch === null ? {} : { latest: epoch }),
    });
    return { file: writer.finish(), sockets };
  } catch (error) {
    writer.abort();
    throw error;
  }
}

/** Seconds since 1970 for reproducible builds, null when it is not set. */
function sourceDateEpoch(): number | null {
  const epoch = Number(env("SOURCE_DATE_EPOCH") ?? NaN);
  return Number.isSafeInteger(epoch) ? epoch : null;
}

interface Facts {
  readonly author: string | undefined;
  readonly message: string | undefined;
  readonly format: CommitOptions["format"];
  readonly squash: boolean;
  /** The full one. */
  readonly name: string | undefined;
  /** RFC 3339. */
  readonly created: string;
  readonly run: ImageRunConfig;
  readonly base: ImageRow | undefined;
  readonly before: ImageConfig | null;
  readonly file: StagedFile;
  readonly row: ContainerRow;
}

interface ReadFacts extends Facts {
  readonly read: ReadLayer;
}

async function takeImage(intake: Intake, layer: LayerId, facts: Facts): Promise<ImageId> {
  const { engine, staging } = intake;
  const { file } = facts;
  const below = facts.squash ? [] : facts.before?.rootfs.diff_ids ?? [];
  const stage = stageLayer(engine.layers, {
    chain: below.length === 0 ? [] : chainOf(engine.layers, layer),
  });
  let isHandedOver = false;
  try {
    const options = { into: stage.stage, compression: "none", withRecipe: true } as const;
    const read = await readLayer(staging, file, options);
    const chainId: ChainId = chainIdOn(chainIds(below).at(-1) ?? null, read.diffId);
    // Until the image is known its layer is nobody's: the lock tells recovery to leave it alone.
    using undo = new DisposableStack();
    const lock = undo.use(lockChain(engine.layers, chainId));
    undo.defer(() => removeFile(lock.path));
    staging.keep(file, read.digest);
    const { diffId, bytes: size } = read;
    intake.layers.set(chainId, { layer: stage, chainId, diffId, size });
    isHandedOver = true;
    const image = documents(intake, { ...facts, read });
    commitImages(intake, [{ ...image, isManifestOriginal: true, top: chainId }]);
    return image.id;
  } catch (error) {
    if (!isHandedOver) stage.stage.abort();
    throw error;
  }
}

/** How the image runs: as its own image says, changed by what the container was made with. */
function runConfig(
  resolved: ResolvedContainer,
  options: { readonly before: ImageRunConfig; readonly includeVolumes?: boolean },
): ImageRunConfig {
  const { request, entrypoint, command, environment, workdir, user, labels } = resolved;
  const { before } = options;
  const paths = options.includeVolumes
    ? resolved.mounts.filter(({ type }) => type === "volume" || type === "bind")
    : [];
  const volumes = {
    ...before.Volumes,
    ...Object.fromEntries(paths.map(({ destination }) => [destination, {}])),
  };
  const stopSignal = request.stopSignal ?? before.StopSignal;
  const { Cmd: _cmd, Entrypoint: _entrypoint, ...rest } = before;
  return {
    ...rest,
    ...(user === "" ? {} : { User: user }),
    Env: environment.filter((line) => isOfImage(line, resolved, before)),
    ...(entrypoint.length === 0 ? {} : { Entrypoint: entrypoint }),
    ...(command.length === 0 ? {} : { Cmd: command }),
    ...(Object.keys(volumes).length === 0 ? {} : { Volumes: volumes }),
    WorkingDir: workdir,
    ...(Object.keys(labels).length === 0 ? {} : { Labels: labels }),
    ...(stopSignal === undefined ? {} : { StopSignal: stopSignal }),
  };
}

/** TERM and `container` are given to each container anew, unless somebody has set them. */
function isOfImage(line: string, { request }: ResolvedContainer, before: ImageRunConfig): boolean {
  if (!/^(TERM|container)=/.test(line)) return true;
  return request.environment.includes(line) || (before.Env ?? []).includes(line);
}

/** Makes and stages config and manifest. */
function documents(intake: Intake, facts: ReadFacts) {
  const { staging, engine } = intake;
  const { base, read } = facts;
  const isDocker = facts.format === "docker";
  const mediaType = isDocker ? DOCKER_MANIFEST : OCI_MANIFEST;
  const config = configOf(facts);
  const configBytes = new TextEncoder().encode(JSON.stringify(config));
  const below: Manifest["layers"] = base === undefined || facts.squash
    ? []
    : convertManifest(readImageManifest(engine, base).manifest, mediaType).layers;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType,
    config: {
      mediaType: isDocker ? DOCKER_CONFIG : OCI_CONFIG,
      size: configBytes.length,
      digest: digestOf(configBytes),
    },
    layers: [
      ...below,
      { mediaType: layerType(mediaType, "none"), size: facts.file.size, digest: read.digest },
    ],
  };
  const bytes = writeManifest(mediaType, manifest);
  const digest = staging.put(bytes);
  staging.put(configBytes);
  return {
    id: hexOf(manifest.config.digest) as ImageId,
    manifest: digest,
    config,
    blobs: [digest, ...blobsOf(manifest)],
    documentBytes: bytes.length + configBytes.length,
    names: facts.name === undefined ? [] : [facts.name],
    parent: base?.id ?? null,
  };
}

function configOf(facts: ReadFacts): ImageConfig {
  const { before, read, row, author, message, created, squash } = facts;
  const { entrypoint, command } = recordOf(row).resolved;
  const step = {
    created,
    created_by: [...entrypoint, ...command].join(" "),
    ...(author === undefined ? {} : { author }),
    comment: message ?? "",
  };
  return {
    created,
    ...(author === undefined ? {} : { author }),
    architecture: before?.architecture ?? architecture(),
    os: before?.os ?? "linux",
    ...(before?.variant === undefined ? {} : { variant: before.variant }),
    ...(message === undefined ? {} : { comment: message }),
    config: facts.run,
    rootfs: {
      type: "layers",
      diff_ids: [...(squash ? [] : before?.rootfs.diff_ids ?? []), read.diffId],
    },
    history: [...(squash ? [] : before?.history ?? []), step],
  };
}
