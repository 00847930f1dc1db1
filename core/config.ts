/**
 * Finds, reads, checks and merges the configuration. Every default is here. Without a file nothing
 * but this module is loaded: `ps` must not pay for TOML.
 *
 * Later wins: defaults, /etc/coracle/coracle.toml, /etc/coracle/coracle.toml.d/*.toml (by name),
 * the user's own under XDG, `--config FILE`, `CORACLE_*`, flags.
 */
import { isAbsolute, resolve } from "node:path";
import { CoracleError } from "./errors.ts";
import * as at from "./sys/at.ts";
import { environment } from "./sys/environment.ts";
import { exists, listNames } from "./sys/files.ts";
import { raw } from "./terms.ts";

/** Which driver of one kind, and the tables `[kind.name]` by driver name, unchecked. */
export interface DriverChoice {
  /** `auto`, a driver's name, or (runtime, monitor) the absolute path of a program. */
  readonly driver: string;
  readonly options: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** One `[[plugin]]`: a driver file loaded at run time. */
export interface PluginFile {
  readonly path: string;
  /** 64 hex digits; a file with another digest is refused. */
  readonly sha256?: string;
}

/** Defaults of containers that flags of `run` and `create` override. */
export interface ContainerDefaults {
  /** Seconds between the stop signal and SIGKILL. */
  readonly stopTimeout: number;
  /** Keys that detach a terminal; empty: none. */
  readonly detachKeys: string;
  /** Processes and threads; 0: no limit. */
  readonly pidsLimit: number;
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  readonly logDriver: string;
  /** Bytes of a log before it is rotated; 0: never. */
  readonly logSizeMax: number;
  /** A seccomp profile file in place of the built-in one; empty: the built-in one. */
  readonly seccompProfile: string;
}

export interface Config {
  readonly root: string;
  readonly runroot: string;
  readonly layer: DriverChoice;
  readonly runtime: DriverChoice;
  readonly monitor: DriverChoice;
  readonly plugins: readonly PluginFile[];
  readonly container: ContainerDefaults;
  /** The files that were read, in order. */
  readonly files: readonly string[];
}

/** What a file, the environment or the flags may set; absent means "leave it". */
export interface ConfigPart {
  readonly root?: string;
  readonly runroot?: string;
  readonly layer?: Partial<DriverChoice>;
  readonly runtime?: Partial<DriverChoice>;
  readonly monitor?: Partial<DriverChoice>;
  readonly plugins?: readonly PluginFile[];
  readonly container?: Partial<ContainerDefaults>;
}

export interface ConfigRequest {
  /** `--config` or `CORACLE_CONFIG`: must exist. */
  readonly file?: string | undefined;
  /** From the global flags. */
  readonly flags?: ConfigPart;
  /** The system's folder; another one in tests. */
  readonly systemFolder?: string;
  /** The environment to read; another one in tests. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

const CONTAINER: ContainerDefaults = {
  stopTimeout: 10,
  detachKeys: "ctrl-p,ctrl-q",
  pidsLimit: 2048,
  shmSize: 64 * 1024 * 1024,
  logDriver: "k8s-file",
  logSizeMax: 0,
  seccompProfile: "",
};

/**
 * The configuration in force. Fails with `config` on a file that cannot be read, an unknown key or
 * a wrong type; the message names file and key.
 */
export async function loadConfig(request: ConfigRequest = {}): Promise<Config> {
  const env = request.environment ?? environment();
  const user = currentUser();
  const files = configFiles(request, env, user);
  let config = defaults(env, user);
  if (files.length > 0) {
    const { readConfigFile } = await import("./config/file.ts");
    for (const file of files) config = merge(config, readConfigFile(file), file);
  }
  config = merge(config, fromEnvironment(env));
  return merge(config, request.flags ?? {});
}

/** The files that exist, in the order they are read. */
function configFiles(
  request: ConfigRequest,
  env: Readonly<Record<string, string | undefined>>,
  user: number,
): string[] {
  const system = request.systemFolder ?? "/etc/coracle";
  const files: string[] = [];
  if (exists(`${system}/coracle.toml`)) files.push(`${system}/coracle.toml`);
  const parts = `${system}/coracle.toml.d`;
  if (exists(parts)) {
    const names = listNames(parts).filter((name) => name.endsWith(".toml")).sort();
    files.push(...names.map((name) => `${parts}/${name}`));
  }
  const folder = absolute(env.XDG_CONFIG_HOME) ?? (env.HOME ? `${env.HOME}/.config` : undefined);
  const own = folder === undefined ? undefined : `${folder}/coracle/coracle.toml`;
  if (own !== undefined && exists(own)) {
    checkOwner(own, user);
    files.push(own);
  }
  const named = request.file ?? env.CORACLE_CONFIG;
  if (named !== undefined && named !== "") files.push(resolve(named));
  return files;
}

/**
 * sudo may keep HOME: then the "own" file is somebody else's, and it could name a program that
 * runs as root.
 */
function checkOwner(file: string, user: number): void {
  const stat = at.statAt(at.AT_FDCWD, raw(file), { follow: true });
  if ((stat.uid === 0 || stat.uid === user) && (stat.mode & 0o022) === 0) return;
  throw new CoracleError("config", `cannot use the configuration "${file}"`, {
    why: stat.uid === 0 || stat.uid === user
      ? "others can write to it"
      : `it belongs to user ${stat.uid}, not to root or to you`,
    hint: `chown and chmod it, or pass it on purpose with --config`,
  });
}

function currentUser(): number {
  return at.statAt(at.AT_FDCWD, raw("/proc/self"), { follow: true }).uid;
}

function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

function defaults(env: Readonly<Record<string, string | undefined>>, user: number): Config {
  const auto: DriverChoice = { driver: "auto", options: {} };
  const home = env.HOME ?? "/";
  return {
    root: user === 0
      ? "/var/lib/coracle"
      : `${absolute(env.XDG_DATA_HOME) ?? `${home}/.local/share`}/coracle`,
    runroot: user === 0
      ? "/run/coracle"
      : `${absolute(env.XDG_RUNTIME_DIR) ?? `/run/user/${user}`}/coracle`,
    layer: auto,
    runtime: auto,
    monitor: auto,
    plugins: [],
    container: CONTAINER,
    files: [],
  };
}

/** `CORACLE_ROOT`, `CORACLE_LAYER_DRIVER`, …; empty means not set. */
function fromEnvironment(env: Readonly<Record<string, string | undefined>>): ConfigPart {
  const driver = (...names: string[]): Partial<DriverChoice> => {
    const value = names.map((name) => env[name]).find((text) => text);
    return value === undefined ? {} : { driver: value };
  };
  return {
    ...(env.CORACLE_ROOT ? { root: env.CORACLE_ROOT } : {}),
    ...(env.CORACLE_RUNROOT ? { runroot: env.CORACLE_RUNROOT } : {}),
    layer: driver("CORACLE_LAYER_DRIVER", "CORACLE_STORAGE_DRIVER"),
    runtime: driver("CORACLE_RUNTIME"),
    monitor: driver("CORACLE_MONITOR"),
  };
}

/** `part` over `config`; `file` is where it came from. */
function merge(config: Config, part: ConfigPart, file?: string): Config {
  return {
    // A flag or variable may be relative to where the user stands; files are checked to be absolute.
    root: part.root === undefined ? config.root : resolve(part.root),
    runroot: part.runroot === undefined ? config.runroot : resolve(part.runroot),
    layer: mergeChoice(config.layer, part.layer),
    runtime: mergeChoice(config.runtime, part.runtime),
    monitor: mergeChoice(config.monitor, part.monitor),
    plugins: mergePlugins(config.plugins, part.plugins ?? []),
    container: { ...config.container, ...part.container },
    files: file === undefined ? config.files : [...config.files, file],
  };
}

function mergeChoice(choice: DriverChoice, part: Partial<DriverChoice> = {}): DriverChoice {
  const options = { ...choice.options };
  for (const [name, table] of Object.entries(part.options ?? {})) {
    options[name] = { ...options[name], ...table };
  }
  return { driver: part.driver ?? choice.driver, options };
}

/** A later mention of the same file replaces the earlier one (another sha256). */
function mergePlugins(a: readonly PluginFile[], b: readonly PluginFile[]): PluginFile[] {
  const paths = new Set(b.map((plugin) => plugin.path));
  return [...a.filter((plugin) => !paths.has(plugin.path)), ...b];
}
