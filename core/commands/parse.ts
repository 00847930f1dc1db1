/**
 * Command line to values: the normaliser reads it as Podman does, commander holds the options,
 * collects, checks and fills in what was not given.
 */
import { Command, Option } from "commander";
import { CoracleError } from "../errors.ts";
import type { CommandArguments, CommandSpec, Flags } from "./command.ts";
import { indexFlags, type KnownFlag } from "./flag_names.ts";
import { invalidArgument, normalise, usageError } from "./normalise.ts";

export interface Parsed {
  /** One value per flag of the command, by key. */
  readonly values: Record<string, unknown>;
  /** The global flags that were given after the command. */
  readonly globals: Record<string, unknown>;
  readonly args: string[];
  readonly help: boolean;
}

export interface ParseOptions {
  readonly name: string;
  readonly stopsAtFirstArgument?: boolean;
  /** Flags accepted everywhere; the command's own of the same name win. */
  readonly globals?: Flags;
}

/** Fails with `usage`. */
export function parseFlags(flags: Flags, argv: readonly string[], options: ParseOptions): Parsed {
  const index = indexFlags(flags, options.globals);
  const plain = normalise(argv, index, options);
  const used = new Set(plain.flags.map((word) => word.slice(2, word.indexOf("="))));
  const parser = new Command(options.name);
  const values: Record<string, unknown> = {};
  const globals: Record<string, unknown> = {};
  const declared: { known: KnownFlag; option: Option }[] = [];
  for (const known of index.all) {
    if (known.own) values[known.key] = known.flag.fallback;
    // Only what the line uses: to declare the ninety flags of "run" takes commander 2 ms.
    if (used.has(known.names.long[0] ?? "")) {
      declared.push({ known, option: toOption(known, options.name) });
    }
  }
  for (const { option } of declared) parser.addOption(option);
  parser.parseOptions([...plain.flags]);
  for (const { known, option } of declared) {
    (known.own ? values : globals)[known.key] = parser.getOptionValue(option.attributeName());
  }
  return { values, globals, args: plain.args, help: plain.help };
}

/** The whole line of a command; `help` is looked at before the arguments are counted. */
export function parseCommand(
  spec: CommandSpec,
  argv: readonly string[],
  globals: Flags = {},
): Parsed {
  const parsed = parseFlags(spec.flags, argv, {
    name: spec.name,
    stopsAtFirstArgument: spec.stopsAtFirstArgument ?? false,
    globals,
  });
  if (!parsed.help) checkArguments(spec.name, spec.arguments, parsed.args.length);
  return parsed;
}

/** The option's value arrives after "=", so `[value]` never takes a word that follows. */
function toOption(known: KnownFlag, name: string): Option {
  const option = new Option(`--${known.names.long[0]} [value]`, known.flag.description);
  // "--no-trunc" is a flag of its own here, not the negation of "--trunc".
  option.negate = false;
  return option.argParser((value: string, previous: unknown) =>
    valueOf(known, { value, previous, name })
  );
}

function valueOf(
  known: KnownFlag,
  given: { readonly value: string; readonly previous: unknown; readonly name: string },
): unknown {
  const { flag } = known;
  const { value } = given;
  if (flag.kind === "boolean") return value === "true";
  if (flag.kind === "integer") return integerOf(known, value, given.name);
  if (flag.kind === "list") {
    const more = flag.splitOnComma ? value.split(",").filter((part) => part !== "") : [value];
    return [...(Array.isArray(given.previous) ? given.previous : []), ...more];
  }
  if (flag.parse === undefined) return value;
  try {
    return flag.parse(value);
  } catch (cause) {
    if (cause instanceof CoracleError || !(cause instanceof Error)) throw cause;
    throw invalidArgument(given.name, known, value, cause.message);
  }
}

/** As Go's strconv.ParseInt with base 0; more than 2^53 is refused instead of rounded. */
function integerOf(known: KnownFlag, value: string, name: string): number {
  const said = `strconv.ParseInt: parsing ${JSON.stringify(value)}`;
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[oO]?[0-7]*|0[bB][01]+|[1-9][0-9]*)$/.exec(value);
  if (match === null) throw invalidArgument(name, known, value, `${said}: invalid syntax`);
  const digits = match[2] ?? "";
  const octal = /^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits;
  const number = Number(octal) * (match[1] === "-" ? -1 : 1);
  if (!Number.isSafeInteger(number)) {
    throw invalidArgument(name, known, value, `${said}: value out of range`);
  }
  return number;
}

/** cobra's words, or the command's own for too few. */
function checkArguments(name: string, wanted: CommandArguments, found: number): void {
  const { min, max } = wanted;
  if (found < min) {
    if (wanted.missing !== undefined) throw usageError(name, wanted.missing);
    if (min === max) throw usageError(name, `accepts ${min} arg(s), received ${found}`);
    if (min > 0 && max < Infinity) {
      throw usageError(name, `accepts between ${min} and ${max} arg(s), received ${found}`);
    }
    throw usageError(name, `requires at least ${min} arg(s), only received ${found}`);
  }
  if (found <= max) return;
  if (max === 0) throw usageError(name, `"coracle ${name}" takes no arguments`);
  if (min === max) throw usageError(name, `accepts ${min} arg(s), received ${found}`);
  throw usageError(
    name,
    min === 0
      ? `accepts at most ${max} arg(s), received ${found}`
      : `accepts between ${min} and ${max} arg(s), received ${found}`,
  );
}
