/** The functions of `--format` templates: Go's built-in ones and those Podman and Docker add. */
import { TemplateError } from "./template_parse.ts";

/** How Go prints a value with %v. Missing values are undefined, nil is null. */
export function show(value: unknown): string {
  if (value === undefined) return "<no value>";
  if (value === null) return "<nil>";
  if (typeof value === "string") return value;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (value instanceof Uint8Array) return `[${value.join(" ")}]`;
  if (typeof value === "object") {
    return `map[${entriesOf(value).map(([key, item]) => `${key}:${show(item)}`).join(" ")}]`;
  }
  return String(value);
}

/** Keys and values of a map in the order of the keys, as Go ranges over it. */
export function entriesOf(value: object): [string, unknown][] {
  const entries: [string, unknown][] = value instanceof Map
    ? [...value].map(([key, item]) => [String(key), item])
    : Object.entries(value);
  return entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}

/** Go's idea of "not empty". */
export function isTrue(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (typeof value === "object") return sizeOf(value) !== 0;
  return Boolean(value);
}

function sizeOf(value: object): number {
  if (Array.isArray(value) || value instanceof Uint8Array) return value.length;
  return value instanceof Map ? value.size : Object.keys(value).length;
}

export function toJson(value: unknown): string {
  return JSON.stringify(
    value ?? null,
    (_, item) => item instanceof Map ? Object.fromEntries(entriesOf(item)) : item,
  );
}

type Call = (...args: unknown[]) => unknown;

function text(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw new TemplateError(`wrong type for value in ${name}: expected string, found ${show(value)}`);
}

function whole(name: string, value: unknown): number {
  if (typeof value === "bigint") return Number(value);
  if (typeof value === "number" && Number.isInteger(value)) return value;
  throw new TemplateError(`cannot use ${show(value)} as a number in ${name}`);
}

function length(value: unknown): number {
  if (typeof value === "string") return new TextEncoder().encode(value).length;
  if (typeof value === "object" && value !== null) return sizeOf(value);
  throw new TemplateError(`error calling len: len of ${show(value)}`);
}

function index(value: unknown, ...keys: unknown[]): unknown {
  let item = value;
  for (const key of keys) {
    if (typeof item === "string" || Array.isArray(item)) {
      const at = whole("index", key);
      if (at < 0 || at >= item.length) {
        throw new TemplateError(`error calling index: index out of range: ${at}`);
      }
      item = typeof item === "string" ? item.charCodeAt(at) : item[at];
    } else if (item instanceof Map) item = item.get(key) ?? "";
    else if (typeof item === "object" && item !== null) {
      // The zero value of a map's elements; nearly all maps of ours hold text.
      item = Object.hasOwn(item, String(key)) ? Reflect.get(item, String(key)) : "";
    } else throw new TemplateError("error calling index: index of untyped nil");
  }
  return item;
}

function slice(value: unknown, from: unknown = 0, to?: unknown): unknown {
  if (typeof value !== "string" && !Array.isArray(value)) {
    throw new TemplateError(`error calling slice: can't slice item ${show(value)}`);
  }
  const start = whole("slice", from);
  const end = to === undefined ? value.length : whole("slice", to);
  if (start < 0 || end > value.length || start > end) {
    throw new TemplateError(
      `error calling slice: index out of range: ${end > value.length ? end : start}`,
    );
  }
  return value.slice(start, end);
}

type Basic = string | number | bigint | boolean;

function basic(value: unknown): Basic {
  if (["string", "number", "bigint", "boolean"].includes(typeof value)) return value as Basic;
  throw new TemplateError("error calling comparison: invalid type for comparison");
}

function compare(a: unknown, b: unknown): number {
  const [left, right] = [basic(a), basic(b)];
  const isNumber = (value: Basic) => typeof value === "number" || typeof value === "bigint";
  if (typeof left !== typeof right && !(isNumber(left) && isNumber(right))) {
    throw new TemplateError("error calling comparison: incompatible types for comparison");
  }
  return left < right ? -1 : left > right ? 1 : 0;
}

function equal(a: unknown, b: unknown): boolean {
  if (a === null || a === undefined || b === null || b === undefined) return (a ?? b) == null;
  return compare(a, b) === 0;
}

/** fmt.Sprint: a space between neighbours of which neither is text. */
function print(...values: unknown[]): string {
  return values.map((value, i) => {
    const before = i === 0 ? "" : values[i - 1];
    const gap = i > 0 && typeof before !== "string" && typeof value !== "string" ? " " : "";
    return gap + show(value);
  }).join("");
}

const VERB = /%([-+# 0]*)(\d+|\*)?(?:\.(\d+))?(.)/gs;

function printf(format: unknown, ...values: unknown[]): string {
  let next = 0;
  const written = text("printf", format).replace(
    VERB,
    (_, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
      if (verb === "%") return "%";
      const wanted = width === "*" ? whole("printf", values[next++]) : Number(width ?? 0);
      if (next >= values.length) return `%!${verb}(MISSING)`;
      const value = values[next++];
      const body = verbText(verb, value, { flags, precision });
      if (body.length >= wanted) return body;
      if (flags.includes("-")) return body.padEnd(wanted);
      if (!flags.includes("0") || typeof value === "string") return body.padStart(wanted);
      const sign = /^[+-]/.exec(body)?.[0] ?? "";
      return sign + body.slice(sign.length).padStart(wanted - sign.length, "0");
    },
  );
  if (next >= values.length) return written;
  return `${written}%!(EXTRA ${
    values.slice(next).map((v) => `${goType(v)}=${show(v)}`).join(", ")
  })`;
}

interface VerbOptions {
  readonly flags: string;
  readonly precision: string | undefined;
}

function verbText(verb: string, value: unknown, options: VerbOptions): string {
  const { flags, precision } = options;
  const isNumber = typeof value === "number" || typeof value === "bigint";
  const plus = isNumber && flags.includes("+") && value >= 0 ? "+" : "";
  if (verb === "v") {
    if (flags.includes("#") && typeof value === "string") return JSON.stringify(value);
    return plus + show(value);
  }
  if (verb === "s") {
    const said = isNumber || typeof value === "boolean"
      ? `%!s(${goType(value)}=${show(value)})`
      : show(value);
    return precision === undefined ? said : [...said].slice(0, Number(precision)).join("");
  }
  if (verb === "q") {
    return Array.isArray(value)
      ? `[${value.map((item) => JSON.stringify(show(item))).join(" ")}]`
      : JSON.stringify(show(value));
  }
  if (verb === "t" && typeof value === "boolean") return String(value);
  if (verb === "T") return goType(value);
  if ((verb === "x" || verb === "X") && typeof value === "string") {
    const hex = Buffer.from(value).toString("hex");
    return verb === "x" ? hex : hex.toUpperCase();
  }
  if (isNumber) {
    const written = numberText(verb, value, { flags, precision });
    if (written !== undefined) return plus + written;
  }
  return `%!${verb}(${goType(value)}=${show(value)})`;
}

const BASES: Readonly<Record<string, number>> = { d: 10, b: 2, o: 8, x: 16, X: 16 };

function numberText(
  verb: string,
  value: number | bigint,
  options: VerbOptions,
): string | undefined {
  const base = BASES[verb];
  if (base !== undefined && (typeof value === "bigint" || Number.isInteger(value))) {
    const digits = value.toString(base);
    const prefix = options.flags.includes("#") && base === 16 ? "0x" : "";
    return prefix + (verb === "X" ? digits.toUpperCase() : digits);
  }
  const number = Number(value);
  const places = Number(options.precision ?? 6);
  if (verb === "f" || verb === "F") return number.toFixed(places);
  if (verb === "e") return goExponent(number.toExponential(places));
  if (verb === "g") {
    return options.precision === undefined ? String(number) : shortest(number, places);
  }
  if (verb === "c") return String.fromCodePoint(number);
  if (verb === "U") return `U+${number.toString(16).toUpperCase().padStart(4, "0")}`;
  return undefined;
}

/** Go writes at least two digits of exponent. */
function goExponent(text: string): string {
  return text.replace(/e([+-])(\d)$/, "e$10$2");
}

/** Go's %.Ng: at most N significant digits, no trailing zeros, an exponent from 10^N on. */
export function shortest(value: number, precision: number): string {
  if (value === 0) return "0";
  const scientific = value.toExponential(Math.max(precision, 1) - 1);
  const exponent = Number(scientific.split("e")[1]);
  if (exponent < -4 || exponent >= precision) {
    return goExponent(scientific.replace(/\.?0+e/, "e"));
  }
  const fixed = value.toFixed(Math.max(0, precision - 1 - exponent));
  return fixed.includes(".") ? fixed.replace(/\.?0+$/, "") : fixed;
}

function goType(value: unknown): string {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  if (typeof value === "bigint") return "int";
  if (typeof value === "number") return Number.isInteger(value) ? "int" : "float64";
  if (Array.isArray(value)) return "[]interface {}";
  return value === null || value === undefined ? "<nil>" : "map[string]interface {}";
}

/** `and`, `or` and `not` are here; the evaluator stops at the first argument that decides. */
export const FUNCTIONS: Readonly<Record<string, Call>> = {
  and: (...args) => args.find((arg) => !isTrue(arg)) ?? args.at(-1),
  or: (...args) => args.find(isTrue) ?? args.at(-1),
  not: (value) => !isTrue(value),
  eq: (first, ...others) => others.some((other) => equal(first, other)),
  ne: (a, b) => !equal(a, b),
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  len: length,
  index,
  slice,
  print,
  println: (...values) => `${values.map(show).join(" ")}\n`,
  printf,
  json: toJson,
  join: (list, separator) =>
    Array.isArray(list) ? list.map(show).join(text("join", separator)) : show(list),
  split: (value, separator) => text("split", value).split(text("split", separator)),
  upper: (value) => text("upper", value).toUpperCase(),
  lower: (value) => text("lower", value).toLowerCase(),
  title: (value) =>
    text("title", value).replace(/(^|[^\p{L}\p{N}_'])(\p{L})/gu, (match) => match.toUpperCase()),
  pad: (value, before, after) =>
    " ".repeat(whole("pad", before)) + text("pad", value) + " ".repeat(whole("pad", after)),
  truncate: (value, most) =>
    [...text("truncate", value)].slice(0, whole("truncate", most)).join(""),
  urlquery: (...values) => encodeURIComponent(print(...values)).replaceAll("%20", "+"),
};
