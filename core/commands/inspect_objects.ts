/** What `inspect`, `image inspect` and `container inspect` share: several names, JSON or a template. */
import { CoracleError, hasCode } from "../errors.ts";
import type { Context } from "./command.ts";
import { tellError } from "./each_container.ts";
import { goTime } from "./go_time.ts";
import { printObject } from "./table_format.ts";

export interface InspectWish {
  /** `--format`: a template or `json`; none: JSON. */
  readonly format: string | undefined;
  /** Makes the object of a name; undefined (or `notfound`) when there is none. */
  readonly find: (name: string) => object | undefined;
  /** How Podman says that there is none: `no such container x`. */
  readonly missing: (name: string) => string;
}

/**
 * Prints what was found, as one JSON list or one template result per object, then says what was not
 * there. Returns the exit status.
 */
export async function inspectObjects(
  context: Context,
  names: readonly string[],
  wish: InspectWish,
): Promise<number> {
  const { output } = context;
  const values: object[] = [];
  const failures: unknown[] = [];
  for (const name of names) {
    try {
      values.push(inspectOne(name, wish));
    } catch (error) {
      failures.push(error);
    }
  }
  const format = wish.format?.trim() ?? "json";
  if (/^(json|\{\{\s*json\s*\.\s*\}\})$/.test(format)) output.json(values);
  else for (const value of values) await printObject(output, withMoments(value), { format });
  for (const error of failures) tellError(context, error);
  const [first] = failures;
  if (first === undefined) return 0;
  return first instanceof CoracleError ? first.exitStatus : 125;
}

function inspectOne(name: string, { find, missing }: InspectWish): object {
  const value = found(() => find(name));
  if (value !== undefined) return value;
  throw new CoracleError("notfound", `cannot inspect "${name}"`, {
    why: `inspecting object: ${missing(name)}`,
  });
}

/** Undefined for what is not there. */
export function found<T>(find: () => T): T | undefined {
  try {
    return find();
  } catch (error) {
    if (hasCode(error, "notfound")) return undefined;
    throw error;
  }
}

const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;

/** A time that a template prints as Go does and `json` as RFC 3339. */
class Moment extends Date {
  readonly #text: string;

  constructor(text: string) {
    super(text);
    this.#text = text;
  }

  override toISOString(): string {
    return goTime(this.#text);
  }

  override toJSON(): string {
    return this.#text;
  }
}

/** Podman's structs hold times where JSON holds text. */
function withMoments(value: object): object {
  if (Array.isArray(value)) return value.map(momentOr);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, momentOr(item)]));
}

function momentOr(value: unknown): unknown {
  if (typeof value === "string") return MOMENT.test(value) ? new Moment(value) : value;
  return typeof value === "object" && value !== null ? withMoments(value) : value;
}
