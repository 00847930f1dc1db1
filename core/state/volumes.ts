/** Records of volumes and which containers use them. */
import type { ContainerId } from "../terms.ts";
import { all, type Database, one, type Row, run } from "./database.ts";

export interface VolumeRow {
  readonly name: string;
  /** RFC 3339 with nanoseconds. */
  readonly created: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Options of the local driver: `type`, `device`, `o`. */
  readonly options: Readonly<Record<string, string>>;
  /** Made for one container, without a name of the user's; goes with `rm --volumes`. */
  readonly isAnonymous: boolean;
  /** The content of the image was copied up, or there was none: it is not done twice. */
  readonly isFilled: boolean;
}

function fromRow(row: Row): VolumeRow {
  return {
    name: row.name as string,
    created: row.created as string,
    labels: JSON.parse(row.labels as string),
    options: JSON.parse(row.options as string),
    isAnonymous: row.anonymous === 1,
    isFilled: row.filled === 1,
  };
}

/** Fails with `exists` when the name is taken. */
export function insertVolume(db: Database, row: VolumeRow): void {
  run(
    db,
    `INSERT INTO volumes (name, created, labels, options, anonymous, filled)
     VALUES (?, ?, ?, ?, ?, ?)`,
    row.name,
    row.created,
    JSON.stringify(row.labels),
    JSON.stringify(row.options),
    row.isAnonymous ? 1 : 0,
    row.isFilled ? 1 : 0,
  );
}

export function volumeByName(db: Database, name: string): VolumeRow | undefined {
  const row = one(db, "SELECT * FROM volumes WHERE name = ?", name);
  return row && fromRow(row);
}

/** Volumes whose name begins with `prefix`, at most two. */
export function volumesByPrefix(db: Database, prefix: string): VolumeRow[] {
  return all(
    db,
    "SELECT * FROM volumes WHERE substr(name, 1, length(?)) = ? ORDER BY name LIMIT 2",
    prefix,
    prefix,
  ).map(fromRow);
}

export function listVolumes(db: Database): VolumeRow[] {
  return all(db, "SELECT * FROM volumes ORDER BY name").map(fromRow);
}

/** Volumes that no container uses, by name. */
export function unusedVolumes(db: Database): VolumeRow[] {
  return all(
    db,
    `SELECT * FROM volumes WHERE NOT EXISTS
       (SELECT 1 FROM container_volumes WHERE volume = volumes.name) ORDER BY name`,
  ).map(fromRow);
}

export function markVolumeFilled(db: Database, name: string): void {
  run(db, "UPDATE volumes SET filled = 1 WHERE name = ?", name);
}

/** Fails with `busy` when a container uses it. */
export function deleteVolume(db: Database, name: string): void {
  run(db, "DELETE FROM volumes WHERE name = ?", name);
}

export function useVolume(db: Database, container: ContainerId, volume: string): void {
  run(
    db,
    "INSERT OR IGNORE INTO container_volumes (container, volume) VALUES (?, ?)",
    container,
    volume,
  );
}

export function usersOfVolume(db: Database, volume: string): ContainerId[] {
  return all(
    db,
    "SELECT container FROM container_volumes WHERE volume = ? ORDER BY container",
    volume,
  ).map((row) => row.container as ContainerId);
}

export function volumesOfContainer(db: Database, container: ContainerId): VolumeRow[] {
  return all(
    db,
    `SELECT volumes.* FROM container_volumes JOIN volumes ON volumes.name = volume
     WHERE container = ? ORDER BY name`,
    container,
  ).map(fromRow);
}
