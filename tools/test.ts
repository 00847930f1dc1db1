/**
 * `deno task test [WORD...]`: installs what the tests need, builds, and runs the suite under Deno
 * and under Bun, or the test files whose path holds one of the words. `--deno` or `--bun` picks one
 * runtime. The last line is the sum of both: "N passed, N failed, N skipped".
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { buildExecutable, BUN } from "./build.ts";
import { finish, PROJECT, run, say, ToolError } from "./command.ts";
import { ensurePackages } from "./host_packages.ts";
import { prepareHost } from "./prepare_host.ts";
import { busyboxTar, debianTar } from "./root_file_system.ts";

/** One test may take this long under Bun, whose own limit of 5 s is too short for containers. */
const TEST_TIMEOUT_MS = 300_000;
/** One whole suite may take this long; then it hangs and is killed. */
const SUITE_TIMEOUT_MS = 12 * 60_000;

interface Sum {
  passed: number;
  /** Names. */
  readonly failed: string[];
  readonly skipped: string[];
}

/** Test files below tests/ whose path holds one of the words, or all of them. */
function testFiles(words: readonly string[]): string[] {
  return (readdirSync(join(PROJECT, "tests"), { recursive: true }) as string[])
    .filter((file) => file.endsWith("_test.ts"))
    .map((file) => `tests/${file}`)
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort();
}

function suiteCommand(runtime: "deno" | "bun", files: readonly string[], report: string): string[] {
  const paths = files.map((file) => `./${file}`);
  if (runtime === "deno") {
    return [process.execPath, "test", "-A", "--no-check", `--junit-path=${report}`, ...paths];
  }
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
  return [BUN, "test", `--timeout=${TEST_TIMEOUT_MS}`, ...reporter, ...paths];
}

/** Runs the files under one runtime; what the tests print is seen as it comes. */
function runSuite(runtime: "deno" | "bun", files: readonly string[]): Sum {
  const folder = mkdtempSync(join(tmpdir(), "coracle-suite-"));
  const report = join(folder, "junit.xml");
  try {
    const started = performance.now();
    const { status } = run(suiteCommand(runtime, files, report), {
      show: true,
      env: { CORACLE_TEST_RUNTIME: runtime },
      timeout: SUITE_TIMEOUT_MS,
    });
    const sum = readReport(existsSync(report) ? readFileSync(report, "utf8") : "");
    // A suite that crashed or hung has no failed test to show for it.
    if (status !== 0 && sum.failed.length === 0) {
      sum.failed.push(`the suite itself, with exit status ${status}`);
    }
    if (status === 0 && sum.passed === 0) {
      throw new ToolError(`cannot trust ${runtime}: no test ran`);
    }
    const seconds = Math.round((performance.now() - started) / 1000);
    say(`\n${runtime}: ${closingLine([sum])} in ${seconds} s\n`);
    return sum;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Counts the test cases of a JUnit report. */
function readReport(xml: string): Sum {
  const sum: Sum = { passed: 0, failed: [], skipped: [] };
  const cases = xml.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g);
  for (const [, name = "", body = ""] of cases) {
    if (/<(failure|error)\b/.test(body)) sum.failed.push(unescapeXml(name));
    else if (/<skipped\b/.test(body)) sum.skipped.push(unescapeXml(name));
    else sum.passed += 1;
  }
  return sum;
}

function unescapeXml(text: string): string {
  const plain: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(\w+);/g, (all, name: string) => plain[name] ?? all);
}

function closingLine(sums: readonly Sum[]): string {
  const total = (count: (sum: Sum) => number) => sums.reduce((all, sum) => all + count(sum), 0);
  const failed = total((sum) => sum.failed.length);
  const skipped = total((sum) => sum.skipped.length);
  return `${total((sum) => sum.passed)} passed, ${failed} failed, ${skipped} skipped`;
}

if (import.meta.main) {
  await finish(() => {
    const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
    const asked = (["deno", "bun"] as const).filter((name) => process.argv.includes(`--${name}`));
    const files = testFiles(words);
    if (files.length === 0) throw new ToolError(`cannot test: no file matches ${words.join(" ")}`);
    ensurePackages("test");
    prepareHost();
    buildExecutable();
    debianTar();
    busyboxTar();
    const runtimes = asked.length > 0 ? asked : ["deno", "bun"] as const;
    const sums = runtimes.map((name) => ({ name, sum: runSuite(name, files) }));
    for (const { name, sum } of sums) {
      // Why, each test has said above.
      for (const skipped of sum.skipped) say(`skipped under ${name}: ${skipped}`);
      for (const failed of sum.failed) say(`failed under ${name}: ${failed}`);
    }
    say(closingLine(sums.map(({ sum }) => sum)));
    if (sums.some(({ sum }) => sum.failed.length > 0)) process.exitCode = 1;
  });
}
