/** Lists for people, as Podman prints them: aligned columns, sizes, ages, short ids, `--format`. */
import type { Output } from "./output.ts";
import { shortest } from "./template_functions.ts";

/** Podman's tabwriter: a column is at least 12 wide and ends with two spaces. */
const MIN_WIDTH = 12;
const PADDING = 2;

/**
 * Lines with cells separated by tabs, as one text with aligned columns (Go's text/tabwriter). The
 * last cell of a line is in no column; a column ends at a line that does not have it.
 */
export function alignColumns(text: string): string {
  const lines = text.split("\n").map((line) => line.split("\t"));
  const padded = lines.map((cells) => [...cells]);
  alignBlock(lines, padded, { from: 0, to: lines.length, column: 0 });
  return padded.map((cells) => cells.join("")).join("\n");
}

interface BlockOfLines {
  readonly from: number;
  readonly to: number;
  readonly column: number;
}

function alignBlock(
  lines: readonly (readonly string[])[],
  padded: readonly string[][],
  block: BlockOfLines,
): void {
  const { column } = block;
  const hasColumn = (i: number): boolean => column < (lines[i]?.length ?? 0) - 1;
  for (let i = block.from; i < block.to; i++) {
    if (!hasColumn(i)) continue;
    let end = i;
    let width = MIN_WIDTH;
    for (; end < block.to && hasColumn(end); end++) {
      width = Math.max(width, lengthOf(lines[end]?.[column] ?? "") + PADDING);
    }
    for (let line = i; line < end; line++) {
      const cell = lines[line]?.[column] ?? "";
      const row = padded[line];
      if (row !== undefined) row[column] = cell + " ".repeat(width - lengthOf(cell));
    }
    alignBlock(lines, padded, { from: i, to: end, column: column + 1 });
    i = end - 1;
  }
}

/** Letters, not UTF-16 units. */
function lengthOf(cell: string): number {
  let length = 0;
  for (const _ of cell) length++;
  return length;
}

export interface ListOptions {
  /** Podman's template when the user gives none: `table {{.ID}}\t{{.Names}}`. */
  readonly standard: string;
  /** `--format`: a template, `json`, or `table …`. */
  readonly format?: string | undefined;
  /** Titles that are not the field's name in capitals: `{ ID: "CONTAINER ID" }`. */
  readonly titles?: Readonly<Record<string, string>>;
  /** `--noheading`. */
  readonly noHeading?: boolean;
  /** What errors call a row. */
  readonly type?: string;
  /** What `--format json` prints, when that is not `rows`. */
  readonly json?: unknown;
}

/**
 * Prints `rows` as Podman does: with no format or `table …` aligned under a header, with `json` as
 * an array, else one template result per line.
 */
export async function printList(
  output: Output,
  rows: readonly object[],
  options: ListOptions,
): Promise<void> {
  const format = (options.format ?? options.standard).trim();
  if (format === "json") {
    output.json(options.json ?? rows);
    return;
  }
  const { compileTemplate, Headers } = await import("./template.ts");
  const isTable = /^table(\s|$)/.test(format);
  // Compiled as typed, so that a message shows what was typed.
  const body = readEscapes(format.replace(/^table\s*/, ""));
  const template = compileTemplate(isTable ? withColumns(body) : body);
  const text = rows.map((row) => `${template.execute(row, options.type)}\n`).join("");
  if (!isTable) {
    output.write(text);
    return;
  }
  const header = options.noHeading
    ? ""
    : `${template.execute(new Headers(options.titles ?? {}))}\n`;
  const lines = alignColumns(header + text);
  output.write(lines);
}

/** Prints one object (`info`, `version`, `inspect --format`): a template's result, or JSON. */
export async function printObject(
  output: Output,
  value: object,
  options: { readonly format: string; readonly type?: string },
): Promise<void> {
  const format = options.format.trim();
  if (format === "json") {
    output.json(value);
    return;
  }
  const { compileTemplate } = await import("./template.ts");
  const text = compileTemplate(readEscapes(format)).execute(value, options.type);
  output.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** `\t` and `\n` as typed in single quotes mean tab and newline outside of actions. */
function readEscapes(format: string): string {
  return format.split(/(\{\{[\s\S]*?\}\})/).map((part, i) =>
    i % 2 === 1 ? part : part.replaceAll("\\t", "\t").replaceAll("\\n", "\n")
  ).join("");
}

/** In a table a space between two actions ends a column, as a tab does. */
function withColumns(format: string): string {
  return format.split(/(\{\{[\s\S]*?\}\})/)
    .map((part, i) => i % 2 === 1 ? part : part.replaceAll(" ", "\t")).join("");
}

const SIZES = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

export interface SizeOptions {
  /** Significant digits; 3 as in `images` and `ps`, 4 as in `system df`. */
  readonly digits?: number;
  /** Between number and unit: "128 MB" in `images`, "128MB" elsewhere. */
  readonly gap?: string;
}

/** Bytes in powers of 1000: "128MB", "1.5kB", "0B". */
export function humanSize(bytes: number, options: SizeOptions = {}): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < SIZES.length - 1; unit++) value /= 1000;
  const digits = options.digits ?? 3;
  let number = shortest(value, digits);
  // 999.7 kB rounds to "1e+03kB" in Podman, which nobody can read.
  if (number.includes("e") && unit < SIZES.length - 1) {
    number = "1";
    unit++;
  }
  return `${number}${options.gap ?? ""}${SIZES[unit]}`;
}

/** Seconds in Podman's words: "3 seconds", "About a minute", "2 weeks". */
export function humanDuration(seconds: number): string {
  const whole = Math.trunc(seconds);
  if (whole < 1) return "Less than a second";
  if (whole === 1) return "1 second";
  if (whole < 60) return `${whole} seconds`;
  const minutes = Math.trunc(whole / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.trunc(seconds / 3600 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`;
  return `${Math.trunc(Math.trunc(seconds / 3600) / 24 / 365)} years`;
}

/** "2 minutes ago" for a moment in milliseconds since 1970. */
export function ago(moment: number, now: number = Date.now()): string {
  return `${humanDuration((now - moment) / 1000)} ago`;
}

/** The first twelve digits of an id or digest, as lists show it. */
export function shortId(id: string): string {
  return (id.startsWith("sha256:") ? id.slice(7) : id).slice(0, 12);
}
