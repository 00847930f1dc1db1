/** Reads the `names` of a flag ("-e, --env KEY=VALUE") and indexes flags by every name they have. */
import type { Flag, Flags } from "./command.ts";

export interface FlagNames {
  /** One letter, without the dash. */
  readonly short: string | undefined;
  /** Without dashes; the first is the main one. */
  readonly long: readonly string[];
  /** What help calls the value; empty for booleans. */
  readonly value: string;
}

export interface KnownFlag {
  /** The key it was declared with. */
  readonly key: string;
  readonly flag: Flag<unknown>;
  readonly names: FlagNames;
  /** Declared by the command itself, not a global flag. */
  readonly own: boolean;
}

export function flagNames(names: string): FlagNames {
  let short: string | undefined;
  const long: string[] = [];
  const value: string[] = [];
  for (const word of names.split(/,\s*|\s+/)) {
    if (word.startsWith("--")) long.push(word.slice(2));
    else if (/^-\S$/.test(word)) short = word.slice(1);
    else if (word !== "") value.push(word);
  }
  return { short, long, value: value.join(" ") };
}

/** How pflag names a flag in its errors: `-t, --tty` or `--tty`. */
export function flagLabel(names: FlagNames): string {
  const long = `--${names.long[0]}`;
  return names.short === undefined ? long : `-${names.short}, ${long}`;
}

export interface FlagIndex {
  readonly all: readonly KnownFlag[];
  readonly byShort: ReadonlyMap<string, KnownFlag>;
  readonly byLong: ReadonlyMap<string, KnownFlag>;
}

/** The command's own flags, then the global ones under the names that are still free. */
export function indexFlags(own: Flags, global: Flags = {}): FlagIndex {
  const all: KnownFlag[] = [];
  const byShort = new Map<string, KnownFlag>();
  const byLong = new Map<string, KnownFlag>();
  const add = (flags: Flags, isOwn: boolean): void => {
    for (const [key, flag] of Object.entries(flags)) {
      const names = flagNames(flag.names);
      if (!isOwn && names.long.some((name) => byLong.has(name))) continue;
      const known = { key, flag, names, own: isOwn };
      all.push(known);
      for (const name of names.long) byLong.set(name, known);
      if (names.short !== undefined && !byShort.has(names.short)) byShort.set(names.short, known);
    }
  };
  add(own, true);
  add(global, false);
  return { all, byShort, byLong };
}
