/** Which volumes `volume ls` and `volume prune` mean. */
import type { VolumeRow } from "../state/volumes.ts";
import { listVolumes, unusedVolumes } from "../state/volumes.ts";
import type { Engine } from "./engine.ts";
import {
  groupFilters,
  hasLabel,
  patternOf,
  untilMoment,
  wrongFilter,
} from "./filter_containers.ts";

type Parts = Pick<Engine, "db">;
type VolumeMatch = (row: VolumeRow) => boolean;
type Maker = (values: readonly string[], engine: Parts) => VolumeMatch;

const MAKERS: Readonly<Record<string, Maker>> = {
  name: (values) => {
    const patterns = values.map(patternOf);
    return ({ name }) => patterns.some((one) => one?.test(name));
  },
  driver: (values) => () => values.includes("local"),
  scope: (values) => () => values.includes("local"),
  label: (values) => ({ labels }) => values.every((value) => hasLabel(labels, value)),
  "label!": (values) => ({ labels }) => !values.every((value) => hasLabel(labels, value)),
  opt: (values) => ({ options }) => values.every((value) => hasLabel(options, value)),
  until: (values) => {
    const limit = untilMoment(values);
    return ({ created }) => BigInt(Date.parse(created)) * 1_000_000n < limit;
  },
  dangling: (values, { db }) => {
    const wanted = values.map((value) => {
      if (/^(true|1)$/i.test(value)) return true;
      if (/^(false|0)$/i.test(value)) return false;
      throw wrongFilter(
        `dangling=${value}`,
        `${JSON.stringify(value)} is not a valid value for the "dangling" filter - ` +
          "must be true or false",
      );
    });
    const unused = new Set(unusedVolumes(db).map(({ name }) => name));
    return ({ name }) => wanted.includes(unused.has(name));
  },
};
const PRUNE_KEYS: readonly string[] = ["label", "label!", "until"];

/** By name. Fails with `usage` on a filter that is none. */
export function listedVolumes(engine: Parts, filters: readonly string[] = []): VolumeRow[] {
  return listVolumes(engine.db).filter(volumeFilter(engine, filters, Object.keys(MAKERS)));
}

/** Those that no container uses. */
export function prunableVolumes(engine: Parts, filters: readonly string[] = []): VolumeRow[] {
  return unusedVolumes(engine.db).filter(volumeFilter(engine, filters, PRUNE_KEYS));
}

function volumeFilter(
  engine: Parts,
  filters: readonly string[],
  keys: readonly string[],
): VolumeMatch {
  const matches = [...groupFilters(filters)].map(([key, values]) => {
    const maker = keys.includes(key) ? MAKERS[key] : undefined;
    if (maker !== undefined) return maker(values, engine);
    throw wrongFilter(key, `${JSON.stringify(key)} is an invalid volume filter`);
  });
  return (row) => matches.every((isMatch) => isMatch(row));
}
