/**
 * What the differential test runs: scenarios of command lines as data, each given to Podman and to
 * coracle word for word. docs/containers.md names Podman as the measure.
 */

/** One command line, without the program's name. Words as in a shell, with '…' and "…" only. */
export interface CommandLine {
  /** `IMAGE` is the image, `FOLDER` the scenario's folder, `$name` what a line before saved. */
  readonly line: string;
  readonly input?: string;
  /** Keeps stdout, trimmed, as `$name` for the lines after it. */
  readonly saves?: string;
  /** What both must say on stderr; else Podman's last clause. */
  readonly says?: string;
  /** The lines of stdout come in any order. */
  readonly unordered?: boolean;
}

/** A file in the scenario's folder, written before the next line. */
export interface WriteFile {
  readonly write: string;
  readonly text: string;
}

/** A file that the lines made, compared as stdout is. */
export interface ReadFile {
  readonly read: string;
}

export type Step = string | CommandLine | WriteFile | ReadFile;

/** Each has a fresh store with the image in it (none when `bare`). */
export interface Scenario {
  readonly name: string;
  readonly bare?: boolean;
  readonly steps: readonly Step[];
}

/** Splits a line as a shell does, without expansion. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    words.push(word.replace(/'([^']*)'|"([^"]*)"/g, (_, single, double) => single ?? double));
  }
  return words;
}

/** Limits that any root may set: where the hard limits are low Podman's own default fails. */
const LIMITS = ["nofile=1024:1024", "nproc=1024:1024"];

/** The words that are run: values for placeholders, and what `run` and `create` need on any host. */
export function commandWords(line: string, values: ReadonlyMap<string, string>): string[] {
  const words = splitWords(line).map((word) =>
    word.replace(/\bIMAGE\b|\bFOLDER\b|\$[a-z]+\b/g, (name) => values.get(name) ?? name)
  );
  const verb = words.findIndex((word, at) =>
    (word === "run" || word === "create") && (at === 0 || (at === 1 && words[0] === "container"))
  );
  if (verb < 0 || words.length <= verb + 2) return words;
  const network = words.some((word) => /^--net(work)?(=|$)/.test(word))
    ? []
    : ["--network", "none"];
  const isGiven = (limit: string) =>
    words.some((word) => word.startsWith(limit.split("=")[0] + "="));
  const limits = LIMITS.filter((limit) => !isGiven(limit)).flatMap((limit) => ["--ulimit", limit]);
  return [...words.slice(0, verb + 1), ...limits, ...network, ...words.slice(verb + 1)];
}
