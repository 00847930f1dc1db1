/**
 * The door: one command line in, one exit status out. The only place where drivers and core meet,
 * and the only one that turns an error into text and status.
 */
import type { Config } from "./core/config.ts";
import type { Context, DriverDesk, Globals, LogFormat, LogLevel } from "./core/commands/context.ts";
import type { CommandSpec } from "./core/commands/command.ts";
import type { GlobalValues } from "./core/commands/globals.ts";
import type { Engine, EnginePart } from "./core/engine/engine.ts";
import type { Database } from "./core/state/database.ts";
import type { DriverKinds } from "./drivers/module.ts";
import { scriptArguments } from "./core/sys/environment.ts";

/** As a shell reports a program that SIGPIPE ended. */
const CLOSED_PIPE = 141;
const FAILED = 125;

/** How errors are told; known as soon as the global flags are read. */
interface Telling {
  logLevel: LogLevel;
  logFormat: LogFormat;
}

let hasStore = false;
const argv = scriptArguments();
const only = argv.length === 1 ? argv[0] : undefined;
if (only === "--version" || only === "-v" || only === "version") {
  // Nothing else is loaded: the start of this line is measured against an empty program.
  if (only === "version") {
    const { versionText } = await import("./core/commands/version.ts");
    console.log(versionText().trimEnd());
  } else {
    const { VERSION } = await import("./core/version.ts");
    console.log(`coracle version ${VERSION}`);
  }
} else {
  const status = await main(argv);
  if (hasStore) {
    // The last one to close a WAL database writes it all into the main file and waits for the disk,
    // which would cost every command more than its work; the runtime's own exit closes it.
    const { endProcess } = await import("./core/sys/process.ts");
    endProcess(status);
  }
  process.exit(status);
}

async function main(words: readonly string[]): Promise<number> {
  const telling: Telling = { logLevel: "warn", logFormat: earlyFormat(words) };
  try {
    return await perform(words, telling);
  } catch (error) {
    try {
      return await tell(error, telling);
    } catch {
      // Standard error itself is gone; the status is all that is left to say.
      return FAILED;
    }
  }
}

/** The format of errors that happen before the global flags are read. */
function earlyFormat(words: readonly string[]): LogFormat {
  const at = words.indexOf("--log-format");
  return words.includes("--log-format=json") || (at >= 0 && words[at + 1] === "json")
    ? "json"
    : "text";
}

async function perform(words: readonly string[], telling: Telling): Promise<number> {
  const { environment } = await import("./core/sys/environment.ts");
  const { GLOBAL_FLAGS, readGlobals } = await import("./core/commands/globals.ts");
  const env = environment();
  // Before the command: skipped when there is none, which spares the parser a round.
  const before = words[0]?.startsWith("-") ? await readBefore(words) : undefined;
  if (before?.version) return await printAndEnd(`coracle version ${before.version}`);
  const rest = before?.rest ?? words;
  Object.assign(telling, pick(readGlobals(before?.values ?? {}, env)));
  if (before?.help || rest.length === 0 || rest[0] === "help") {
    return await help(before?.help ? ["help"] : rest);
  }
  const { findCommand } = await import("./core/commands/find.ts");
  const found = findCommand(rest);
  if (found.kind === "noun") return await help(["help", found.noun], found.rest);
  const spec = await found.entry.load();
  const { parseCommand } = await import("./core/commands/parse.ts");
  const parsed = parseCommand(spec, found.rest, GLOBAL_FLAGS);
  const values: GlobalValues = { ...before?.values, ...parsed.globals };
  const globals = readGlobals(values, env);
  Object.assign(telling, pick(globals));
  if (parsed.help) return await help(["help", ...found.entry.name.split(" ")]);
  return await execute(spec, parsed, { values, globals });
}

function pick({ logLevel, logFormat }: Globals): Telling {
  return { logLevel, logFormat };
}

async function readBefore(words: readonly string[]) {
  const { flag } = await import("./core/commands/command.ts");
  const { GLOBAL_FLAGS } = await import("./core/commands/globals.ts");
  const { parseFlags } = await import("./core/commands/parse.ts");
  const flags = { version: flag.boolean("-v, --version", "Show the version") };
  const parsed = parseFlags(flags, words, {
    name: "",
    stopsAtFirstArgument: true,
    globals: GLOBAL_FLAGS,
  });
  const { VERSION } = await import("./core/version.ts");
  return {
    values: parsed.globals as GlobalValues,
    rest: parsed.args,
    help: parsed.help,
    version: parsed.values.version === true ? VERSION : undefined,
  };
}

async function printAndEnd(text: string): Promise<number> {
  const { openOutput } = await import("./core/commands/output.ts");
  const output = openOutput();
  output.line(text);
  output.flush();
  return 0;
}

/** `coracle`, `coracle help …`, `coracle image`: as Podman, a missing command is status 125. */
async function help(words: readonly string[], more: readonly string[] = []): Promise<number> {
  const { commandHelp, nounHelp, programHelp } = await import("./core/commands/help.ts");
  const { findCommand } = await import("./core/commands/find.ts");
  const { CoracleError } = await import("./core/errors.ts");
  const [asked, ...names] = words;
  const wanted = names.filter((name) => !name.startsWith("-"));
  if (wanted.length === 0) {
    await printAndEnd(programHelp());
    if (asked === "help") return 0;
    throw new CoracleError("usage", 'missing command "coracle COMMAND"');
  }
  const found = findCommand(wanted);
  if (found.kind === "command") return await printAndEnd(commandHelp(await found.entry.load()));
  await printAndEnd(nounHelp(found.noun));
  if (words.length > 2 || more.some((word) => word === "--help" || word === "-h")) return 0;
  if (more.length > 0) {
    const { usageError } = await import("./core/commands/normalise.ts");
    throw usageError(found.noun, `unknown flag: ${more[0]}`);
  }
  throw new CoracleError("usage", `missing command "coracle ${found.noun} COMMAND"`);
}

interface Setting {
  readonly values: GlobalValues;
  readonly globals: Globals;
}

async function execute(
  spec: CommandSpec,
  parsed: { readonly args: string[]; readonly values: Record<string, unknown> },
  { values, globals }: Setting,
): Promise<number> {
  const { loadConfig } = await import("./core/config.ts");
  const { configPart, forChildren } = await import("./core/commands/globals.ts");
  const { openOutput } = await import("./core/commands/output.ts");
  const config = await loadConfig({ file: globals.configFile, flags: configPart(values) });
  const output = openOutput(globals);
  if (spec.before !== undefined) {
    const { storePaths } = await import("./core/engine/engine.ts");
    spec.before(storePaths(config.root, config.runroot), parsed.values);
  }
  const needs = [...spec.needs, ...spec.alsoNeeds?.(parsed.values, parsed.args) ?? []];
  const { changes = false, mendsDatabase = false } = spec;
  const opening = { needs, changes, mendsDatabase };
  const engine = await openEngine(config, opening, (text) => output.warn(text));
  const context: Context = {
    engine,
    output,
    globals,
    forChildren: forChildren(config, globals),
    drivers: driverDesk(config),
  };
  try {
    if (spec.changes) (await import("./core/engine/recover.ts")).recover(engine);
    const status = await spec.run(context, parsed.args, parsed.values);
    output.flush();
    return status ?? 0;
  } catch (error) {
    // What was printed before the failure belongs before its message.
    output.flush();
    throw error;
  }
}

/**
 * Opens the parts in `needs`; touching another one is a bug and says so. A command that `changes`
 * the store first has finished or undone what a kill left; the parts that this takes may be missing
 * on the host as long as nothing needs them.
 */
async function openEngine(
  config: Config,
  spec: {
    readonly needs: readonly EnginePart[];
    readonly changes: boolean;
    readonly mendsDatabase: boolean;
  },
  warn: (text: string) => void,
): Promise<Engine> {
  const { storePaths } = await import("./core/engine/engine.ts");
  const paths = storePaths(config.root, config.runroot);
  const opened: Opened = {};
  const missing: { [P in EnginePart]?: unknown } = {};
  const engine = engineOf({ config, paths }, opened, missing);
  if (spec.needs.length === 0) return engine;
  const { makeDirs } = await import("./core/sys/files.ts");
  try {
    for (const folder of Object.values(paths)) makeDirs(folder, 0o700);
  } catch (error) {
    throw await withAdvice(error);
  }
  if (!spec.mendsDatabase) {
    const { refuseLostDatabase } = await import("./core/engine/lost_database.ts");
    refuseLostDatabase(paths);
  }
  const { openDatabase } = await import("./core/state/database.ts");
  const { bootId } = await import("./core/sys/process.ts");
  opened.db = openDatabase(`${config.root}/state.db`, bootId());
  hasStore = true;
  const wanted = new Set<EnginePart>(spec.needs);
  if (spec.changes) wanted.add("layers").add("runtime");
  for (const part of wanted) {
    try {
      if (part === "layers") opened.layers = await openLayers(config, opened.db, warn);
      if (part === "runtime") {
        opened.runtime = await openProgram("runtime", config, opened.db);
        const { runtimeOpener } = await import("./drivers/load.ts");
        opened.openRuntime = await runtimeOpener(config);
      }
      if (part === "monitor") opened.monitor = await openProgram("monitor", config, opened.db);
    } catch (error) {
      if (spec.needs.includes(part)) throw error;
      missing[part] = error;
    }
  }
  return engine;
}

/** An ordinary user meets this first: what he may not do is told together with what he can. */
async function withAdvice(error: unknown): Promise<unknown> {
  const { CoracleError } = await import("./core/errors.ts");
  const { isRoot } = await import("./core/sys/host.ts");
  if (isRoot() || !(error instanceof CoracleError) || error.code !== "denied") return error;
  const { what, why, code } = error;
  const hint = "run coracle as root, for example with sudo";
  return new CoracleError(code, what, {
    ...(why === undefined ? {} : { why }),
    hint,
    cause: error,
  });
}

type Opened = { -readonly [P in EnginePart]?: Engine[P] } & {
  openRuntime?: (name: string, path: string) => DriverKinds["runtime"];
};

function engineOf(
  base: Pick<Engine, "config" | "paths">,
  opened: Opened,
  missing: { readonly [P in EnginePart]?: unknown },
): Engine {
  const notOpened = (part: EnginePart): never => {
    throw missing[part] ??
      new Error(`the command uses the engine's "${part}" without naming it in "needs"`);
  };
  return {
    ...base,
    get db() {
      return opened.db ?? notOpened("db");
    },
    get layers() {
      return opened.layers ?? notOpened("layers");
    },
    get runtime() {
      return opened.runtime ?? notOpened("runtime");
    },
    openRuntime(text) {
      const open = opened.openRuntime ?? notOpened("runtime");
      const at = text.indexOf("@");
      return open(text.slice(0, at), text.slice(at + 1));
    },
    get monitor() {
      return opened.monitor ?? notOpened("monitor");
    },
  };
}

/** The first driver that opens a store is written into it; from then on it is the store's driver. */
async function openLayers(
  config: Config,
  db: Database,
  warn: (text: string) => void,
): Promise<Engine["layers"]> {
  const { findDriver } = await import("./drivers/load.ts");
  const { meta, setMeta, transaction } = await import("./core/state/database.ts");
  const recorded = meta(db, "layer_driver");
  let found = await findDriver("layer", config, recorded);
  if (recorded === undefined) {
    const first = transaction(db, () => {
      const others = meta(db, "layer_driver");
      if (others === undefined) setMeta(db, "layer_driver", found.name);
      return others ?? found.name;
    }, { durable: true });
    // Another process was first, with another choice.
    const { writeLayerDriverNote } = await import("./core/engine/store_records.ts");
    writeLayerDriverNote({ records: `${config.root}/records` }, first);
    if (first !== found.name) found = await findDriver("layer", config, first);
    else if (found.warning !== undefined) warn(found.warning);
  }
  const driver = found.open();
  return {
    db,
    driver,
    locks: `${config.runroot}/locks`,
    holders: `${config.runroot}/holders`,
    records: `${config.root}/records/layers`,
  };
}

/**
 * A runtime or monitor. Probing costs a spawn of each program, so the choice holds for this boot;
 * a program that was removed meanwhile is looked for anew.
 */
async function openProgram<K extends "runtime" | "monitor">(
  kind: K,
  config: Config,
  db: Database,
): Promise<DriverKinds[K]> {
  const { findDriver } = await import("./drivers/load.ts");
  if (config[kind].driver !== "auto") return (await findDriver(kind, config)).open();
  const { meta, setMeta } = await import("./core/state/database.ts");
  const key = `${kind}_driver`;
  const [boot, recorded] = (meta(db, key) ?? "").split(" ");
  if (boot === db.bootId && recorded !== undefined) {
    try {
      return (await findDriver(kind, config, recorded)).open();
    } catch (error) {
      const { hasCode } = await import("./core/errors.ts");
      if (!hasCode(error, "unsupported")) throw error;
    }
  }
  const found = await findDriver(kind, config);
  setMeta(db, key, `${db.bootId} ${found.name}`);
  return found.open();
}

function driverDesk(config: Config): DriverDesk {
  return {
    list: async () => {
      const { listDrivers } = await import("./drivers/load.ts");
      return await listDrivers(config, await recordedLayerDriver(config));
    },
    openLayers: async (name) => {
      const { findDriver } = await import("./drivers/load.ts");
      return (await findDriver("layer", { ...config, layer: { ...config.layer, driver: name } }))
        .open();
    },
    check: async (wanted, report) => {
      const { checkDriver } = await import("./drivers/load.ts");
      await checkDriver(config, wanted, report);
    },
  };
}

/** The layer driver the store was made with; undefined when there is no store yet. */
async function recordedLayerDriver(config: Config): Promise<string | undefined> {
  const { exists } = await import("./core/sys/files.ts");
  const path = `${config.root}/state.db`;
  if (!exists(path)) return undefined;
  const { closeDatabase, meta, openDatabase } = await import("./core/state/database.ts");
  const { bootId } = await import("./core/sys/process.ts");
  const db = openDatabase(path, bootId());
  try {
    return meta(db, "layer_driver");
  } finally {
    closeDatabase(db);
  }
}

/** Prints the error and gives the exit status. */
async function tell(error: unknown, telling: Telling): Promise<number> {
  const { OutputClosed, openOutput } = await import("./core/commands/output.ts");
  const { CoracleError, isErrno } = await import("./core/errors.ts");
  // Also in the middle of an attached run or a save: whoever read what we write has gone.
  if (error instanceof OutputClosed || isErrno(error, "EPIPE")) return CLOSED_PIPE;
  const { errorLines, errorObject } = await import("./core/commands/error_text.ts");
  const output = openOutput();
  if (telling.logFormat === "json") output.error(JSON.stringify(errorObject(error)));
  else {
    const isDebug = telling.logLevel === "debug" || telling.logLevel === "trace";
    for (const line of errorLines(error, { withCauses: isDebug })) output.error(line);
  }
  return error instanceof CoracleError ? error.exitStatus : FAILED;
}
