/**
 * What the database says of containers, volumes and images, once more in files beside them: so that
 * a store whose database is lost can be put together again (`system check --repair`). Written after
 * the rows; a kill in between costs nothing but that.
 *
 *     containers/ID/record.json     a container as it was made
 *     volumes/NAME/record.json      labels and options of a volume
 *     records/images.json           names and manifests of all images
 *     records/layers/ID             see core/layer/records.ts
 *     records/layer_driver          name of the layer driver
 */
import type { ContainerRow } from "../state/containers.ts";
import { imageChanges, listImageNames, listImages } from "../state/images.ts";
import { layerById, type LayerRow } from "../state/layers.ts";
import type { VolumeRow } from "../state/volumes.ts";
import { close, O, write } from "../sys/at.ts";
import {
  listNames,
  makeDirs,
  openText,
  readTextOrNull,
  removeFile,
  writeAtomic,
} from "../sys/files.ts";
import { processStart } from "../sys/process.ts";
import type { ContainerId, Digest, ImageId, LayerId } from "../terms.ts";
import { containerFiles } from "./container_files.ts";
import type { Engine, StorePaths } from "./engine.ts";

/** The part of a container's row that does not follow from its life, and the row of its layer. */
export type ContainerNote =
  & Pick<ContainerRow, "id" | "name" | "image" | "layer" | "created" | "runtime" | "record">
  & { readonly layerRow: LayerRow | null };

type Parts = Pick<Engine, "db" | "paths">;

function notePath(paths: StorePaths, id: ContainerId): string {
  return `${containerFiles(paths, id).data}/record.json`;
}

/** One small file; never waited for. */
export function writeContainerNote({ db, paths }: Parts, row: ContainerRow): void {
  const { id, name, image, layer, created, runtime, record } = row;
  const layerRow = layer === null ? null : layerById(db, layer) ?? null;
  const note: ContainerNote = { id, name, image, layer, created, runtime, record, layerRow };
  makeDirs(containerFiles(paths, id).data, 0o700);
  const fd = openText(notePath(paths, id), O.WRONLY | O.CREAT | O.TRUNC | O.NOFOLLOW, 0o600);
  try {
    write(fd, Buffer.from(JSON.stringify(note)));
  } finally {
    close(fd);
  }
}

/** The same for one that has a note already. */
export function rewriteContainerNote(engine: Parts, row: ContainerRow): void {
  const note = readContainerNote(engine.paths, row.id);
  if (note === null) return writeContainerNote(engine, row);
  writeAtomic(notePath(engine.paths, row.id), JSON.stringify({ ...note, name: row.name }), {
    mode: 0o600,
  });
}

/** Null when there is none, or none that makes sense. */
export function readContainerNote(paths: StorePaths, id: ContainerId): ContainerNote | null {
  const note = readJson(notePath(paths, id)) as Partial<ContainerNote> | null;
  if (note?.id !== id || typeof note.name !== "string" || note.record === undefined) return null;
  const { name, image = null, layer = null, created = "", runtime = "", record } = note;
  const layerRow = note.layerRow?.id === layer ? note.layerRow ?? null : null;
  return { id, name, image, layer, created, runtime, record, layerRow };
}

/** Layers of containers have no record of their own. */
export function layerRowsOfContainers(paths: StorePaths): Map<LayerId, LayerRow> {
  const rows = new Map<LayerId, LayerRow>();
  for (const name of listNames(paths.containers)) {
    const row = readContainerNote(paths, name as ContainerId)?.layerRow ?? null;
    if (row !== null) rows.set(row.id, row);
  }
  return rows;
}

function volumeNotePath(paths: Pick<StorePaths, "volumes">, name: string): string {
  return `${paths.volumes}/${name}/record.json`;
}

export function writeVolumeNote(paths: Pick<StorePaths, "volumes">, row: VolumeRow): void {
  writeAtomic(volumeNotePath(paths, row.name), JSON.stringify(row), { mode: 0o600 });
}

/** Null when there is none, or none that makes sense. */
export function readVolumeNote(
  paths: Pick<StorePaths, "volumes">,
  name: string,
): VolumeRow | null {
  const note = readJson(volumeNotePath(paths, name)) as Partial<VolumeRow> | null;
  if (note?.name !== name) return null;
  const { created = "", labels = {}, options = {}, isAnonymous = false } = note;
  return { name, created, labels, options, isAnonymous, isFilled: note.isFilled === true };
}

/** What no blob says of the images. */
export interface ImageNotes {
  readonly images: readonly {
    readonly id: ImageId;
    readonly manifest: Digest;
    readonly loaded: string;
    readonly parent: ImageId | null;
  }[];
  /** In the order in which they were given. */
  readonly names: readonly { readonly name: string; readonly image: ImageId }[];
}

/** After every change of images or their names. */
export function writeImageNotes({ db, paths }: Pick<Engine, "db" | "paths">): void {
  // Read first: notes that are newer than they say are only written once more.
  const change = imageChanges(db);
  const images = listImages(db).map(({ id, manifest, loaded, parent }) => {
    return { id, manifest, loaded, parent };
  });
  const notes: ImageNotes & { change: number } = { change, images, names: listImageNames(db) };
  writeAtomic(`${paths.records}/images.json`, JSON.stringify(notes), { mode: 0o600 });
}

/** A kill between the rows and the notes, or two writers at once, left older notes: writes them anew. */
export function refreshImageNotes(engine: Pick<Engine, "db" | "paths">): void {
  removeDrafts(engine.paths.records);
  const text = readTextOrNull(`${engine.paths.records}/images.json`) ?? "";
  const written = /^\{"change":([0-9]+),/.exec(text)?.[1];
  if (Number(written ?? 0) !== imageChanges(engine.db)) writeImageNotes(engine);
}

export function readImageNotes(paths: Pick<StorePaths, "records">): ImageNotes {
  const notes = readJson(`${paths.records}/images.json`) as Partial<ImageNotes> | null;
  const { images, names } = notes ?? {};
  return {
    images: Array.isArray(images) ? images : [],
    names: Array.isArray(names) ? names : [],
  };
}

function readJson(path: string): unknown {
  const text = readTextOrNull(path);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

export function writeLayerDriverNote(paths: Pick<StorePaths, "records">, name: string): void {
  makeDirs(paths.records, 0o700);
  writeAtomic(`${paths.records}/layer_driver`, `${name}\n`, { mode: 0o600, durable: true });
}

/** Null when there is none. */
export function readLayerDriverNote(paths: Pick<StorePaths, "records">): string | null {
  return readTextOrNull(`${paths.records}/layer_driver`)?.trim() || null;
}

/** Files that a killed process was writing beside the ones they were to replace (`writeAtomic`). */
function removeDrafts(directory: string): void {
  for (const name of listNames(directory)) {
    const pid = /^\.tmp-([0-9]+)-/.exec(name)?.[1];
    if (pid !== undefined && processStart(Number(pid)) === null) removeFile(`${directory}/${name}`);
  }
}
