/** What the database remembers of a migration of layers that did not come to its end. */
import { type Database, meta } from "../state/database.ts";

/** Key: the driver before, whose layers are being removed. */
export const LEFTOVER = "layer_driver_before";
/** Key: the driver to which layers are being moved, and the boot. */
export const MIGRATION = "layer_migration";

/** The driver before, when layers of it are left; undefined when not. */
export function driverBefore(db: Database): string | undefined {
  return meta(db, LEFTOVER);
}

/** Drivers besides the store's own that have layers of it. */
export function leftoverDrivers(db: Database): string[] {
  const [target] = meta(db, MIGRATION)?.split(" ") ?? [];
  const before = meta(db, LEFTOVER);
  return [target, before].filter((name): name is string => name !== undefined);
}
