/**
 * What the database says of each layer, once more beside it: a symbolic link per layer whose text is
 * the row. One call writes it, it is never half there, and a store that has lost its database finds
 * in these links which tree builds on which (`system check --repair`).
 *
 *     RECORDS/<layer id> -> {"parent":…,"kind":…,"chainId":…,"diffId":…,…}
 */
import { isErrno } from "../errors.ts";
import { AT_FDCWD, readlinkAt, renameAt, symlinkAt } from "../sys/at.ts";
import { listNames, makeDirs, removeFile } from "../sys/files.ts";
import type { LayerRow } from "../state/layers.ts";
import { type LayerId, raw, text } from "../terms.ts";

function linkOf(records: string, id: LayerId): string {
  return `${records}/${id}`;
}

/** Written before the row; replaces an older one. */
export function writeLayerRecord(records: string, { id, ...row }: LayerRow): void {
  const content = raw(JSON.stringify(row));
  const link = raw(linkOf(records, id));
  try {
    return symlinkAt(content, AT_FDCWD, link);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "EEXIST")) throw error;
  }
  makeDirs(records, 0o700);
  const beside = `${linkOf(records, id)}.new`;
  removeFile(beside);
  symlinkAt(content, AT_FDCWD, raw(beside));
  renameAt(AT_FDCWD, raw(beside), AT_FDCWD, link);
}

/** Before the layer's tree goes; quiet when there is none. */
export function removeLayerRecord(records: string, id: LayerId): void {
  removeFile(linkOf(records, id));
}

/** Null when there is none, or none that makes sense. */
export function readLayerRecord(records: string, id: LayerId): LayerRow | null {
  try {
    const row = JSON.parse(text(readlinkAt(AT_FDCWD, raw(linkOf(records, id)))));
    const { parent, kind, chainId, diffId, name, size, created, writable, volatile } = row;
    if (kind !== "image" && kind !== "container" || typeof created !== "string") return null;
    return {
      id,
      parent: parent ?? null,
      kind,
      chainId: chainId ?? null,
      diffId: diffId ?? null,
      name: name ?? null,
      size: Number(size) || 0,
      created,
      writable: writable === true,
      volatile: volatile === true,
    };
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, "ENOENT", "EINVAL")) return null;
    throw error;
  }
}

/** Ids of the layers that have a record. */
export function listLayerRecords(records: string): LayerId[] {
  return listNames(records).filter((name): name is LayerId => /^[a-z0-9]{4,26}$/.test(name));
}
