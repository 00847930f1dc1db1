/**
 * `--filter KEY=VALUE` of `ps` and `container prune`: which containers are meant. Values of one key
 * are alternatives, labels must all fit; different keys must all fit.
 */
import { parseMoment } from "../container/arguments/moment.ts";
import { statusWord } from "../container/record.ts";
import { CoracleError } from "../errors.ts";
import type { Engine } from "./engine.ts";
import { findContainer } from "./find_container.ts";
import type { ListedContainer } from "./list_containers.ts";

export type ContainerMatch = (container: ListedContainer) => boolean;

type Parts = Pick<Engine, "db">;
type Maker = (values: readonly string[], engine: Parts) => ContainerMatch;

/** Podman's; a container of ours has "no". */
const RESTART_POLICIES = ["no", "always", "on-failure", "unless-stopped"];

const MAKERS: Readonly<Record<string, Maker>> = {
  id: (values) => ({ row }) => values.some((value) => fitsId(row.id, value)),
  name: (values) => {
    const patterns = values.map(patternOf);
    return ({ row }) => patterns.some((one) => one?.test(row.name));
  },
  label: (values) => ({ record }) =>
    values.every((value) => hasLabel(record.resolved.labels, value)),
  "label!": (values) => ({ record }) =>
    !values.every((value) => hasLabel(record.resolved.labels, value)),
  status: byStatus,
  exited: byExitCode,
  ancestor: (values) => ({ record }) => values.some((value) => isFrom(record.image, value)),
  before: (values, engine) => {
    const limit = earliest(values, engine);
    return ({ row }) => row.created < limit;
  },
  since: (values, engine) => {
    const limit = earliest(values, engine);
    return ({ row }) => row.created > limit;
  },
  until: (values) => {
    const limit = untilMoment(values);
    return ({ row }) => BigInt(Date.parse(row.created)) * 1_000_000n < limit;
  },
  volume: (values) => ({ record }) =>
    record.resolved.mounts.some((mount) => values.some((value) => isVolume(mount, value))),
  network: (values) => ({ record }) => {
    const mode = record.resolved.request.network;
    const word = mode.kind === "container" ? `container:${mode.container}` : mode.kind;
    return values.includes(word);
  },
  // Containers have no health checks and are in no pods: these filters are known and fit nothing.
  health: () => () => false,
  pod: () => () => false,
  "restart-policy": (values) => {
    const unknown = values.find((value) => !RESTART_POLICIES.includes(value));
    if (unknown !== undefined) {
      throw wrongFilter(`restart-policy=${unknown}`, `${unknown} invalid restart policy`);
    }
    return ({ record }) => values.includes(record.resolved.request.restart);
  },
};
/** What `prune` takes. */
const PRUNE_KEYS: readonly string[] = ["label", "label!", "until"];

/**
 * Makes one predicate of all filters. Fails with `usage` on a key that is not known or a value that
 * makes no sense, and with `notfound` when a container to compare with is not there.
 */
export function containerFilter(
  engine: Parts,
  filters: readonly string[],
  options: { readonly forPrune?: boolean } = {},
): ContainerMatch {
  const matches = [...groupFilters(filters)].map(([key, values]) => {
    const isKnown = Object.hasOwn(MAKERS, key) && (!options.forPrune || PRUNE_KEYS.includes(key));
    const maker = isKnown ? MAKERS[key] : undefined;
    if (maker === undefined) throw wrongFilter(key, `${key} is an invalid filter`);
    return maker(values, engine);
  });
  return (container) => matches.every((isMatch) => isMatch(container));
}

/** `KEY=VALUE` texts by key; `label!=x` has the key `label!`. Fails with `usage` without a "=". */
export function groupFilters(filters: readonly string[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const filter of filters) {
    const equals = filter.indexOf("=");
    if (equals <= 0) throw wrongFilter(filter, `invalid filter ${JSON.stringify(filter)}`);
    const key = filter.slice(0, equals);
    groups.set(key, [...groups.get(key) ?? [], filter.slice(equals + 1)]);
  }
  return groups;
}

export function wrongFilter(filter: string, why: string): CoracleError {
  return new CoracleError("usage", `cannot filter by ${JSON.stringify(filter)}`, { why });
}

/** Does a set of labels have `KEY` or `KEY=VALUE`? The key may have `*` for any text. */
export function hasLabel(labels: Readonly<Record<string, string>>, wanted: string): boolean {
  const equals = wanted.indexOf("=");
  const key = equals < 0 ? wanted : wanted.slice(0, equals);
  const value = equals < 0 ? "" : wanted.slice(equals + 1);
  const isKey = key.includes("*") ? globOf(key) : null;
  return Object.entries(labels).some(([name, has]) =>
    (value === "" || has === value) && (name === key || isKey?.test(name) === true)
  );
}

function globOf(text: string): RegExp {
  const parts = text.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s");
}

/** The latest of the moments, nanoseconds since 1970: what is older than any of them fits. */
export function untilMoment(values: readonly string[]): bigint {
  const moments = values.map((value) => {
    const moment = parseMoment(value);
    if (moment !== null) return moment;
    throw wrongFilter(
      `until=${value}`,
      `failed to parse value as time or duration: ${JSON.stringify(value)}`,
    );
  });
  return moments.reduce((a, b) => a > b ? a : b);
}

/** Null: the text is no pattern, which fits nothing. */
export function patternOf(text: string): RegExp | null {
  try {
    return new RegExp(text);
  } catch {
    return null;
  }
}

function fitsId(id: string, value: string): boolean {
  return /^[0-9a-f]*$/.test(value) ? id.startsWith(value) : patternOf(value)?.test(id) === true;
}

const STATUSES: readonly string[] = [
  "unknown",
  "created",
  "initialized",
  "running",
  "stopped",
  "paused",
  "exited",
  "removing",
  "stopping",
];

/** Fails with `usage` unless the word is one of Podman's states. */
export function checkStatus(word: string): string {
  if (STATUSES.includes(word)) return word;
  throw new CoracleError("usage", `cannot use state ${JSON.stringify(word)}`, {
    why: `unknown container state: ${word}: invalid argument`,
    hint: `the states are ${STATUSES.join(", ")}`,
  });
}

function byStatus(values: readonly string[]): ContainerMatch {
  const settled = (word: string) => word === "stopped" ? "exited" : word;
  const words = values.map((value) => settled(checkStatus(value)));
  return ({ state }) => words.includes(settled(statusWord(state)));
}

function byExitCode(values: readonly string[]): ContainerMatch {
  const codes = values.map((value) => {
    if (/^[+-]?\d+$/.test(value)) return Number(value);
    throw wrongFilter(`exited=${value}`, `exited code out of range: ${JSON.stringify(value)}`);
  });
  return ({ state, exitCode }) =>
    (state === "exited" || state === "stopped") && codes.includes(exitCode);
}

/** By the image's id or its beginning, or its name: whole, without ":latest", or as a pattern. */
function isFrom(
  image: { readonly id: string; readonly name: string } | null,
  value: string,
): boolean {
  if (image === null) return false;
  if (value.length >= 6 && image.id.startsWith(value.replace(/^sha256:/, ""))) return true;
  const plain = image.name.replace(/:latest$/, "");
  return image.name === value || plain === value || patternOf(value)?.test(image.name) === true;
}

function earliest(names: readonly string[], engine: Parts): string {
  const times = names.map((name) => findContainer(engine.db, name).created);
  return times.reduce((a, b) => a < b ? a : b);
}

/** `SOURCE`, `DESTINATION` or `SOURCE:DESTINATION`; the source is a volume's name or a path. */
function isVolume(
  mount: { readonly type: string; readonly source: string; readonly destination: string },
  value: string,
): boolean {
  if (mount.type !== "bind" && mount.type !== "volume") return false;
  const colon = value.indexOf(":");
  if (colon < 0) return mount.source === value || mount.destination === value;
  return mount.source === value.slice(0, colon) && mount.destination === value.slice(colon + 1);
}
