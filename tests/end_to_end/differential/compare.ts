/**
 * Compares what the two programs gave for one line: findings in words, none when they agree. What
 * must differ from run to run (ids, times, sizes of tables) is made equal first.
 */
import type { Result } from "./program.ts";

export interface Finding {
  readonly line: string;
  /** "status: …", "stdout: …", "json PATH: …" or "stderr: …". */
  readonly what: string;
}

/** Ids, digests, times, the place of the store and the program's name as fixed words. */
export function normalise(text: string, place: string): string {
  return text
    .replaceAll(place, "PLACE")
    .replace(/\b[0-9a-f]{64}\b/g, "ID")
    .replace(/\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{12}\b/g, "SHORT")
    .replace(/\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?( ?([+-]\d\d:?\d\d|Z))?( UTC)?/g, "TIME")
    .replace(/\b\d+(\.\d+)?m?s {2,}(?=\?)/g, "WHILE  ")
    .replace(/\w{3} +\d+ \d\d:\d\d:\d\d UTC \d{4}/g, "TIME")
    .replace(/(Less than a second|About an? \w+|\d+ seconds?|\d+ minutes?)( ago)?/g, "WHILE$2")
    .replace(/\b[Pp]odman\b/g, "coracle");
}

/** Spaces at the end and the widths of columns, which follow the lengths of times. */
function lines(text: string, step: Result["step"]): string[] {
  const all = text.trimEnd().split("\n").map((line) => line.trimEnd().replace(/ {2,}/g, "  "));
  return step.unordered ? all.sort() : all;
}

function parseJson(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Numbers that no two runs have in common: moments, processes, what the host uses now. */
const VOLATILE =
  /\.(Created|StartedAt|ExitedAt|Exited|Pid|ConmonPid|memFree|swapFree|graphRootUsed|uptime|\w+Percent)$/;

/** Leaves of a document by path; the elements of an array are told apart by their index. */
function leaves(value: unknown, path = "", found = new Map<string, string>()): Map<string, string> {
  if (Array.isArray(value) && value.length > 0 && value.every((part) => typeof part === "string")) {
    // Lists of words (variables, capabilities) have no order that would mean anything.
    for (const part of value) found.set(`${path}[${part}]`, "there");
    return found;
  }
  if (typeof value === "object" && value !== null && Object.keys(value).length > 0) {
    for (const [key, part] of Object.entries(value)) {
      leaves(part, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`, found);
    }
  } else {
    found.set(path, VOLATILE.test(path) ? "(any)" : JSON.stringify(value));
  }
  return found;
}

function compareJson(podman: unknown, coracle: unknown): string[] {
  const theirs = leaves(podman);
  const ours = leaves(coracle);
  const paths = [...new Set([...theirs.keys(), ...ours.keys()])];
  return paths.filter((path) => theirs.get(path) !== ours.get(path)).map((path) => {
    const shown = (value: string | undefined) => value ?? "nothing";
    return `json ${path}: podman ${shown(theirs.get(path))}, coracle ${shown(ours.get(path))}`;
  });
}

/** The clause that scripts look for: the end of the last line of an error. */
function keyPhrase(stderr: string): string {
  const last = stderr.trim().split("\n").findLast((line) => line.startsWith("Error:")) ??
    stderr.trim().split("\n").at(-1) ?? "";
  return last.split(": ").at(-1) ?? "";
}

const unquoted = (text: string) => text.replace(/["'`]/g, "").replace(/\s+/g, " ");

/** `podman` and `coracle` are normalised already. */
export function compareResults(podman: Result, coracle: Result): Finding[] {
  const found: string[] = [];
  if (podman.status !== coracle.status) {
    found.push(`status: podman ${podman.status}, coracle ${coracle.status}`);
  }
  const theirJson = parseJson(podman.stdout);
  const ourJson = parseJson(coracle.stdout);
  if (theirJson !== undefined && ourJson !== undefined) {
    found.push(...compareJson(theirJson, ourJson));
  } else {
    const theirs = lines(podman.stdout, podman.step).join("\n");
    const ours = lines(coracle.stdout, coracle.step).join("\n");
    if (theirs !== ours) {
      found.push(`stdout: podman ${JSON.stringify(theirs)}, coracle ${JSON.stringify(ours)}`);
    }
  }
  const theirPhrase = podman.step.says ?? (podman.status === 0 ? "" : keyPhrase(podman.stderr));
  const isSaid = unquoted(coracle.stderr).includes(unquoted(theirPhrase));
  const isQuiet = podman.stderr.trim() !== "" || coracle.stderr.trim() === "";
  if (!isSaid || !isQuiet) {
    found.push(
      `stderr: podman ${JSON.stringify(podman.stderr)}, coracle ${JSON.stringify(coracle.stderr)}`,
    );
  }
  return found.map((what) => ({ line: podman.step.line, what }));
}
