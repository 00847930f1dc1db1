/** One configuration file: TOML to a checked part of the configuration. Loaded only when there is a file. */
import { isAbsolute } from "node:path";
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import type { ConfigPart, ContainerDefaults, DriverChoice } from "../config.ts";
import { CoracleError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { readText } from "../sys/files.ts";

const absolutePath = v.pipe(
  v.string(),
  v.check(isAbsolute, "must be an absolute path"),
);
const whole = v.pipe(
  v.number(),
  v.check((n) => Number.isSafeInteger(n) && n >= 0, "must be a whole number, 0 or more"),
);
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "must be 64 hex digits"));
/** `driver`, and one table for each driver's own options (checked by the one who knows the driver). */
const choice = v.objectWithRest(
  { driver: v.optional(v.pipe(v.string(), v.nonEmpty("must not be empty"))) },
  v.record(v.string(), v.unknown()),
);

const schema = v.strictObject({
  root: v.optional(absolutePath),
  runroot: v.optional(absolutePath),
  layer: v.optional(choice),
  runtime: v.optional(choice),
  monitor: v.optional(choice),
  container: v.optional(v.strictObject({
    stop_timeout: v.optional(whole),
    detach_keys: v.optional(v.string()),
    pids_limit: v.optional(whole),
    shm_size: v.optional(whole),
    log_driver: v.optional(v.picklist(["k8s-file", "none"])),
    log_size_max: v.optional(whole),
    seccomp_profile: v.optional(absolutePath),
  })),
  plugin: v.optional(v.array(v.strictObject({
    path: absolutePath,
    sha256: v.optional(sha256),
  }))),
});
type FileShape = v.InferOutput<typeof schema>;

/** Reads and checks one file; fails with `config`. */
export function readConfigFile(file: string): ConfigPart {
  const data = readToml(file);
  const result = v.safeParse(schema, data);
  if (!result.success) throw wrong(file, result.issues);
  return toPart(result.output);
}

function readToml(file: string): unknown {
  let content: string;
  try {
    content = readText(file);
  } catch (cause) {
    const why = cause instanceof CoracleError ? cause.why : String(cause);
    throw refused(file, why ?? String(cause), { cause });
  }
  try {
    return parse(content);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    const message = cause.message.split("\n")[0]?.replace("Invalid TOML document: ", "");
    throw refused(file, `line ${cause.line}, column ${cause.column}: ${message}`, { cause });
  }
}

function refused(file: string, why: string, more: { hint?: string; cause?: unknown } = {}) {
  return new CoracleError("config", `cannot read the configuration "${file}"`, { why, ...more });
}

type Issues = readonly v.InferIssue<typeof schema>[];

/** The first unknown key before everything else: it is most often the reason for the rest. */
function wrong(file: string, issues: Issues): CoracleError {
  const unknown = issues.find(isUnknownKey);
  const issue = unknown ?? issues[0];
  if (issue === undefined) return refused(file, "it is not valid");
  const path = (issue.path ?? []).map((item) => item.key);
  const key = path.map((part) => typeof part === "number" ? `[${part + 1}]` : String(part))
    .join(".").replaceAll(".[", "[");
  if (issue.type === "strict_object" && issue.expected !== "never") {
    return refused(file, `key "${key}" is missing`);
  }
  if (unknown !== undefined) {
    const near = nearest(String(path.at(-1)), siblings(path));
    const full = [...path.slice(0, -1).filter((part) => typeof part !== "number"), near].join(".");
    const known = siblings(path).join(", ");
    return refused(file, `unknown key "${key}"`, {
      hint: near === undefined ? `one of the keys ${known}` : `the key "${full}"`,
    });
  }
  const said = issue.kind === "schema"
    ? `must be ${words(issue.expected)}, found ${issue.received}`
    : issue.message;
  return refused(file, `key "${key}" ${said}`);
}

/** An unknown scalar in `[layer]` looks like a driver's table of the wrong type: also an unknown key. */
function isUnknownKey(issue: Issues[number]): boolean {
  const path = issue.path ?? [];
  if (issue.type === "strict_object") return issue.expected === "never";
  return issue.type === "record" && path.length === 2 &&
    ["layer", "runtime", "monitor"].includes(String(path[0]?.key));
}

/** The keys that are known where `path` ends. */
function siblings(path: readonly unknown[]): string[] {
  if (path.length === 1) return Object.keys(schema.entries);
  if (path[0] === "container") return Object.keys(schema.entries.container.wrapped.entries);
  if (path[0] === "plugin") return Object.keys(schema.entries.plugin.wrapped.item.entries);
  return ["driver"];
}

const WORDS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  boolean: "true or false",
  Object: "a table",
  Array: "an array of tables",
};

function words(expected: string | null): string {
  return expected === null
    ? "something else"
    : WORDS[expected] ?? expected.replace(/^\((.*)\)$/, "$1").replaceAll(" | ", " or ");
}

function toPart(data: FileShape): ConfigPart {
  const container = containerPart(data.container);
  return {
    ...(data.root === undefined ? {} : { root: data.root }),
    ...(data.runroot === undefined ? {} : { runroot: data.runroot }),
    ...(data.layer === undefined ? {} : { layer: toChoice(data.layer) }),
    ...(data.runtime === undefined ? {} : { runtime: toChoice(data.runtime) }),
    ...(data.monitor === undefined ? {} : { monitor: toChoice(data.monitor) }),
    ...(data.plugin === undefined ? {} : {
      plugins: data.plugin.map(({ path, sha256 }) =>
        sha256 === undefined ? { path } : { path, sha256 }
      ),
    }),
    ...(container === undefined ? {} : { container }),
  };
}

function toChoice(table: NonNullable<FileShape["layer"]>): Partial<DriverChoice> {
  const { driver, ...options } = table;
  return driver === undefined ? { options } : { driver, options };
}

function containerPart(table: FileShape["container"]): Partial<ContainerDefaults> | undefined {
  if (table === undefined) return undefined;
  const named = {
    stopTimeout: table.stop_timeout,
    detachKeys: table.detach_keys,
    pidsLimit: table.pids_limit,
    shmSize: table.shm_size,
    logDriver: table.log_driver,
    logSizeMax: table.log_size_max,
    seccompProfile: table.seccomp_profile,
  };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
}
