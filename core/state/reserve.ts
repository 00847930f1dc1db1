/**
 * Space kept for the moment when the disk is full. A removal is written down before it frees
 * anything: without a reserve, the container that filled the disk could never be removed.
 */
import { SysError } from "../errors.ts";
import { lookAtText, removeFile, writeAtomic } from "../sys/files.ts";
import { fsSpace } from "../sys/file_system.ts";

/** Enough for the records of some hundred removals, which go to the log first. */
const RESERVE_BYTES = 512 * 1024;
/** With less free than this the reserve would itself be what fills the disk. */
const ROOM_BYTES = 16 * RESERVE_BYTES;

const reserveOf = (database: string): string => `${database}-reserve`;

/** Makes the reserve of the database at this path if there is none and there is room for it. */
export function keepReserve(database: string): void {
  const path = reserveOf(database);
  if (lookAtText(path) !== null) return;
  try {
    if (fsSpace(path.slice(0, path.lastIndexOf("/"))).free < ROOM_BYTES) return;
    // Written, not just made long: a hole would keep nothing.
    writeAtomic(path, new Uint8Array(RESERVE_BYTES), { mode: 0o600 });
  } catch (error) {
    // A store that can only be read needs none.
    if (!(error instanceof SysError)) throw error;
  }
}

/** Gives the reserve back to the file system. False when there was none. */
export function giveReserve(database: string): boolean {
  const path = reserveOf(database);
  if (lookAtText(path) === null) return false;
  removeFile(path);
  return true;
}
