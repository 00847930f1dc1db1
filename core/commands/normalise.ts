/**
 * Rewrites a command line as Podman's parser (pflag) reads it into one form that commander reads the
 * same way: every flag as `--name=value`, then `--`, then the arguments. commander differs in
 * `--flag=false` on booleans, `-v=a:b`, values that look like flags, and where it stops.
 */
import { CoracleError } from "../errors.ts";
import { nearest } from "../nearest.ts";
import { type FlagIndex, flagLabel, type KnownFlag } from "./flag_names.ts";

export interface Normalised {
  /** `--name=value`, one word per use of a flag, in order. */
  readonly flags: string[];
  readonly args: string[];
  /** `--help`, or `-h` where the command has no flag of that name. */
  readonly help: boolean;
}

export interface NormaliseOptions {
  /** As typed, for the hint: `run`; empty for the program itself. */
  readonly name: string;
  /** The first argument ends the flags. */
  readonly stopsAtFirstArgument?: boolean;
}

/** Words that Go's strconv.ParseBool takes. */
const BOOLEANS: Readonly<Record<string, boolean>> = {
  "1": true,
  t: true,
  T: true,
  true: true,
  TRUE: true,
  True: true,
  "0": false,
  f: false,
  F: false,
  false: false,
  FALSE: false,
  False: false,
};

/** Fails with `usage` and Podman's words. */
export function normalise(
  argv: readonly string[],
  index: FlagIndex,
  options: NormaliseOptions,
): Normalised {
  const reader: Reader = { argv, at: 0, index, name: options.name, flags: [], help: false };
  const args: string[] = [];
  while (reader.at < argv.length) {
    const word = argv[reader.at++] ?? "";
    if (word === "--") {
      args.push(...argv.slice(reader.at));
      break;
    }
    if (word.startsWith("--")) readLong(reader, word.slice(2));
    else if (word.startsWith("-") && word.length > 1) readCluster(reader, word.slice(1));
    else if (options.stopsAtFirstArgument) {
      args.push(...argv.slice(reader.at - 1));
      break;
    } else args.push(word);
  }
  return { flags: reader.flags, args, help: reader.help };
}

interface Reader {
  readonly argv: readonly string[];
  readonly index: FlagIndex;
  readonly name: string;
  readonly flags: string[];
  /** Index of the next word. */
  at: number;
  help: boolean;
}

export function usageError(name: string, what: string, hint?: string): CoracleError {
  return new CoracleError("usage", what, { hint: hint ?? helpOf(name) });
}

function readLong(reader: Reader, word: string): void {
  const equals = word.indexOf("=");
  const name = equals < 0 ? word : word.slice(0, equals);
  if (name === "" || name.startsWith("-")) {
    throw usageError(reader.name, `bad flag syntax: --${word}`);
  }
  const known = reader.index.byLong.get(name);
  if (known === undefined) {
    if (name === "help") {
      reader.help = true;
      return;
    }
    throw unknownFlag(reader, name);
  }
  if (equals >= 0) return give(reader, known, word.slice(equals + 1));
  if (takesNoWord(known)) return give(reader, known, bareValue(known));
  give(reader, known, nextWord(reader, `--${name}`));
}

/** `-it`, `-tv a:b`, `-va:b`, `-v=a:b`: letters up to the first one that takes a value. */
function readCluster(reader: Reader, cluster: string): void {
  for (let rest = cluster; rest !== "";) {
    const [letter = "", ...tail] = rest;
    const known = reader.index.byShort.get(letter);
    const after = tail.join("");
    if (known === undefined) {
      if (letter !== "h") {
        throw usageError(reader.name, `unknown shorthand flag: '${letter}' in -${rest}`);
      }
      reader.help = true;
      rest = after;
      continue;
    }
    // pflag: "=" with at least one letter behind it sets the value; "-v=" alone is the value "=".
    if (after.length > 1 && after.startsWith("=")) return give(reader, known, after.slice(1));
    if (takesNoWord(known)) {
      give(reader, known, bareValue(known));
      rest = after;
      continue;
    }
    if (after !== "") return give(reader, known, after);
    return give(reader, known, nextWord(reader, `'${letter}' in -${rest}`));
  }
}

function takesNoWord(known: KnownFlag): boolean {
  return known.flag.kind === "boolean" || known.flag.kind === "optional";
}

function bareValue(known: KnownFlag): string {
  return known.flag.kind === "boolean" ? "true" : known.flag.bare ?? "";
}

function nextWord(reader: Reader, what: string): string {
  const value = reader.argv[reader.at++];
  if (value === undefined) throw usageError(reader.name, `flag needs an argument: ${what}`);
  return value;
}

function give(reader: Reader, known: KnownFlag, value: string): void {
  if (known.flag.refused !== undefined) {
    const where = reader.name === "" ? "" : ` with "${reader.name}"`;
    throw new CoracleError("unsupported", `cannot use --${known.names.long[0]}${where}`, {
      why: known.flag.refused,
    });
  }
  let text = value;
  if (known.flag.kind === "boolean") {
    const is = BOOLEANS[value];
    if (is === undefined) throw invalidArgument(reader.name, known, value, notBoolean(value));
    text = String(is);
  }
  reader.flags.push(`--${known.names.long[0]}=${text}`);
}

function notBoolean(value: string): string {
  return `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`;
}

/** pflag's words, which scripts and people search for. */
export function invalidArgument(
  name: string,
  known: KnownFlag,
  value: string,
  why: string,
): CoracleError {
  const label = flagLabel(known.names);
  return usageError(name, `invalid argument ${JSON.stringify(value)} for "${label}" flag: ${why}`);
}

function unknownFlag(reader: Reader, name: string): CoracleError {
  const shown = reader.index.all.filter((known) => known.flag.hidden !== true);
  const near = nearest(name, shown.flatMap((known) => known.names.long));
  return usageError(
    reader.name,
    `unknown flag: --${name}`,
    near === undefined ? undefined : `--${near}, or ${helpOf(reader.name)}`,
  );
}

function helpOf(name: string): string {
  return name === "" ? "coracle --help" : `coracle ${name} --help`;
}
