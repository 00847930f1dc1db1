/** Makes a container: a writable layer over its image and a record. Nothing is mounted or started. */
import { checkName, nameTaken, randomName } from "../container/names.ts";
import { FIRST, SECOND } from "../container/name_words.ts";
import { checkBindSources } from "../container/host/bind_sources.ts";
import { hostFacts } from "../container/host/facts.ts";
import { timeZone } from "../container/host/time_zone.ts";
import type { ContainerRecord, RecordedImage } from "../container/record.ts";
import type { CreateRequest } from "../container/request.ts";
import { type ResolvedContainer, resolveRequest } from "../container/resolve.ts";
import { CoracleError, hasCode } from "../errors.ts";
import { createWritable, removeLayer } from "../layer/store.ts";
import { containerByName, type ContainerRow, insertContainer } from "../state/containers.ts";
import { transaction } from "../state/database.ts";
import { useVolume } from "../state/volumes.ts";
import { close, O, write } from "../sys/at.ts";
import { exists, openText, removeFile } from "../sys/files.ts";
import { signalNumber } from "../sys/process.ts";
import type { ContainerId, ImageRunConfig, LayerId } from "../terms.ts";
import { VERSION } from "../version.ts";
import { containerFiles } from "./container_files.ts";
import { ownName } from "./container_owner.ts";
import { runtimeText } from "./container_runtime.ts";
import { recordOf, timestamp } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { findContainer, lookForContainer } from "./find_container.ts";
import { findImage, readImageConfig } from "./images.ts";
import { removeContainer } from "./remove_container.ts";
import { writeContainerNote } from "./store_records.ts";
import { ensureVolume } from "./volume_store.ts";

export interface CreateOptions {
  /** Remove a container of the same name first. */
  readonly replace?: boolean;
  /** This process is going to start it at once; when it dies before, `--rm` is honoured by recovery. */
  readonly isOwned?: boolean;
}

/** What the container is made from. */
interface Base {
  readonly image: RecordedImage | null;
  readonly config: ImageRunConfig | null;
  readonly layer: LayerId | null;
}

/**
 * Makes the container and returns its row, phase `configured`. Fails with `notfound` (no such
 * image), `exists` (name or cidfile taken), `usage` (wishes that do not fit together); nothing is
 * left behind then.
 */
export function createContainer(
  engine: Engine,
  request: CreateRequest,
  options: CreateOptions = {},
): ContainerRow {
  const { db } = engine;
  using undo = new DisposableStack();
  const cidfile = request.cidfile === undefined ? null : openCidfile(request.cidfile, undo);
  const base = findBase(engine, request);
  const id = newId();
  const name = chooseName(engine, request, options);
  const wanted = withVolumesFrom(engine, request);
  const resolved = resolveRequest(wanted, base.config, {
    newVolumeName: newId,
    signalNumber,
    hostCapabilities: hostFacts().capabilities,
  });
  checkMounts(resolved);
  if (request.timezone !== undefined) timeZone(request.timezone);
  checkOthers(engine, request);
  const volumes = makeVolumes(engine, resolved);
  const owner = options.isOwned ? ownName() : "";
  let layer: LayerId | null = null;
  let row: ContainerRow;
  try {
    // One transaction: a layer without its container would be nobody's.
    row = transaction(db, () => {
      if (request.rootfs === undefined) {
        const { rm: volatile, storageSize: quotaBytes } = request;
        const limit = quotaBytes === undefined ? {} : { quotaBytes };
        layer = createWritable(engine.layers, base.layer, {
          volatile,
          isRecorded: true,
          ...limit,
        });
      }
      const made = newRow(engine, { id, name, layer, resolved, image: base.image, owner });
      insertContainer(db, made);
      for (const volume of volumes) useVolume(db, id, volume);
      return made;
    }, { durable: !request.rm });
  } catch (error) {
    if (layer !== null) removeLayer(engine.layers, layer);
    if (!hasCode(error, "exists")) throw error;
    throw nameTaken(name, containerByName(db, name)?.id ?? "another container");
  }
  undo.defer(() => unmake(engine, row));
  writeContainerNote(engine, row);
  if (cidfile !== null) writeAll(cidfile, id);
  undo.move();
  return row;
}

/** What could not be finished goes again; the error that is on its way is the one to tell. */
function unmake(engine: Engine, row: ContainerRow): void {
  try {
    removeContainer(engine, row, { volumes: true });
  } catch (error) {
    if (!(error instanceof CoracleError)) throw error;
  }
}

/** 64 random hex digits, and not only decimal ones at the start: a short id must not look like a number. */
function newId(): ContainerId {
  for (;;) {
    const bytes = crypto.getRandomValues(new Uint8Array(32));
    const id = Buffer.from(bytes).toString("hex");
    if (/[a-f]/.test(id.slice(0, 12))) return id as ContainerId;
  }
}

function openCidfile(path: string, undo: DisposableStack): number {
  let fd: number;
  try {
    fd = openText(path, O.WRONLY | O.CREAT | O.EXCL, 0o644);
  } catch (error) {
    if (!hasCode(error, "exists")) throw error;
    throw new CoracleError("exists", `cannot use "--cidfile"`, {
      why: `container id file exists. Ensure another container is not using it or delete ${path}`,
    });
  }
  undo.defer(() => {
    close(fd);
    removeFile(path);
  });
  return fd;
}

function writeAll(fd: number, content: string): void {
  write(fd, new TextEncoder().encode(content));
  close(fd);
}

function findBase(engine: Engine, request: CreateRequest): Base {
  if (request.rootfs !== undefined) {
    if (request.storageSize !== undefined) {
      throw new CoracleError("unsupported", 'cannot use "--storage-opt"', {
        why: "the size of a directory given with --rootfs cannot be limited",
      });
    }
    if (exists(request.rootfs)) return { image: null, config: null, layer: null };
    throw new CoracleError("usage", `cannot use root directory "${request.rootfs}"`, {
      why: "no such file or directory",
    });
  }
  const { row, name } = findImage(engine, request.image);
  const config = readImageConfig(engine, row).config ?? null;
  return { image: { name, id: row.id, digest: row.manifest }, config, layer: row.layer };
}

function chooseName(engine: Engine, request: CreateRequest, options: CreateOptions): string {
  if (request.name === undefined) {
    const words = { first: FIRST, second: SECOND };
    return randomName(words, (name) => containerByName(engine.db, name) !== undefined);
  }
  const name = checkName(request.name);
  const taken = lookForContainer(engine.db, name);
  if (taken === undefined || taken.name !== name) return name;
  if (!options.replace) throw nameTaken(name, taken.id);
  removeContainer(engine, taken, { force: true });
  return name;
}

/** The mounts of the containers named by `--volumes-from`, unless the request has one there. */
function withVolumesFrom(engine: Engine, request: CreateRequest): CreateRequest {
  if (request.volumesFrom.length === 0) return request;
  const mounts = new Map(
    request.volumesFrom.flatMap((word) => {
      const [container = "", ...words] = word.split(":");
      const other = findContainer(engine.db, container);
      return recordOf(other).resolved.mounts
        .filter((mount) => mount.type === "bind" || mount.type === "volume")
        .map(({ isAnonymous: _, ...mount }) => ({
          ...mount,
          options: words.includes("ro")
            ? [...mount.options.filter((w) => w !== "rw"), "ro"]
            : mount.options,
        }));
    }).map((mount) => [mount.destination, mount]),
  );
  for (const mount of request.mounts) mounts.set(mount.destination, mount);
  return { ...request, mounts: [...mounts.values()] };
}

/** What the engine cannot mount is refused here, by name, before anything is made. */
function checkMounts({ mounts }: ResolvedContainer): void {
  checkBindSources(mounts);
  for (const mount of mounts) {
    const asked = mount.type === "image"
      ? "mounts of type image"
      : mount.overlay
      ? 'the mount option "O"'
      : null;
    if (asked === null) continue;
    throw new CoracleError("unsupported", `cannot mount at "${mount.destination}"`, {
      why: `${asked} are not part of coracle yet`.replace('"O" are', '"O" is'),
    });
  }
}

/** A container whose namespaces are joined must be there now, not only at the start. */
function checkOthers(engine: Engine, request: CreateRequest): void {
  for (const mode of [request.pid, request.ipc, request.uts, request.network]) {
    if (mode.kind === "container") findContainer(engine.db, mode.container);
  }
  if (request.ipc.kind === "container") checkDonor(findContainer(engine.db, request.ipc.container));
}

/** A private IPC namespace has its /dev/shm inside, where another container cannot have it. */
function checkDonor(donor: ContainerRow): void {
  const { kind } = recordOf(donor).resolved.request.ipc;
  if (kind !== "private" && kind !== "none") return;
  throw new CoracleError("usage", 'cannot use "--ipc"', {
    why: `joining IPC of container ${donor.id} is not allowed: non-shareable IPC ` +
      "(hint: use IpcMode:shareable for the donor container)",
  });
}

function makeVolumes(engine: Engine, resolved: ResolvedContainer): string[] {
  const names: string[] = [];
  for (const mount of resolved.mounts) {
    if (mount.type !== "volume") continue;
    ensureVolume(engine, { name: mount.source, isAnonymous: mount.isAnonymous ?? false });
    names.push(mount.source);
  }
  return names;
}

function newRow(
  engine: Engine,
  made: {
    readonly id: ContainerId;
    readonly name: string;
    readonly layer: LayerId | null;
    readonly resolved: ResolvedContainer;
    readonly image: RecordedImage | null;
    readonly owner: string;
  },
): ContainerRow {
  const files = containerFiles(engine.paths, made.id);
  const record: ContainerRecord = {
    version: 1,
    resolved: made.resolved,
    image: made.image,
    layerDriver: engine.layers.driver.name,
    dir: files.data,
    logPath: made.resolved.request.log.path ?? files.log,
    madeBy: VERSION,
  };
  return {
    id: made.id,
    name: made.name,
    image: (made.image?.id ?? null) as ContainerRow["image"],
    layer: made.layer,
    created: timestamp(),
    record: record as unknown as ContainerRow["record"],
    phase: "configured",
    pid: 0,
    pidStart: "",
    monitorPid: 0,
    started: "",
    ended: "",
    exitCode: 0,
    oomKilled: false,
    error: "",
    restarts: 0,
    runtime: runtimeText(engine.runtime),
    owner: made.owner,
  };
}
