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
const SUITE_TIMEOUT_MS = 20 * 60_000;

interface Sum {
  passed: number;
  failed: number;
  skipped: number;
  /** Names of the failed tests. */
  bad: string[];
}

/** Test files in the order they run: the house rules, the floor, …, whole executable last. */
function testFiles(words: readonly string[]): string[] {
  const find = (folder: string): string[] =>
    readdirSync(join(PROJECT, folder), { withFileTypes: true })
      .sort((a, b) => a.name < b.name ? -1 : 1)
      .flatMap((e) => e.isDirectory() ? find(`${folder}/${e.name}`) : [`${folder}/${e.name}`]);
  const rank = (file: string) => {
    const at = ["tests/core/sys/", "tests/core/", "tests/drivers/", "tests/end_to_end/"]
      .findIndex((folder) => file.startsWith(folder));
    return at < 0 ? (file.split("/").length === 2 ? -1 : 9) : at;
  };
  return find("tests")
    .filter((file) => file.endsWith("_test.ts"))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)))
    .sort((a, b) => rank(a) - rank(b));
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
    if (status !== 0 && sum.failed === 0) {
      sum.failed = 1;
      sum.bad.push(`the suite itself ended with exit status ${status}`);
    }
    if (status === 0 && sum.passed === 0) {
      throw new ToolError(`cannot trust ${runtime}: no test ran`);
    }
    const seconds = Math.round((performance.now() - started) / 1000);
    const { passed, failed, skipped } = sum;
    say(`\n${runtime}: ${passed} passed, ${failed} failed, ${skipped} skipped in ${seconds} s\n`);
    return sum;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Counts the test cases of a JUnit report. */
function readReport(xml: string): Sum {
  const sum: Sum = { passed: 0, failed: 0, skipped: 0, bad: [] };
  const cases = xml.matchAll(/<testcase name="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g);
  for (const [, name = "", body = ""] of cases) {
    if (/<(failure|error)\b/.test(body)) {
      sum.failed += 1;
      sum.bad.push(name.replaceAll("&gt;", ">").replaceAll("&lt;", "<").replaceAll("&quot;", '"'));
    } else if (/<skipped\b/.test(body)) sum.skipped += 1;
    else sum.passed += 1;
  }
  return sum;
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
      for (const bad of sum.bad) say(`failed under ${name}: ${bad}`);
    }
    const total = (key: "passed" | "failed" | "skipped") =>
      sums.reduce((all, { sum }) => all + sum[key], 0);
    say(`${total("passed")} passed, ${total("failed")} failed, ${total("skipped")} skipped`);
    if (total("failed") > 0) process.exitCode = 1;
  });
}
