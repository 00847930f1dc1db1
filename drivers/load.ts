/**
 * Name, `auto` or path to an opened driver: finds the module (built-in or plugin), checks its
 * options, probes, and chooses. Knows every kind the same way.
 */
import type { DriverChoice } from "../core/config.ts";
import { CoracleError } from "../core/errors.ts";
import { nearest } from "../core/nearest.ts";
import type { Probe } from "../core/terms.ts";
import { BUILTIN, DRIVER_KINDS } from "./builtin.ts";
import {
  type Candidate,
  candidatesOf,
  checkTables,
  type DriverConfig,
  isBuiltin,
  loadKit,
  makePlace,
  NO_KIT,
  placeOf,
  probeOf,
} from "./candidates.ts";
import type { DriverKind, DriverKinds, DriverModule } from "./module.ts";
import type { RuntimeDriver } from "./runtime/driver.ts";

export type { DriverConfig };

export interface FoundDriver<K extends DriverKind> {
  readonly kind: K;
  readonly name: string;
  readonly module: DriverModule<K>;
  /** "built-in" or the plugin's path. */
  readonly source: string;
  /** Undefined when the driver was named by the store or the user and not probed. */
  readonly probe: Probe | undefined;
  /** Something the user should know about the choice: what was better and why it was not taken. */
  readonly warning: string | undefined;
  open(): DriverKinds[K];
}

/** One line of `coracle drivers`. */
export interface DriverReport {
  readonly kind: DriverKind;
  readonly name: string;
  readonly summary: string;
  readonly usable: boolean;
  readonly reason: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  readonly inUse: boolean;
  readonly source: string;
}

/**
 * The driver of `kind` that the configuration asks for. `recorded` is the choice written in the
 * store: for layers it binds (another one cannot read yesterday's layers), for the others `auto`
 * prefers it. A recorded or named driver is not probed here: its `open` and its calls say what is
 * wrong, and every start would pay for the probe.
 */
export async function findDriver<K extends DriverKind>(
  kind: K,
  config: DriverConfig,
  recorded?: string,
): Promise<FoundDriver<K>> {
  const choice: DriverChoice = config[kind];
  const candidates = await candidatesOf(kind, config);
  checkTables(kind, choice, candidates);
  if (choice.driver.startsWith("/")) return await fromPath(kind, choice.driver, config);
  if (choice.driver === "auto") {
    const known = candidates.find(({ name }) => name === recorded);
    if (known !== undefined) return await found(kind, known, config);
    if (recorded !== undefined && kind === "layer") throw recordedGone(recorded, candidates);
    return await firstUsable(kind, candidates, config);
  }
  const named = candidates.find(({ name }) => name === choice.driver);
  if (named === undefined) throw unknownDriver(kind, choice.driver, candidates);
  if (kind === "layer" && recorded !== undefined && recorded !== named.name) {
    throw otherStore(config.root, recorded, named.name);
  }
  const driver = await found(kind, named, config);
  if (recorded === named.name) return driver;
  const probe = await probeOf(driver.module as DriverModule, driver.source, config);
  if (!probe.usable) {
    throw new CoracleError("unsupported", `cannot use the ${kind} driver "${named.name}"`, {
      why: probe.reason,
      hint: 'see "coracle drivers" for the others',
    });
  }
  return { ...driver, probe };
}

async function found<K extends DriverKind>(
  kind: K,
  candidate: Candidate<K>,
  config: DriverConfig,
): Promise<FoundDriver<K>> {
  const module = await candidate.load();
  const place = placeOf(module as DriverModule, config);
  const given = isBuiltin(candidate.source) ? NO_KIT : await loadKit();
  return {
    kind,
    name: candidate.name,
    module,
    source: candidate.source,
    probe: undefined,
    warning: undefined,
    open: () => module.open(makePlace(place), given),
  };
}

async function firstUsable<K extends DriverKind>(
  kind: K,
  candidates: readonly Candidate<K>[],
  config: DriverConfig,
): Promise<FoundDriver<K>> {
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const driver = await found(kind, candidate, config);
    const probe = await probeOf(driver.module as DriverModule, driver.source, config);
    if (probe.usable) {
      const warning = reasons.length === 0
        ? undefined
        : `using the ${kind} driver "${driver.name}" (${driver.module.summary}); ${
          reasons.join("; ")
        }`;
      return { ...driver, probe, warning };
    }
    reasons.push(`${candidate.name}: ${probe.reason}`);
  }
  throw new CoracleError("unsupported", `cannot find a usable ${kind} driver`, {
    why: reasons.join("; "),
    hint: "coracle doctor",
  });
}

/** A program named by its path: which driver knows its words is asked of the program itself. */
async function fromPath<K extends DriverKind>(
  kind: K,
  path: string,
  config: DriverConfig,
): Promise<FoundDriver<K>> {
  if (kind === "layer") {
    throw new CoracleError("usage", `cannot use "${path}" as the layer driver`, {
      why: "layer drivers are named, not given by a path",
      hint: "a driver file is added with [[plugin]] in the configuration",
    });
  }
  const { run } = await import("../core/sys/spawn.ts");
  let said = "";
  try {
    const end = run([path, "--version"], { stdin: "ignore", timeoutMs: 10_000 });
    if (end.status === 0) said = new TextDecoder().decode(end.stdout);
  } catch (cause) {
    throw unusablePath(kind, path, cause);
  }
  if (said === "") throw unusablePath(kind, path);
  const first = said.trimStart().split(/\s/)[0]?.toLowerCase() ?? "";
  // What is neither crun nor runc (youki, runsc, …) follows runc's command line.
  const name = BUILTIN[kind].find((driver) => driver.name === first)?.name ??
    (kind === "runtime" ? "runc" : "conmon");
  const candidate = (await candidatesOf(kind, config)).find((known) => known.name === name);
  if (candidate === undefined) throw unusablePath(kind, path);
  const options = { ...config[kind].options[name], path };
  const choice = { driver: name, options: { ...config[kind].options, [name]: options } };
  return await found(kind, candidate, { ...config, [kind]: choice });
}

function unusablePath(kind: DriverKind, path: string, cause?: unknown): CoracleError {
  const why = cause instanceof CoracleError ? cause.why : undefined;
  return new CoracleError("unsupported", `cannot use "${path}" as the ${kind}`, {
    why: why ?? `"${path} --version" did not answer`,
    cause,
  });
}

function unknownDriver(
  kind: DriverKind,
  name: string,
  candidates: readonly Candidate<DriverKind>[],
): CoracleError {
  const names = candidates.map((candidate) => candidate.name);
  const near = nearest(name, names);
  return new CoracleError("config", `cannot use the ${kind} driver "${name}"`, {
    why: `there is no driver of that name, only: ${names.join(", ")}`,
    hint: near === undefined ? "coracle drivers" : `the name "${near}"`,
  });
}

function otherStore(root: string, recorded: string, wanted: string): CoracleError {
  return new CoracleError("config", `cannot use the layer driver "${wanted}"`, {
    why: `the store "${root}" was made with "${recorded}"`,
    hint: `use "--layer-driver ${recorded}", or another store with "--root DIR"`,
  });
}

function recordedGone(
  recorded: string,
  candidates: readonly Candidate<DriverKind>[],
): CoracleError {
  return new CoracleError("config", `cannot use the layer driver "${recorded}"`, {
    why: `the store was made with it, but there is only: ${
      candidates.map(({ name }) => name).join(", ")
    }`,
    hint: "add its file again with [[plugin]] in the configuration",
  });
}

/**
 * All drivers of all kinds, each probed. `recorded` is the layer driver that the store was made
 * with, if there is a store.
 */
export async function listDrivers(
  config: DriverConfig,
  recorded?: string,
): Promise<DriverReport[]> {
  const reports: DriverReport[] = [];
  for (const kind of DRIVER_KINDS) {
    const candidates = await candidatesOf(kind, config);
    checkTables(kind, config[kind], candidates);
    const ofKind: DriverReport[] = [];
    for (const { name, source, load } of candidates) {
      const module = await load() as DriverModule;
      const probe = await probeOf(module, source, config);
      ofKind.push({
        kind,
        name,
        summary: module.summary,
        usable: probe.usable,
        reason: probe.reason,
        facts: probe.facts ?? {},
        inUse: false,
        source,
      });
    }
    const used = await usedName(kind, ofKind, { config, recorded });
    reports.push(...ofKind.map((report) => ({ ...report, inUse: report.name === used })));
  }
  return reports;
}

/** The name that `findDriver` would choose, from reports that are there already. */
async function usedName(
  kind: DriverKind,
  reports: readonly DriverReport[],
  given: { readonly config: DriverConfig; readonly recorded: string | undefined },
): Promise<string | undefined> {
  const wanted = given.config[kind].driver;
  if (kind === "layer" && given.recorded !== undefined) return given.recorded;
  if (wanted === "auto") return reports.find(({ usable }) => usable)?.name;
  if (wanted.startsWith("/")) return (await findDriver(kind, given.config)).name;
  return wanted;
}

/** `drivers check`: the suite of the driver's contract; loaded only then. */
export async function checkDriver(
  ...args: Parameters<typeof import("./check.ts").checkDriver>
): Promise<void> {
  const check = await import("./check.ts");
  await check.checkDriver(...args);
}

/**
 * A function that opens the runtime called `name` with the program at `path`: for containers that
 * were made with another runtime than the one in use. Nothing is probed; it fails with
 * `unsupported` when there is no such driver or program any more.
 */
export async function runtimeOpener(
  config: DriverConfig,
): Promise<(name: string, path: string) => RuntimeDriver> {
  const candidates = await candidatesOf("runtime", config);
  const known = await Promise.all(
    candidates.map(async ({ source, load }) => ({
      module: await load(),
      kit: isBuiltin(source) ? NO_KIT : await loadKit(),
    })),
  );
  return (name, path) => {
    const found = known.find(({ module }) => module.name === name);
    if (found === undefined) {
      throw new CoracleError("unsupported", `cannot use the runtime "${name}"`, {
        why: `there is no driver of that name, only: ${
          candidates.map((candidate) => candidate.name).join(", ")
        }`,
      });
    }
    const place = makePlace(placeOf(found.module as DriverModule, config));
    return found.module.open({ ...place, options: { ...place.options, path } }, found.kit);
  };
}
