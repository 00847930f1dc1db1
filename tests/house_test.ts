/**
 * The rules of the house, as tests: who may import whom, where the runtime and the terminal may be
 * touched, how files are called and how long they are. Each failure names file, line and rule.
 */
import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** Files over 400 lines, each with the reason why splitting it would be worse. */
const LONG_FILES: Readonly<Record<string, string>> = {
  "core/commands/table.ts": "the only list of commands, an entry of the same few lines for each",
  "docs/example_layer_driver.ts": "that a whole driver is one file is what it shows",
};

/** What each room may import besides itself, `core/terms.ts` and `core/errors.ts`. */
const ROOMS = ["image", "layer", "container", "volume", "alloc", "session"].map((r) => `core/${r}`);
const FLOOR = ["core/sys"];
const SHARED = ["core/archive", "core/state", ...FLOOR];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "core/sys": [],
  "core/archive": FLOOR,
  "core/state": FLOOR,
  "core/config": ["core/nearest.ts", ...FLOOR],
  "core/nearest.ts": [],
  "core/version.ts": [],
  ...Object.fromEntries(ROOMS.map((room) => [room, SHARED])),
  "core/engine": [...ROOMS, ...SHARED, "core/config", "core/version.ts"],
  // The values of flags are parsed by pure functions that belong to the container's vocabulary.
  "core/commands": [
    "core/engine",
    "core/container",
    "core/config",
    "core/nearest.ts",
    "core/version.ts",
    ...FLOOR,
  ],
  "drivers/module.ts": ["drivers/*/driver.ts"],
  "drivers/builtin.ts": ["drivers/module.ts", "drivers/*/*.ts"],
  "drivers/plugin.ts": ["drivers/module.ts", "drivers/builtin.ts", "core/config", ...SHARED],
  "drivers/load.ts": [
    "drivers/module.ts",
    "drivers/builtin.ts",
    "drivers/candidates.ts",
    "drivers/check.ts",
    "core/config",
    "core/nearest.ts",
    ...SHARED,
  ],
  "drivers/candidates.ts": [
    "drivers/module.ts",
    "drivers/builtin.ts",
    "drivers/plugin.ts",
    "core/archive/kit.ts",
    "core/config",
    "core/nearest.ts",
    ...FLOOR,
  ],
  "drivers/check.ts": [
    "drivers/module.ts",
    "drivers/builtin.ts",
    "drivers/candidates.ts",
    "drivers/load.ts",
    "drivers/*/conformance.ts",
    ...FLOOR,
  ],
  // A kind of driver is one room; what two drivers of a kind share lies in its folder.
  "drivers/*": ["drivers/module.ts", "drivers/host_bundle.ts", "core/archive", ...FLOOR],
  // A container for the conformance suites of runtimes and monitors.
  "drivers/host_bundle.ts": FLOOR,
};
/** The contracts, which are types: every room of the core but the lowest may name them. */
const CONTRACTS = ["drivers/*/driver.ts", "drivers/module.ts"];
const KNOW_CONTRACTS = ["core/engine", "core/commands", "core/config", "drivers", ...ROOMS];

/** One room per package; `node:` modules that are not here are free. */
const PACKAGE_ROOMS: Readonly<Record<string, readonly string[]>> = {
  "commander": ["core/commands"],
  "smol-toml": ["core/config"],
  "valibot": ["core/config"],
  "node:sqlite": ["core/state"],
  "node:zlib": ["core/archive", "core/image"],
  "node:crypto": ["core/archive", "core/image", "core/layer", "drivers/plugin.ts"],
  "node:fs": FLOOR,
  "node:fs/promises": FLOOR,
  "node:child_process": FLOOR,
  "node:net": FLOOR,
  "node:os": FLOOR,
  "node:tty": FLOOR,
  "bun:ffi": FLOOR,
};

/** Patterns that may stand in the named rooms only. */
const PLACES: readonly { pattern: RegExp; rule: string; rooms: readonly string[] }[] = [
  { pattern: /\bDeno\./, rule: "Deno only in core/sys", rooms: FLOOR },
  { pattern: /\bBun\.|"bun:/, rule: "Bun only in core/sys", rooms: FLOOR },
  { pattern: /\bprocess\.exit\w*\b/, rule: "process.exit only in cli.ts", rooms: ["cli.ts"] },
  {
    pattern: /\bconsole\.|\bprocess\.std(out|err)\b/,
    rule: "printing only in core/commands and cli.ts",
    rooms: ["core/commands", "cli.ts"],
  },
];

const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)));
const OUTSIDE = new Set(["node_modules", "build", "dist", ".git"]);

function walk(folder: string): string[] {
  return readdirSync(join(PROJECT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    return entry.isDirectory() ? (OUTSIDE.has(entry.name) ? [] : walk(path)) : [path];
  });
}
const all = walk("");
const sources = all.filter((path) => path.endsWith(".ts"));
const product = sources.filter((path) => /^(cli\.ts$|core\/|drivers\/)/.test(path));
const read = (path: string) => readFileSync(join(PROJECT, path), "utf8");

/** The text with comments blanked, line numbers kept. */
function code(path: string): string {
  const blank = (comment: string) => comment.replace(/[^\n]/g, " ");
  return read(path).replace(/\/\*[\s\S]*?\*\//g, blank).replace(/(^|\s)\/\/.*$/gm, blank);
}

/** Is `path` in one of the rooms: a folder (or `folder.ts`), a file, or a pattern with `*`? */
function isIn(path: string, rooms: readonly string[]): boolean {
  return rooms.some((room) => {
    const pattern = room.replaceAll(".", "\\.").replaceAll("*", "[^/]+");
    return new RegExp(`^${pattern}(/|\\.ts$|$)`).test(path);
  });
}

const lineOf = (content: string, index: number) => content.slice(0, index).split("\n").length;

function imports(path: string): { to: string; line: number; isType: boolean }[] {
  const content = code(path);
  const found: { to: string; line: number; isType: boolean }[] = [];
  const pattern =
    /^[ \t]*(import|export)\b([^;"'`(=]*?)(?:\bfrom\s*)?"([^"]+)"|(typeof\s+)?\bimport\(\s*"([^"]+)"/gm;
  for (const match of content.matchAll(pattern)) {
    const [, word, names = "", plain, typeOf, lazy] = match;
    if (word === "export" && !/\bfrom\b/.test(match[0])) continue;
    const isType = typeOf !== undefined || /^\s*type\b/.test(names);
    const name = plain ?? lazy ?? "";
    const to = name.startsWith(".") ? normalize(join(dirname(path), name)) : name;
    found.push({ to, line: lineOf(content, match.index + match[0].indexOf(name)), isType });
  }
  return found;
}

function mayImport(from: string, to: string, isType: boolean): boolean {
  if (from === "cli.ts") return isIn(to, ["core", "drivers/load.ts", "drivers/module.ts"]);
  if (to === "core/terms.ts" || to === "core/errors.ts") return isIn(from, ["core", "drivers"]);
  if (from === "drivers/module.ts" && isType) return true;
  if (isType && isIn(to, CONTRACTS) && isIn(from, KNOW_CONTRACTS)) return true;
  const room = Object.keys(MAY_IMPORT).find((r) => isIn(from, [r]));
  if (room === undefined) return false;
  if (isIn(to, MAY_IMPORT[room]!)) return true;
  const roomOf = (path: string) => path.split("/").slice(0, 2).join("/");
  return roomOf(from) === roomOf(to) || isIn(to, [room]) && !room.includes("*");
}

function expectNone(findings: readonly string[]): void {
  assert.ok(findings.length === 0, `the house plan forbids:\n  ${findings.join("\n  ")}`);
}

/** Every match of `pattern` in the given files, as "file:line: text". */
function grep(paths: readonly string[], pattern: RegExp, text: (path: string) => string): string[] {
  return paths.flatMap((path) =>
    text(path).split("\n").flatMap((line, i) =>
      pattern.test(line) ? [`${path}:${i + 1}: ${line.trim().slice(0, 100)}`] : []
    )
  );
}

test("rooms import only what lies below them", () => {
  expectNone(product.flatMap((path) =>
    imports(path)
      .filter(({ to, isType }) => to.endsWith(".ts") && !mayImport(path, to, isType))
      .map(({ to, line }) => `${path}:${line} imports ${to}`)
  ));
});

test("each package is imported in its room only, and none that is not in the table", () => {
  expectNone(
    product.flatMap((path) =>
      imports(path).filter(({ to }) => !to.endsWith(".ts")).flatMap(({ to, line }) => {
        const rooms = PACKAGE_ROOMS[to];
        if (rooms === undefined ? to.startsWith("node:") : isIn(path, rooms)) return [];
        return [`${path}:${line} imports ${to}, which belongs to ${rooms?.join(", ") ?? "nobody"}`];
      })
    ),
  );
});

test("the runtime, the exit and the terminal are touched only where they may be", () => {
  expectNone(
    PLACES.flatMap(({ pattern, rule, rooms }) =>
      grep(product.filter((path) => !isIn(path, rooms)), pattern, code)
        .map((finding) => `${rule}: ${finding}`)
    ),
  );
});

test("files are short, or the reason is written here", () => {
  const lines = (path: string) => read(path).split("\n").length - 1;
  expectNone(
    sources
      .filter((path) => lines(path) > 400 && LONG_FILES[path] === undefined)
      .map((path) => `${path} has ${lines(path)} lines`),
  );
  expectNone(
    Object.keys(LONG_FILES)
      .filter((path) => !sources.includes(path) || lines(path) <= 400)
      .map((path) => `${path} needs no exception any more`),
  );
});

test("files and folders are named after the thing inside", () => {
  const vague = /^(index|mod|utils?|common|helpers?|manager|types)$/;
  expectNone(sources.filter((path) =>
    !/^[a-z0-9]+(_[a-z0-9]+)*\.ts$/.test(basename(path)) ||
    path.replace(/\.ts$/, "").split("/").some((part) => vague.test(part))
  ));
});

test("nothing is left for later, and no test is left out without a reason", () => {
  const others = sources.filter((path) => path !== "tests/house_test.ts");
  expectNone(grep(others, /\b(TODO|FIXME|XXX|HACK)\b/, read));
  expectNone(
    grep(others, /\b(test|it|describe|suite)\.(only|skip|todo)\(|\b(skip|todo|only): true\b/, code),
  );
});

test("no file names a machine it was written on or a package registry", () => {
  const texts = all.filter((path) => /\.(ts|json|md|toml|lock)$|^\.ci\//.test(path))
    .filter((path) => path !== "tests/house_test.ts");
  expectNone(grep(texts, /\/work\/|\/home\/[a-z]+\/|\/Users\//, read));
  expectNone(grep(["deno.json", "deno.lock"], /:\/\//, read));
  const registry = process.env.npm_config_registry ?? "https://registry.npmjs.org/";
  expectNone(texts.filter((path) => read(path).includes(new URL(registry).host)));
});
