/**
 * The rooms of the floor that a driver, also a plugin, works with, in one object.
 */
export * as at from "./at.ts";
export * as copy from "./copy.ts";
export * as files from "./files.ts";
export * as host from "./host.ts";
export * as lock from "./lock.ts";
export * as mount from "./mount.ts";
export * as pipe from "./pipe.ts";
export * as process from "./process.ts";
export * as spawn from "./spawn.ts";
export * as xattr from "./xattr.ts";
