/**
 * The table of `docs/drivers.md`: which scenarios of the layer contract each driver keeps on each
 * file system, as the suite finds it on this host. Run by `deno task conform --table`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type CaseResult, CASES, runCase } from "../drivers/layer/conformance.ts";
import { driver as aufs } from "../drivers/layer/aufs.ts";
import { driver as copy } from "../drivers/layer/copy.ts";
import { driver as overlay } from "../drivers/layer/overlay.ts";
import type { DriverModule } from "../drivers/module.ts";
import { FILE_SYSTEMS } from "../tests/drivers/layer/file_systems.ts";
import { PROJECT, say, ToolError } from "./command.ts";

const DRIVERS: readonly DriverModule<"layer">[] = [overlay, aufs, copy];
const PAGE = join(PROJECT, "docs/drivers.md");
const BEGIN = "<!-- conformance: begin -->";
const END = "<!-- conformance: end -->";

/** Scenarios that need more than one process, or the store around a driver: where they are proven. */
const BESIDE: Readonly<Record<number, string>> = {
  9: "tests/end_to_end/layer_test.ts: names are given once and found again",
  12: "tests/end_to_end/layer_test.ts: layer status",
  17: "tests/drivers/layer/overlay_host_test.ts: strange roots",
  60: "tests/end_to_end/layer_many_test.ts: 256 processes",
  61: "tests/core/engine/image_processes_test.ts: two loads at once",
  62: "tests/end_to_end/layer_kill_test.ts: killed at every writing call; and cases",
  63: "tests/end_to_end/durable_test.ts: the order of the system calls",
  65: "tests/end_to_end/layer_many_test.ts: a load that waits",
};

interface Column {
  readonly driver: string;
  readonly system: string;
  /** Why it could not be run here; "" when it was. */
  readonly reason: string;
  readonly results: readonly CaseResult[];
}

/** Runs everything and rewrites the page between its markers. Fails when a promise is broken. */
export function writeTable(): void {
  const columns = DRIVERS.flatMap((module) =>
    FILE_SYSTEMS.map((system) => runColumn(module, system.name, system))
  );
  const page = readFileSync(PAGE, "utf8");
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from < 0 || to < from) throw new ToolError(`cannot write the table: no markers in ${PAGE}`);
  // Formatted, each row would be as wide as the longest.
  const table = `<!-- deno-fmt-ignore-start -->\n\n${
    tableOf(columns)
  }\n<!-- deno-fmt-ignore-end -->`;
  const text = `${page.slice(0, from)}${BEGIN}\n\n${table}\n\n${page.slice(to)}`;
  writeFileSync(PAGE, text);
  const broken = columns.flatMap(({ driver, system, results }) =>
    results.filter(({ outcome }) => outcome === "failed")
      .map(({ name, detail }) => `${driver} on ${system}: ${name}\n  ${detail}`)
  );
  if (broken.length > 0) throw new ToolError(broken.join("\n"));
}

function runColumn(
  module: DriverModule<"layer">,
  system: string,
  place: { open(): string; close(): void },
): Column {
  const column = { driver: module.name, system };
  let directory: string;
  try {
    directory = place.open();
  } catch (error) {
    return { ...column, reason: `no ${system} here: ${error}`, results: [] };
  }
  try {
    const where = { root: directory, runroot: directory, options: {} };
    const probe = module.probe(where, undefined as never);
    if (!probe.usable) return { ...column, reason: probe.reason, results: [] };
    say(`${module.name} on ${system} …`);
    const results = CASES.map((each) =>
      runCase(module, each, { directory, kit: undefined as never })
    );
    return { ...column, reason: "", results };
  } finally {
    place.close();
  }
}

function tableOf(columns: readonly Column[]): string {
  const run = columns.filter(({ reason }) => reason === "");
  const head = run.map(({ driver, system }) => `${driver} ${system}`);
  const scenarios = Array.from({ length: 66 }, (_, i) => i + 1);
  const rows = scenarios.map((number) => {
    const cells = run.map(({ results }) => cellOf(number, results));
    return `| ${number} | ${promiseOf(number)} | ${cells.join(" | ")} |`;
  });
  const counts = run.map(({ results }) => {
    const passed = results.filter(({ outcome }) => outcome === "passed").length;
    return `${passed}/${results.length}`;
  });
  return [
    `| scenario | promises | ${head.join(" | ")} |`,
    `|${" --- |".repeat(run.length + 2)}`,
    ...rows,
    `| | cases passed | ${counts.join(" | ")} |`,
    "",
    ...notRun(columns),
    ...skips(run),
  ].join("\n");
}

/** "yes" when all its cases passed, "no", "-" when this driver cannot be asked. */
function cellOf(number: number, results: readonly CaseResult[]): string {
  const own = results.filter(({ scenarios }) => scenarios.includes(number));
  if (own.length === 0) return "beside";
  if (own.some(({ outcome }) => outcome === "failed")) return "**no**";
  return own.some(({ outcome }) => outcome === "passed") ? "yes" : "-";
}

function promiseOf(number: number): string {
  const names = CASES.filter(({ scenarios }) => scenarios.includes(number))
    .map(({ name }) => name.replaceAll(/ ?\[\d+\]/g, ""));
  const beside = BESIDE[number];
  const all = beside === undefined
    ? names
    : [...names, `\`${beside.split(": ")[0]}\` (${beside.split(": ")[1]})`];
  return all.join("; ").replaceAll("|", "\\|");
}

function notRun(columns: readonly Column[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const { driver, system, reason } of columns) {
    if (reason !== "") {
      reasons.set(`${driver}: ${reason}`, [...reasons.get(`${driver}: ${reason}`) ?? [], system]);
    }
  }
  return [...reasons].map(([why, systems]) => `Not run (${systems.join(", ")}): ${why}\n`);
}

/** What a driver cannot be asked for, with its own reason. */
function skips(columns: readonly Column[]): string[] {
  const lines = new Set<string>();
  for (const { driver, results } of columns) {
    for (const { name, outcome, detail } of results) {
      if (outcome === "skipped") lines.add(`- ${driver}: ${name}: ${detail}`);
    }
  }
  return lines.size === 0 ? [] : ["Cases that a driver is not asked for:\n", ...lines, ""];
}
