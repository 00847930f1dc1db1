/**
 * Measures several commands against each other in one run: warm-up, then rounds in which every
 * candidate runs once in shuffled order, so that a slow moment of the machine hits all alike. What
 * is compared are medians; the minimum is shown beside them.
 */
import { spawnSync } from "node:child_process";
import process from "node:process";

export interface Candidate {
  readonly name: string;
  readonly command: readonly string[];
  /** Not measured, before each run: puts back the state that the command needs. */
  readonly before?: () => void;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Figure {
  readonly name: string;
  /** Wall time in milliseconds. */
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** A ratio of medians that we promise: `ours` takes at most `limit` times as long as `peer`. */
export interface Promised {
  readonly ours: string;
  readonly peer: string;
  /** Absent: told for information. */
  readonly limit?: number;
}

export interface Comparison {
  readonly title: string;
  readonly figures: readonly Figure[];
  readonly ratios: readonly (Promised & { readonly ratio: number; readonly held: boolean })[];
}

/** `--quick` (a third of the rounds, for a first look) and `--json` (one JSON array on stdout). */
export const isQuick: boolean = process.argv.includes("--quick");
export const isJson: boolean = process.argv.includes("--json");

/** A line for the person who waits; not part of the result. */
export function note(line: string): void {
  console.error(line);
}

/** Runs a command that is not measured; throws with what it said when it fails. */
export function prepare(command: readonly string[], env: Record<string, string> = {}): string {
  const [program, ...args] = command;
  const end = spawnSync(program!, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    maxBuffer: 1 << 28,
  });
  if (end.status === 0) return end.stdout.toString().trim();
  throw new Error(`cannot prepare: ${command.join(" ")}: ${end.error ?? end.stderr.toString()}`);
}

/** One run, in milliseconds; a failed run is no measurement, so it throws. */
function time(candidate: Candidate): number {
  candidate.before?.();
  const [program, ...args] = candidate.command;
  const env = { ...process.env, ...candidate.env };
  const started = performance.now();
  const end = spawnSync(program!, args, { stdio: "ignore", env });
  const took = performance.now() - started;
  if (end.status === 0) return took;
  // Once more, only to show what it says.
  candidate.before?.();
  prepare(candidate.command, candidate.env);
  throw new Error(`cannot measure ${candidate.name}: exit status ${end.status}`);
}

function shuffled<T>(items: readonly T[]): T[] {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** Median of numbers; of an even count the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Measures all candidates together. `rounds` counts without the warm-up (one run of each, two from
 * ten rounds on).
 */
export function compare(
  title: string,
  candidates: readonly Candidate[],
  options: { readonly rounds: number; readonly promises: readonly Promised[] },
): Comparison {
  const rounds = isQuick ? Math.max(3, Math.round(options.rounds / 3)) : options.rounds;
  note(`${title}: ${rounds} rounds of ${candidates.length} …`);
  const samples = new Map<string, number[]>(candidates.map(({ name }) => [name, []]));
  for (let warmUp = rounds >= 10 ? 2 : 1; warmUp > 0; warmUp--) candidates.forEach(time);
  for (let round = 0; round < rounds; round++) {
    for (const candidate of shuffled(candidates)) {
      samples.get(candidate.name)!.push(time(candidate));
    }
  }
  const figures = [...samples].map(([name, all]) => ({
    name,
    median: median(all),
    min: Math.min(...all),
    max: Math.max(...all),
    rounds,
  }));
  const byName = new Map(figures.map((figure) => [figure.name, figure.median]));
  const ratios = options.promises
    .filter(({ ours, peer }) => byName.has(ours) && byName.has(peer))
    .map((promise) => {
      const ratio = byName.get(promise.ours)! / byName.get(promise.peer)!;
      return { ...promise, ratio, held: promise.limit === undefined || ratio <= promise.limit };
    });
  return { title, figures, ratios };
}

/** Prints comparisons as one table of times and one of ratios, or as JSON. */
export function report(comparisons: readonly Comparison[]): void {
  if (isJson) return console.log(JSON.stringify(comparisons, null, 2));
  const times = comparisons.flatMap(({ title, figures }) =>
    figures.map((f) => [title, f.name, ms(f.median), ms(f.min), ms(f.max), String(f.rounds)])
  );
  print([["", "command", "median ms", "min ms", "max ms", "runs"], ...times]);
  const ratios = comparisons.flatMap(({ title, ratios }) =>
    ratios.map((r) => [
      title,
      `${r.ours} / ${r.peer}`,
      r.ratio.toFixed(2),
      r.limit === undefined ? "" : `<= ${r.limit}`,
      r.limit === undefined ? "" : r.held ? "held" : "MISSED",
    ])
  );
  console.log("");
  print([["", "ratio of medians", "ratio", "promise", ""], ...ratios]);
}

const ms = (value: number): string => value.toFixed(value < 100 ? 1 : 0);

/** Columns as wide as their widest cell; numbers (from the third column on) to the right. */
function print(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  for (const row of rows) {
    const cells = row.map((cell, i) => i < 2 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!));
    console.log(cells.join("  ").trimEnd());
  }
}
