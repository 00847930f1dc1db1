/** `--change` of `import` and `commit`: instructions of a Containerfile that change how an image runs. */
import { CoracleError } from "../errors.ts";
import { signalNumber } from "../sys/process.ts";
import type { ImageRunConfig } from "../terms.ts";

type Writable = { -readonly [K in keyof ImageRunConfig]: ImageRunConfig[K] };
type Instruction = (config: Writable, value: string, change: string) => void;

/**
 * `config` with the changes applied in order: `CMD ["sh"]`, `ENV A=b`, … Fails with `usage` on what
 * is no instruction or has a wrong value.
 */
export function applyChanges(config: ImageRunConfig, changes: readonly string[]): ImageRunConfig {
  const changed: Writable = { ...config };
  for (const change of changes) {
    const match = /^\s*([A-Za-z]+)(?:\s+|=)([\s\S]*\S)\s*$/.exec(change);
    if (match === null) throw wrong(change, "must be formatted as KEY VALUE");
    const [, name = "", value = ""] = match;
    const key = name.toUpperCase();
    const instruction = Object.hasOwn(INSTRUCTIONS, key) ? INSTRUCTIONS[key] : undefined;
    if (instruction === undefined) {
      throw wrong(change, `invalid instruction ${key}; known are ${KNOWN.join(", ")}`);
    }
    instruction(changed, value, change);
  }
  return changed;
}

function wrong(change: string, why: string): CoracleError {
  return new CoracleError("usage", `cannot use the change ${JSON.stringify(change)}`, {
    why: `invalid change ${JSON.stringify(change)} - ${why}`,
  });
}

const INSTRUCTIONS: Readonly<Record<string, Instruction>> = {
  CMD: (config, value, change) => config.Cmd = commandOf(value, change),
  ENTRYPOINT: (config, value, change) => config.Entrypoint = commandOf(value, change),
  ENV: setEnvironment,
  EXPOSE: expose,
  LABEL: (config, value, change) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairsOf(value, change)) };
  },
  ONBUILD: (config, value) => config.OnBuild = [...config.OnBuild ?? [], value],
  STOPSIGNAL: (config, value, change) => {
    if (signalNumber(value) === null) throw wrong(change, "not a signal");
    config.StopSignal = value;
  },
  USER: (config, value) => config.User = value,
  VOLUME: (config, value, change) => {
    const paths = listOf(value, change) ?? value.split(/\s+/);
    if (paths.some((path) => path === "")) throw wrong(change, "VOLUME needs paths");
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  WORKDIR: (config, value) => {
    config.WorkingDir = value.startsWith("/") ? value : `${config.WorkingDir ?? ""}/${value}`;
  },
};
const KNOWN = Object.keys(INSTRUCTIONS);

/** A JSON list of text, or null when `value` does not look like one. */
function listOf(value: string, change: string): string[] | null {
  if (!value.startsWith("[")) return null;
  let list: unknown;
  try {
    list = JSON.parse(value);
  } catch {
    throw wrong(change, "the list is not JSON");
  }
  if (!Array.isArray(list) || list.some((item) => typeof item !== "string")) {
    throw wrong(change, "the list may hold only strings");
  }
  return list as string[];
}

/** The exec form as it is, the shell form through the shell. */
function commandOf(value: string, change: string): string[] {
  return listOf(value, change) ?? ["/bin/sh", "-c", value];
}

function setEnvironment(config: Writable, value: string, change: string): void {
  const env = new Map((config.Env ?? []).map((line) => [line.split("=", 1)[0] ?? "", line]));
  for (const [key, text] of pairsOf(value, change)) env.set(key, `${key}=${text}`);
  config.Env = [...env.values()];
}

/** `A=b C="d e"`, `A=b c` (one value with a space, as Podman reads it) or the old `A b c`. */
function pairsOf(value: string, change: string): [string, string][] {
  const words = wordsOf(value);
  const pairs = words.every((word) => word.raw.includes("="))
    ? words.map(({ text }) => text)
    : [value.includes("=") ? value : value.replace(/\s+/, "=")];
  return pairs.map((pair) => {
    const equals = pair.indexOf("=");
    if (equals <= 0) throw wrong(change, "a key must not be empty");
    return [pair.slice(0, equals), pair.slice(equals + 1)];
  });
}

/** Words as a Containerfile has them: quotes group, a backslash takes the next letter as it is. */
function wordsOf(value: string): { raw: string; text: string }[] {
  const found = value.match(/(?:[^\s"'\\]|\\[\s\S]?|"(?:[^"\\]|\\[\s\S])*"?|'[^']*'?)+/g) ?? [];
  return found.map((raw) => ({
    raw,
    text: raw.replace(
      /\\([\s\S])|"((?:[^"\\]|\\[\s\S])*)"|'([^']*)'/g,
      (_, escaped, double, single) =>
        escaped ?? single ?? String(double).replace(/\\(["\\$])/g, "$1"),
    ),
  }));
}

const MOST_PORTS = 65_536;

function expose(config: Writable, value: string, change: string): void {
  const ports: [string, object][] = [];
  for (const word of value.split(/\s+/)) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/i.exec(word);
    const from = Number(match?.[1]);
    const to = Number(match?.[2] ?? from);
    if (match === null || from < 1 || to < from || to >= MOST_PORTS) {
      throw wrong(change, "EXPOSE needs ports from 1 to 65535, with /tcp, /udp or /sctp");
    }
    const protocol = (match[3] ?? "tcp").toLowerCase();
    for (let port = from; port <= to; port++) ports.push([`${port}/${protocol}`, {}]);
  }
  config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports) };
}
