/**
 * The form of a command: what one file in this folder declares, as data, and the builders for its
 * flags. Parsing, help, completion and the docs all read the same record.
 */
import type { Engine, EnginePart, StorePaths } from "../engine/engine.ts";
import type { Context } from "./context.ts";

/**
 * - `boolean`: `--rm`, `--rm=false`; never takes a separate word
 * - `text`: `--name x`, `--name=x`, `-nx`; the last one wins
 * - `list`: as text, each use adds one
 * - `integer`: as text, checked; the last one wins
 * - `optional`: `--pull` (the bare value) or `--pull=always`; never takes a separate word
 */
export type FlagKind = "boolean" | "text" | "list" | "integer" | "optional";

export interface Flag<T> {
  /** Short name, long name, and what help calls the value: `-e, --env KEY=VALUE`. Several long
   * names are allowed (`--layer-driver, --storage-driver NAME`); help shows them all. */
  readonly names: string;
  readonly kind: FlagKind;
  readonly description: string;
  /** The value when the flag is not given. */
  readonly fallback?: T;
  /** Accepted, but not in help and completion. */
  readonly hidden?: boolean;
  /** Known from Podman but not supported: why. Using the flag is an error that says so. */
  readonly refused?: string;
  /** `list`: `a,b` counts as two values, as Podman's string slices (`--cap-add`). */
  readonly splitOnComma?: boolean;
  /** `optional`: the value of the bare flag. */
  readonly bare?: string;
  /** Turns the text into the value; throws a plain Error that says why it is wrong. */
  readonly parse?: (value: string) => T;
}

export interface FlagOptions<T> {
  readonly fallback?: T;
  readonly hidden?: boolean;
  readonly refused?: string;
}
interface WithFallback<T> extends FlagOptions<T> {
  readonly fallback: T;
}
interface WithParse<T> {
  readonly parse: (value: string) => T;
}

/** Given as `false` unless there is another fallback. */
function boolean(
  names: string,
  description: string,
  options: FlagOptions<boolean> = {},
): Flag<boolean> {
  return { names, kind: "boolean", description, fallback: false, ...options };
}

/** Undefined when not given and without fallback. `parse` may turn it into another type. */
function text<T>(
  names: string,
  description: string,
  options: WithFallback<T> & WithParse<T>,
): Flag<T>;
function text<T>(
  names: string,
  description: string,
  options: FlagOptions<T> & WithParse<T>,
): Flag<T | undefined>;
function text(names: string, description: string, options: WithFallback<string>): Flag<string>;
function text(
  names: string,
  description: string,
  options?: FlagOptions<string>,
): Flag<string | undefined>;
function text(
  names: string,
  description: string,
  options: FlagOptions<unknown> & Partial<WithParse<unknown>> = {},
): Flag<unknown> {
  return { names, kind: "text", description, ...options };
}

/** Every use in order; empty when not given. */
function list(
  names: string,
  description: string,
  options: FlagOptions<readonly string[]> & { readonly splitOnComma?: boolean } = {},
): Flag<readonly string[]> {
  return { names, kind: "list", description, fallback: [], ...options };
}

/** A whole number (decimal, 0x, 0o, sign allowed); undefined when not given and without fallback. */
function integer(names: string, description: string, options: WithFallback<number>): Flag<number>;
function integer(
  names: string,
  description: string,
  options?: FlagOptions<number>,
): Flag<number | undefined>;
function integer(
  names: string,
  description: string,
  options: FlagOptions<number> = {},
): Flag<number | undefined> {
  return { names, kind: "integer", description, ...options };
}

/** Undefined when not given; `bare` for the flag alone; else the text after `=`. */
function optional(
  names: string,
  description: string,
  options: FlagOptions<string> & { readonly bare: string },
): Flag<string | undefined> {
  return { names, kind: "optional", description, ...options };
}

export const flag = { boolean, text, list, integer, optional };

export type Flags = Readonly<Record<string, Flag<unknown>>>;
/** What `run` receives: one value per declared flag, under the key it was declared with. */
export type FlagValues<F extends Flags> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

export interface CommandArguments {
  readonly min: number;
  /** `Infinity` for any number. */
  readonly max: number;
  /** Podman's own words when there are too few ("you must provide at least one name or id"). */
  readonly missing?: string;
}

export interface CommandSpec<F extends Flags = Flags> {
  /** As typed: `run`, `image exists`. */
  readonly name: string;
  /** Other spellings with the same meaning: `container run`. */
  readonly aliases?: readonly string[];
  /** One line for lists, without a full stop. */
  readonly summary: string;
  readonly description?: string;
  /** What follows the name: `[options] IMAGE [COMMAND [ARG...]]`. */
  readonly usage: string;
  /** Whole command lines. */
  readonly examples: readonly string[];
  readonly flags: F;
  readonly arguments: CommandArguments;
  /** The first argument ends our flags; the rest belongs to somebody else's command (run, exec). */
  readonly stopsAtFirstArgument?: boolean;
  /** The parts of the engine that are open when `run` is called; the others must not be touched. */
  readonly needs: readonly EnginePart[];
  /** Parts that only some uses need, so that the others are quick without them (`ps --size`). */
  alsoNeeds?(flags: FlagValues<F>, args: readonly string[]): readonly EnginePart[];
  /** Looks at the store's directories before anything of it is opened or made; may throw. */
  before?(paths: StorePaths, flags: FlagValues<F>): void;
  /** It looks in `before` whether the store has lost its database; every other command refuses one that has. */
  readonly mendsDatabase?: boolean;
  /** It changes the store: what a kill left half done is finished or undone before `run`. */
  readonly changes?: boolean;
  /** Does it, and gives the exit status (nothing: 0). Failures are thrown. */
  run(
    context: Context,
    args: string[],
    flags: FlagValues<F>,
  ): number | void | Promise<number | void>;
}

/** Declares a command; only for the types. */
export function command<const F extends Flags>(spec: CommandSpec<F>): CommandSpec<F> {
  return spec;
}

export type { Context, Engine, EnginePart };
