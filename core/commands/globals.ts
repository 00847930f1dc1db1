/** The global flags: accepted before the command and, as in Podman, after it. */
import { resolve } from "node:path";
import { CoracleError } from "../errors.ts";
import type { ConfigPart } from "../config.ts";
import { flag, type Flags, type FlagValues } from "./command.ts";
import type { Globals, LogFormat, LogLevel } from "./context.ts";

/** Podman's list; `warning` is another word for `warn`. */
const LEVELS = ["trace", "debug", "info", "warn", "warning", "error", "fatal", "panic"];

export const GLOBAL_FLAGS = {
  root: flag.text("--root DIR", "Folder of images, layers and containers"),
  runroot: flag.text("--runroot DIR", "Folder for what a reboot may take"),
  config: flag.text("--config FILE", "One more configuration file"),
  layerDriver: flag.text(
    "--layer-driver, --storage-driver NAME",
    "Driver of layers: auto, overlay, copy or a plugin's",
  ),
  runtime: flag.text("--runtime NAME", "OCI runtime: auto, crun, runc or the path of one"),
  monitor: flag.text("--monitor NAME", "Process beside a container: auto, conmon or its path"),
  conmon: flag.text("--conmon PATH", "Path of conmon", { hidden: true }),
  logLevel: flag.text("--log-level LEVEL", `What to say on standard error: ${LEVELS.join(", ")}`, {
    parse: logLevel,
  }),
  logFormat: flag.text("--log-format FORMAT", "Errors as text or json", { parse: logFormat }),
  noOut: flag.boolean("--noout", "Write nothing to standard output"),
  cgroupManager: flag.text("--cgroup-manager NAME", "Only cgroupfs", {
    hidden: true,
    parse: only("cgroupfs", "coracle needs no systemd"),
  }),
  eventsBackend: flag.text("--events-backend NAME", "Only none", {
    hidden: true,
    parse: only("none", "coracle keeps no event log"),
  }),
} satisfies Flags;

export type GlobalValues = Partial<FlagValues<typeof GLOBAL_FLAGS>>;

function logLevel(value: string): LogLevel {
  const word = value.toLowerCase();
  if (!LEVELS.includes(word)) {
    throw new CoracleError(
      "usage",
      `Log Level ${JSON.stringify(value)} is not supported, choose from: ${LEVELS.join(", ")}`,
      { exitStatus: 1 },
    );
  }
  return (word === "warning" ? "warn" : word) as LogLevel;
}

function logFormat(value: string): LogFormat {
  if (value !== "text" && value !== "json") throw new Error("must be text or json");
  return value;
}

function only(word: string, why: string): (value: string) => string {
  return (value) => {
    if (value !== word) throw new Error(`only ${word} is supported: ${why}`);
    return value;
  };
}

/** The global flags over `CORACLE_*`; store and drivers are the configuration's business. */
export function readGlobals(
  values: GlobalValues,
  env: Readonly<Record<string, string | undefined>>,
): Globals {
  const level = env.CORACLE_LOG_LEVEL;
  const format = env.CORACLE_LOG_FORMAT;
  const configFile = values.config ?? (env.CORACLE_CONFIG || undefined);
  return {
    logLevel: values.logLevel ?? (level ? named("CORACLE_LOG_LEVEL", level, logLevel) : "warn"),
    logFormat: values.logFormat ??
      (format ? named("CORACLE_LOG_FORMAT", format, logFormat) : "text"),
    noOut: values.noOut ?? ["1", "true"].includes(env.CORACLE_NOOUT ?? ""),
    configFile,
  };
}

function named<T>(name: string, value: string, parse: (value: string) => T): T {
  try {
    return parse(value);
  } catch (cause) {
    if (cause instanceof CoracleError || !(cause instanceof Error)) throw cause;
    throw new CoracleError("usage", `cannot use ${name}=${JSON.stringify(value)}`, {
      why: cause.message,
    });
  }
}

/** What the global flags say about the configuration. */
export function configPart(values: GlobalValues): ConfigPart {
  const monitor = values.conmon ?? values.monitor;
  return {
    ...(values.root === undefined ? {} : { root: values.root }),
    ...(values.runroot === undefined ? {} : { runroot: values.runroot }),
    ...(values.layerDriver === undefined ? {} : { layer: { driver: values.layerDriver } }),
    ...(values.runtime === undefined ? {} : { runtime: { driver: values.runtime } }),
    ...(monitor === undefined ? {} : { monitor: { driver: monitor } }),
  };
}

/**
 * The flags that give another coracle process this one's store and drivers, wherever it starts:
 * after the environment and the flags were merged, so that it needs neither.
 */
export function forChildren(
  config: {
    readonly root: string;
    readonly runroot: string;
    readonly layer: { readonly driver: string };
    readonly runtime: { readonly driver: string };
    readonly monitor: { readonly driver: string };
  },
  globals: Globals,
): string[] {
  return [
    ...["--root", config.root, "--runroot", config.runroot],
    ...["--layer-driver", config.layer.driver, "--runtime", config.runtime.driver],
    ...["--monitor", config.monitor.driver, "--log-level", globals.logLevel],
    ...(globals.configFile === undefined ? [] : ["--config", resolve(globals.configFile)]),
  ];
}
