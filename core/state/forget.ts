/** Forgets every record of a store that is being taken down. */
import { type Database, run, transaction } from "./database.ts";

/** In the order in which foreign keys allow it; what remains are facts about the store itself. */
const TABLES: readonly string[] = [
  "exec_sessions",
  "container_volumes",
  "container_records",
  "containers",
  "image_names",
  "image_blobs",
  "images",
  "layers",
  "volumes",
  "exits",
];

/** All at once and durable: a kill afterwards leaves only content that nobody names. */
export function forgetEverything(db: Database): void {
  transaction(db, () => {
    for (const table of TABLES) run(db, `DELETE FROM ${table}`);
  }, { durable: true });
  // The log goes before the database does: without this a kill between the two brings rows back.
  db.handle.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}
