/**
 * The drivers that can be chosen from, built-in and plugins, each with its place, its checked
 * options and its probe.
 */
import type { Config, DriverChoice } from "../core/config.ts";
import { CoracleError, SysError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import { cgroupLayout } from "../core/sys/cgroup.ts";
import { makeDirs } from "../core/sys/files.ts";
import type { Probe } from "../core/terms.ts";
import { BUILTIN } from "./builtin.ts";
import type { DriverKind, DriverModule, DriverPlace, Kit } from "./module.ts";

/** The part of the configuration that concerns drivers. */
export type DriverConfig = Pick<
  Config,
  "root" | "runroot" | "plugins" | "layer" | "runtime" | "monitor"
>;

export interface Candidate<K extends DriverKind> {
  readonly name: string;
  readonly source: string;
  load(): Promise<DriverModule<K>>;
}

/** Built-in ones in the order of `auto`, then plugins in the order of the configuration. */
export async function candidatesOf<K extends DriverKind>(
  kind: K,
  config: DriverConfig,
): Promise<Candidate<K>[]> {
  const candidates: Candidate<DriverKind>[] = BUILTIN[kind].map(({ name, load }) => ({
    name,
    load,
    source: "built-in",
  }));
  // On cgroup v1 runc comes first: crun deprecates it (crun PR 1593), runc promises it to 2029.
  if (kind === "runtime" && cgroupLayout() === "v1") candidates.reverse();
  if (config.plugins.length > 0) {
    const { checkUnique, loadPlugin } = await import("./plugin.ts");
    const modules: DriverModule[] = [];
    for (const plugin of config.plugins) {
      const module = await loadPlugin(plugin);
      modules.push(module);
      if (module.kind !== kind) continue;
      candidates.push({
        name: module.name,
        source: plugin.path,
        load: () => Promise.resolve(module),
      });
    }
    checkUnique(modules);
  }
  return candidates as Candidate<K>[];
}

/** The table `[kind.name]` must be one of a known driver. */
export function checkTables(
  kind: DriverKind,
  choice: DriverChoice,
  candidates: readonly Candidate<DriverKind>[],
): void {
  const names = candidates.map(({ name }) => name);
  for (const table of Object.keys(choice.options)) {
    if (names.includes(table)) continue;
    const near = nearest(table, names);
    throw new CoracleError(
      "config",
      `cannot use the configuration: unknown key "${kind}.${table}"`,
      {
        why: `there is no ${kind} driver "${table}"`,
        hint: near === undefined ? `one of ${names.join(", ")}` : `the key "${kind}.${near}"`,
      },
    );
  }
}

/** The driver's own table, checked against what it declares. */
function optionsOf(module: DriverModule, config: DriverConfig): Readonly<Record<string, unknown>> {
  const table = config[module.kind].options[module.name] ?? {};
  for (const [key, value] of Object.entries(table)) {
    const where = `${module.kind}.${module.name}.${key}`;
    const option = module.options[key];
    if (option === undefined) {
      const known = Object.keys(module.options);
      const near = nearest(key, known);
      throw new CoracleError("config", `cannot use the configuration: unknown key "${where}"`, {
        hint: near !== undefined
          ? `the key "${module.kind}.${module.name}.${near}"`
          : known.length === 0
          ? `the driver "${module.name}" has no options`
          : `one of ${known.join(", ")}`,
      });
    }
    const found: string = typeof value;
    const isRight = option.type === "string[]"
      ? Array.isArray(value) && value.every((item) => typeof item === "string")
      : found === option.type;
    if (isRight) continue;
    throw new CoracleError("config", `cannot use the configuration: key "${where}"`, {
      why: `must be ${option.type}, found ${JSON.stringify(value)}`,
    });
  }
  return table;
}

export function placeOf(module: DriverModule, config: DriverConfig): DriverPlace {
  const { kind, name } = module;
  return {
    root: kind === "layer"
      ? `${config.root}/layers/${name}`
      : `${config.root}/drivers/${kind}/${name}`,
    runroot: `${config.runroot}/drivers/${kind}/${name}`,
    options: optionsOf(module, config),
  };
}

export function makePlace(place: DriverPlace): DriverPlace {
  makeDirs(place.root, 0o700);
  makeDirs(place.runroot, 0o700);
  return place;
}

let kit: Promise<Kit> | undefined;

/** The rooms of ours for drivers; loaded only for plugins, built-in drivers import what they need. */
export function loadKit(): Promise<Kit> {
  return kit ??= (async () => ({
    sys: await import("../core/sys/kit.ts"),
    archive: await import("../core/archive/kit.ts"),
    errors: await import("../core/errors.ts"),
    terms: await import("../core/terms.ts"),
  }))();
}

/** Stands in for the kit where nobody reads it, so that a built-in driver does not pay for the loading. */
export const NO_KIT = {
  get sys(): never {
    throw new Error("built-in drivers import core/sys themselves");
  },
  get archive(): never {
    throw new Error("built-in drivers import core/archive themselves");
  },
  get errors(): never {
    throw new Error("built-in drivers import core/errors themselves");
  },
  get terms(): never {
    throw new Error("built-in drivers import core/terms themselves");
  },
} satisfies Kit;

export const isBuiltin = (source: string): boolean => source === "built-in";

export async function probeOf(
  module: DriverModule,
  source: string,
  config: DriverConfig,
): Promise<Probe> {
  const place = placeOf(module, config);
  try {
    makePlace(place);
  } catch (cause) {
    // A store that cannot be written is a fact of this host, which `doctor` and `info` have to tell.
    if (!(cause instanceof SysError)) throw cause;
    return { usable: false, reason: cause.message };
  }
  try {
    return module.probe(place, isBuiltin(source) ? NO_KIT : await loadKit());
  } catch (cause) {
    // A probe that throws is a bug of the driver; for a built-in one it is ours and must be seen.
    if (isBuiltin(source) && !(cause instanceof CoracleError)) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    return { usable: false, reason: `its probe failed: ${why}` };
  }
}
