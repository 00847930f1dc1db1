/**
 * What every driver file exports, built-in or plugin: one object of this shape, as `driver` in a
 * built-in file and as the default export in a plugin file. A plugin imports nothing of ours at run
 * time (it may import types); what it needs arrives in the `Kit`.
 */
import type { Probe } from "../core/terms.ts";
import type { LayerDriver } from "./layer/driver.ts";
import type { MonitorDriver } from "./monitor/driver.ts";
import type { RuntimeDriver } from "./runtime/driver.ts";

/** The version of all contracts; a plugin made for another one is refused with a clear text. */
export const API = 1;

/** The kinds of driver and the contract of each. */
export interface DriverKinds {
  layer: LayerDriver;
  runtime: RuntimeDriver;
  monitor: MonitorDriver;
}
export type DriverKind = keyof DriverKinds;

/** Where a driver lives; given to `probe` and `open`. */
export interface DriverPlace {
  /** The driver's own directory in the store (survives a reboot); exists before `open`. */
  readonly root: string;
  /** The driver's own directory for what a reboot may take (tmpfs); exists before `open`. */
  readonly runroot: string;
  /** The table `[kind.name]` of the configuration, checked against `options`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * The rooms of ours a plugin may use, handed over so that it needs no import at run time: the
 * system floor, the archive model and the error class.
 */
export interface Kit {
  readonly sys: typeof import("../core/sys/kit.ts");
  readonly archive: typeof import("../core/archive/kit.ts");
  readonly errors: typeof import("../core/errors.ts");
  readonly terms: typeof import("../core/terms.ts");
}

/** One option of a driver's configuration table. */
export interface DriverOption {
  readonly type: "string" | "boolean" | "number" | "string[]";
  readonly description: string;
}

export interface DriverModule<K extends DriverKind = DriverKind> {
  readonly api: typeof API;
  readonly kind: K;
  /** Lower-case word, unique within the kind. */
  readonly name: string;
  /** One sentence for `coracle drivers`. */
  readonly summary: string;
  /** The keys that `[kind.name]` may have; anything else there is an error. */
  readonly options: Readonly<Record<string, DriverOption>>;
  /** Can this host run it? Looks, tries, cleans up after itself, takes less than 10 ms. Never throws. */
  probe(place: DriverPlace, kit: Kit): Probe;
  open(place: DriverPlace, kit: Kit): DriverKinds[K];
}
