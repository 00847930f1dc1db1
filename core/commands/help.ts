/** Help texts from the table and the specs of the commands. */
import { COMMIT, VERSION } from "../version.ts";
import type { CommandSpec, Flags } from "./command.ts";
import { entriesOfNoun } from "./find.ts";
import { flagNames } from "./flag_names.ts";
import { GLOBAL_FLAGS } from "./globals.ts";
import { type CommandEntry, type CommandGroup, COMMANDS, NOUNS } from "./table.ts";

/** Widest line; a narrower terminal wraps by itself. */
const WIDTH = 100;
/** A left column wider than this is given a line of its own. */
const LEFT = 34;
const GROUPS: readonly CommandGroup[] = ["Containers", "Images", "Layers", "System"];

/** `coracle --help`. */
export function programHelp(): string {
  const shown = COMMANDS.filter((entry) => entry.hidden !== true);
  const groups = GROUPS.flatMap((group) => {
    const rows = shown.filter((entry) => entry.group === group).sort(byName)
      .map((entry) => [entry.name, entry.summary] as const);
    return rows.length === 0 ? [] : [section(group, columns(rows))];
  });
  return [
    `coracle ${VERSION} (${COMMIT}): containers, images and their data, in one executable`,
    section("Usage", ["  coracle [options] COMMAND [ARG...]"]),
    ...groups,
    section("Options", [
      ...flagLines(GLOBAL_FLAGS),
      ...columns([
        ["    --help", "Show this text"],
        ["-v, --version", "Show the version"],
      ]),
    ]),
    section("Examples", [
      "  coracle load -i debian.tar",
      "  coracle run --rm -it localhost/debian:bookworm bash",
      "  coracle ps --all",
    ]),
    'Each command explains itself with "coracle COMMAND --help".',
  ].join("\n\n");
}

function byName(a: CommandEntry, b: CommandEntry): number {
  return a.name < b.name ? -1 : 1;
}

/** `coracle image --help`. */
export function nounHelp(noun: string): string {
  const rows = entriesOfNoun(noun).map(({ word, entry }) => [word, entry.summary] as const);
  return [
    NOUNS[noun] ?? noun,
    section("Usage", [`  coracle ${noun} COMMAND`]),
    section("Commands", columns(rows)),
  ].join("\n\n");
}

/** `coracle run --help`. */
export function commandHelp(spec: CommandSpec): string {
  const parts = [spec.summary];
  if (spec.description !== undefined) parts.push(wrap(spec.description, 0).join("\n"));
  parts.push(section("Usage", [`  ${`coracle ${spec.name} ${spec.usage}`.trimEnd()}`]));
  const aliases = spec.aliases ?? [];
  if (aliases.length > 0) parts.push(section("Aliases", [`  ${aliases.join(", ")}`]));
  const flags = flagLines(spec.flags);
  if (flags.length > 0) parts.push(section("Options", flags));
  if (spec.examples.length > 0) {
    parts.push(section("Examples", spec.examples.map((example) => `  ${example}`)));
  }
  return parts.join("\n\n");
}

function section(title: string, lines: readonly string[]): string {
  return `${title}:\n${lines.join("\n")}`;
}

function flagLines(flags: Flags): string[] {
  const rows = Object.values(flags)
    .filter((flag) => flag.hidden !== true && flag.refused === undefined)
    .map((flag) => {
      const names = flagNames(flag.names);
      const long = names.long.map((name) => `--${name}`).join(", ");
      const optional = flag.kind === "optional" ? `[=${names.value || "VALUE"}]` : "";
      const value = optional || (names.value === "" ? "" : ` ${names.value}`);
      const short = names.short === undefined ? "    " : `-${names.short}, `;
      return [`${short}${long}${value}`, flag.description + standard(flag.fallback)] as const;
    })
    .sort(([a], [b]) => (sortKey(a) < sortKey(b) ? -1 : 1));
  return columns(rows);
}

function sortKey(names: string): string {
  return names.slice(names.indexOf("--") + 2);
}

/** The value when the flag is not given, where it says something. */
function standard(fallback: unknown): string {
  if (fallback === undefined || fallback === false || fallback === "") return "";
  if (Array.isArray(fallback) && fallback.length === 0) return "";
  return ` (default ${typeof fallback === "string" ? fallback : JSON.stringify(fallback)})`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const fitting = rows.map(([left]) => left.length).filter((length) => length <= LEFT);
  const width = Math.max(10, ...fitting) + 2;
  return rows.flatMap(([left, right]) => {
    const [first = "", ...more] = wrap(right, width + 2);
    const indent = " ".repeat(width + 2);
    const rest = more.map((line) => indent + line);
    if (left.length > LEFT) return [`  ${left}`, indent + first, ...rest];
    return [`  ${left.padEnd(width)}${first}`, ...rest];
  });
}

/** Words into lines that leave `indent` columns free. */
function wrap(text: string, indent: number): string[] {
  const lines: string[] = [];
  for (const paragraph of text.split("\n")) {
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && indent + line.length + 1 + word.length > WIDTH) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines;
}
