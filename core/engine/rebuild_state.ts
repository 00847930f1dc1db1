/**
 * Puts the database together again from what lies in the store: the records of layers, the notes of
 * containers, volumes and images, and the manifests and configs among the blobs. The new one is made
 * whole beside the old and takes its place in one rename; the old one is kept.
 */
import { CoracleError, hasCode } from "../errors.ts";
import { blobsOf, parseManifest } from "../image/manifest.ts";
import { hasBlob, hexOf, listBlobs, openBlob, readBlob } from "../image/blobs.ts";
import { parseConfig } from "../image/image_config.ts";
import { CONFIG_BYTES, MANIFEST_BYTES } from "../image/json_document.ts";
import { chainIds } from "../layer/chain.ts";
import { listLayerRecords, readLayerRecord } from "../layer/records.ts";
import { changeContainer, type ContainerRow, insertContainer } from "../state/containers.ts";
import {
  closeDatabase,
  type Database,
  openDatabase,
  setMeta,
  transaction,
} from "../state/database.ts";
import { imageById, insertImage, nameImage } from "../state/images.ts";
import { insertLayer, layerByChainId, layerById, layerChain } from "../state/layers.ts";
import { insertVolume, useVolume, volumeByName, type VolumeRow } from "../state/volumes.ts";
import { close, fsync, O } from "../sys/at.ts";
import {
  exists,
  listNames,
  makeDirs,
  moveInto,
  openText,
  readTextOrNull,
  removeFile,
} from "../sys/files.ts";
import { lockFile } from "../sys/lock.ts";
import { bootId, processStart } from "../sys/process.ts";
import type { ContainerId, Digest, ImageId, LayerId, Manifest } from "../terms.ts";
import { containerFiles } from "./container_files.ts";
import { recordOf } from "./container_state.ts";
import type { StorePaths } from "./engine.ts";
import { databasePath, isDatabaseLost } from "./lost_database.ts";
import {
  layerRowsOfContainers,
  readContainerNote,
  readImageNotes,
  readLayerDriverNote,
  readVolumeNote,
} from "./store_records.ts";

export type DatabaseState = "good" | "lost" | "damaged";

/** Looks without changing anything but what opening a good database changes. */
export function databaseState(paths: StorePaths): DatabaseState {
  if (isDatabaseLost(paths)) return "lost";
  if (!exists(databasePath(paths))) return "good";
  try {
    const db = openDatabase(databasePath(paths), bootId());
    try {
      return db.handle.prepare("PRAGMA quick_check(1)").get()?.quick_check === "ok"
        ? "good"
        : "damaged";
    } finally {
      closeDatabase(db);
    }
  } catch (error) {
    // A newer coracle's database is not damaged.
    if (hasCode(error, "unsupported")) throw error;
    return "damaged";
  }
}

/** What was found again, for people. */
export interface RebuiltDatabase {
  readonly layers: number;
  readonly images: number;
  readonly containers: number;
  readonly volumes: number;
  /** Where the damaged database is now; null when there was none. */
  readonly kept: string | null;
}

/** Fails with `unsupported` when nothing says which layer driver the store has. */
export function rebuildDatabase(paths: StorePaths): RebuiltDatabase {
  makeDirs(paths.locks, 0o700);
  using _lock = lockFile(`${paths.locks}/rebuild`);
  const fresh = `${databasePath(paths)}.new`;
  removeDatabase(fresh);
  const driver = layerDriverOf(paths);
  const db = openDatabase(fresh, bootId());
  let counts: Omit<RebuiltDatabase, "kept">;
  try {
    counts = transaction(db, () => {
      if (driver !== null) setMeta(db, "layer_driver", driver);
      return {
        layers: rebuildLayers(db, paths),
        images: rebuildImages(db, paths),
        volumes: rebuildVolumes(db, paths),
        containers: rebuildContainers(db, paths),
      };
    });
  } finally {
    closeDatabase(db);
  }
  syncFile(fresh);
  const kept = setAside(paths);
  moveInto(fresh, databasePath(paths));
  return { ...counts, kept };
}

const PARTS = ["", "-wal", "-shm"];

function removeDatabase(path: string): void {
  for (const part of PARTS) removeFile(`${path}${part}`);
}

function syncFile(path: string): void {
  const fd = openText(path, O.RDONLY);
  try {
    fsync(fd);
  } finally {
    close(fd);
  }
}

/** The log first: without it the file is of no use to whoever is killed in between and looks again. */
function setAside(paths: StorePaths): string | null {
  const path = databasePath(paths);
  const there = PARTS.filter((part) => exists(`${path}${part}`));
  if (there.length === 0) return null;
  let aside = "";
  for (let n = 1; aside === "" || exists(aside); n++) aside = `${path}.damaged-${n}`;
  for (const part of [...there].reverse()) moveInto(`${path}${part}`, `${aside}${part}`);
  return exists(aside) ? aside : null;
}

function layerDriverOf(paths: StorePaths): string | null {
  const noted = readLayerDriverNote(paths);
  if (noted !== null) return noted;
  const used = listNames(paths.layers).filter((name) =>
    listNames(`${paths.layers}/${name}/layers`).length > 0
  );
  if (used.length <= 1) return used[0] ?? null;
  throw new CoracleError("unsupported", "cannot put the store's database together", {
    why: `nothing says which of these layer drivers is the store's: ${used.join(", ")}`,
    hint: `write its name into ${paths.records}/layer_driver`,
  });
}

/** Parents before children; a layer whose parent has no record is left out, as nothing can use it. */
function rebuildLayers(db: Database, paths: StorePaths): number {
  const folder = `${paths.records}/layers`;
  const ofContainers = layerRowsOfContainers(paths);
  const ids = [...listLayerRecords(folder), ...ofContainers.keys()];
  const done = new Set<LayerId>();
  const insert = (id: LayerId, seen: ReadonlySet<LayerId>): boolean => {
    if (done.has(id)) return true;
    const row = readLayerRecord(folder, id) ?? ofContainers.get(id) ?? null;
    if (row === null || seen.has(id)) return false;
    if (row.parent !== null && !insert(row.parent, new Set([...seen, id]))) return false;
    // A record that a kill left behind may claim what another layer has.
    const isTaken = row.chainId !== null && layerByChainId(db, row.chainId) !== undefined;
    if (isTaken) return false;
    insertLayer(db, row);
    done.add(id);
    return true;
  };
  for (const id of ids) insert(id, new Set());
  return done.size;
}

function rebuildImages(db: Database, paths: StorePaths): number {
  const notes = readImageNotes(paths);
  const manifests = listBlobs(paths).flatMap((digest) => {
    const manifest = manifestIn(paths, digest);
    return manifest === null ? [] : [{ digest, manifest }];
  });
  // The one that was in use comes first: an image has one.
  const noted = new Set(notes.images.map(({ manifest }) => manifest));
  manifests.sort((a, b) => Number(noted.has(b.digest)) - Number(noted.has(a.digest)));
  let count = 0;
  for (const { digest, manifest } of manifests) {
    const id = hexOf(manifest.config.digest) as ImageId;
    if (imageById(db, id) !== undefined) continue;
    const note = notes.images.find((each) => each.id === id);
    if (rebuildImage(db, paths, { id, digest, manifest, loaded: note?.loaded })) count++;
  }
  for (const { name, image } of notes.names) {
    if (imageById(db, image) !== undefined) nameImage(db, name, image);
  }
  return count;
}

/** Null for a blob that is no manifest: a config, a layer, or damaged. */
function manifestIn(paths: StorePaths, digest: Digest): Manifest | null {
  const { fd, stat } = openBlob(paths, digest);
  close(fd);
  if (stat.size > MANIFEST_BYTES) return null;
  try {
    const parsed = parseManifest(readBlob(paths, digest, MANIFEST_BYTES), "manifest");
    return parsed.kind === "manifest" ? parsed.manifest : null;
  } catch (error) {
    if (error instanceof CoracleError) return null;
    throw error;
  }
}

interface FoundManifest {
  readonly id: ImageId;
  readonly digest: Digest;
  readonly manifest: Manifest;
  readonly loaded: string | undefined;
}

/** False when its config or its layers are not there. */
function rebuildImage(db: Database, paths: StorePaths, found: FoundManifest): boolean {
  const { id, digest, manifest } = found;
  let config: ReturnType<typeof parseConfig>;
  let configSize: number;
  try {
    const bytes = readBlob(paths, manifest.config.digest, CONFIG_BYTES);
    config = parseConfig(bytes, "config");
    configSize = bytes.length;
  } catch (error) {
    if (error instanceof CoracleError) return false;
    throw error;
  }
  const top = chainIds(config.rootfs.diff_ids).at(-1);
  const layer = top === undefined ? null : layerByChainId(db, top);
  if (layer === undefined) return false;
  const ids = layer === null ? [] : [layer.id, ...layerChain(db, layer.id)];
  const trees = ids.reduce((sum, one) => sum + (layerById(db, one)?.size ?? 0), 0);
  const manifestSize = readBlob(paths, digest, MANIFEST_BYTES).length;
  insertImage(db, {
    id,
    manifest: digest,
    layer: layer?.id ?? null,
    parent: null,
    size: trees + configSize + manifestSize,
    created: config.created ?? "",
    loaded: found.loaded ?? new Date().toISOString(),
    labels: config.config?.Labels ?? {},
    architecture: config.architecture ?? "",
    os: config.os ?? "",
  }, [digest, ...blobsOf(manifest).filter((blob) => hasBlob(paths, blob))]);
  return true;
}

function rebuildVolumes(db: Database, paths: StorePaths): number {
  const names = listNames(paths.volumes);
  for (const name of names) {
    const unknown: VolumeRow = {
      name,
      created: new Date().toISOString(),
      labels: {},
      options: {},
      isAnonymous: /^[0-9a-f]{64}$/.test(name),
      isFilled: true,
    };
    const row = readVolumeNote(paths, name) ?? unknown;
    const isFilled = listNames(`${paths.volumes}/${name}/_data`).length > 0;
    insertVolume(db, { ...row, isFilled });
  }
  return names.length;
}

function rebuildContainers(db: Database, paths: StorePaths): number {
  let count = 0;
  for (const name of listNames(paths.containers)) {
    const note = readContainerNote(paths, name as ContainerId);
    // Without its layer it could never be started again.
    if (note === null || note.layer !== null && layerById(db, note.layer) === undefined) continue;
    const image = note.image !== null && imageById(db, note.image) ? note.image : null;
    const row: ContainerRow = {
      ...note,
      image,
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
      owner: "",
    };
    insertContainer(db, row);
    for (const mount of recordOf(row).resolved.mounts) {
      const isKnown = mount.type === "volume" && volumeByName(db, mount.source) !== undefined;
      if (isKnown) useVolume(db, row.id, mount.source);
    }
    adoptRun(db, paths, row);
    count++;
  }
  return count;
}

/** What the monitor left says that it ran in this boot: it runs, or its end can be looked up. */
function adoptRun(db: Database, paths: StorePaths, row: ContainerRow): void {
  const files = containerFiles(paths, row.id);
  const pid = Number(readTextOrNull(`${files.bundle}/pidfile`) ?? 0);
  if (pid > 0) {
    const monitorPid = Number(readTextOrNull(`${files.bundle}/conmon.pid`) ?? 0);
    const started = row.created;
    const pidStart = processStart(pid) ?? "gone";
    changeContainer(db, row.id, { phase: "started", pid, pidStart, monitorPid, started });
  } else if (exists(files.log)) {
    const error = "how it ended was lost with the store's database";
    changeContainer(db, row.id, { phase: "exited", exitCode: -1, error, started: row.created });
  }
}
