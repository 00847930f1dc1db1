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
  else {
    const template = asFields(format);
    for (const value of values) await printObject(output, fieldsOf(value), { format: template });
  }
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

/** Podman's old names in templates that are not the keys of its JSON. */
function asFields(template: string): string {
  return template.replace(/\.Src\b/g, ".Source").replace(/\.Dst\b/g, ".Destination")
    .replace(/\.ImageID\b/g, ".Image");
}

/** As templates see it: `.ID` beside `.Id`, and sizes that were not measured as nil. */
function fieldsOf(value: object): object {
  const fields: Record<string, unknown> = { ...withMoments(value) };
  if (!("Id" in fields)) return fields;
  return { SizeRw: null, SizeRootFs: null, ...fields, ID: fields.Id };
}

/** Keys whose values are maps of the user's keys and not fields: `{{.Config.Labels.Foo}}`. */
const MAPS: ReadonlySet<string> = new Set([
  "Annotations",
  "Data",
  "ExposedPorts",
  "Labels",
  "Options",
  "PortBindings",
  "Ports",
  "Tmpfs",
  "Volumes",
]);

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
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      MAPS.has(key) && isMap(item) ? new Map(Object.entries(item)) : momentOr(item),
    ]),
  );
}

function isMap(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function momentOr(value: unknown): unknown {
  if (typeof value === "string") return MOMENT.test(value) ? new Moment(value) : value;
  return typeof value === "object" && value !== null ? withMoments(value) : value;
}
