/**
 * The same command lines with Podman and with coracle, side by side: exit status, stdout, JSON and
 * the words of errors. Differences only from the named list in differential/differences.ts.
 */
import assert from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { buildExecutable } from "../../tools/build.ts";
import { findProgram } from "../../tools/command.ts";
import { skipUnless } from "../skip_reason.ts";
import { compareResults, type Finding, normalise } from "./differential/compare.ts";
import { allowed, type Difference, DIFFERENCES } from "./differential/differences.ts";
import { IMAGES } from "./differential/images.ts";
import { LIFECYCLE } from "./differential/lifecycle.ts";
import { type Program, type Result, runScenario } from "./differential/program.ts";
import { RUN } from "./differential/run.ts";
import type { Scenario } from "./differential/scenario.ts";
import { SHOW } from "./differential/show.ts";
import { EXECUTABLE } from "./executable.ts";

const SCENARIOS = [...RUN, ...LIFECYCLE, ...SHOW, ...IMAGES];
const skip = skipUnless({ root: true, programs: ["podman", "crun", "conmon"] });

/** Of the distribution; Podman reads one file only when it is told which. */
const SYSTEM_CONF = "/usr/share/containers/containers.conf";
/** Locks as files of the store: the others are shared by all stores of the host. */
const ENGINE_CONF =
  `[engine]\nlock_type = "file"\nevents_logger = "file"\ncgroup_manager = "cgroupfs"`;

function containersConf(): string {
  const system = existsSync(SYSTEM_CONF) ? readFileSync(SYSTEM_CONF, "utf8") : "[engine]\n";
  return system.replace(/^\[engine\]$/m, ENGINE_CONF);
}

/** Podman mostly waits, so several of its scenarios run at once. */
const LANES = { podman: 3, coracle: 1 };
const LANES_AGAIN = { podman: 1, coracle: 1 };

type Results = Map<Scenario, Result[]>;

/** What the program gives for each scenario, `lanes` of them at once. */
async function runAll(
  program: Program,
  scenarios: readonly Scenario[],
  { folder, lanes }: { readonly folder: string; readonly lanes: number },
): Promise<Results> {
  const results: Results = new Map();
  const waiting = [...scenarios];
  const lane = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const place = join(folder, String(SCENARIOS.indexOf(next)));
      const given = await runScenario(program, next, place);
      results.set(
        next,
        given.map((result) => ({
          ...result,
          stdout: normalise(result.stdout, place),
          stderr: normalise(result.stderr, place),
        })),
      );
    }
  };
  await allDone(Array.from({ length: lanes }, lane));
  return results;
}

/** As Promise.all, but nothing is left running when one of them fails. */
async function allDone<Value>(work: readonly Promise<Value>[]): Promise<Value[]> {
  await Promise.allSettled(work);
  return await Promise.all(work);
}

function compareScenario(scenario: Scenario, theirs: Results, ours: Results): Finding[] {
  const mine = ours.get(scenario) ?? [];
  return (theirs.get(scenario) ?? []).flatMap((result, at) => {
    const other = mine[at];
    assert.ok(other !== undefined);
    return compareResults(result, other);
  });
}

const lineCount = SCENARIOS.flatMap(({ steps }) => steps)
  .filter((step) => typeof step === "string" || "line" in step).length;

test(`${lineCount} command lines do with coracle what they do with podman`, { skip }, async () => {
  assert.ok(lineCount >= 300);
  // Under tools/test.ts the executable is fresh already; alone, a test must not run a stale one.
  if (process.env.CORACLE_TEST_RUNTIME === undefined) buildExecutable();
  const folder = mkdtempSync(join(realpathSync(tmpdir()), "coracle-differ-"));
  const conf = join(folder, "containers.conf");
  writeFileSync(conf, containersConf());
  const podman: Program = {
    name: "podman",
    path: findProgram("podman") ?? "podman",
    env: { CONTAINERS_CONF: conf },
  };
  const coracle: Program = { name: "coracle", path: EXECUTABLE, env: {} };
  const used = new Set<Difference>();
  const compareAll = async (scenarios: readonly Scenario[], lanes: typeof LANES) => {
    const [theirs = new Map(), ours = new Map()] = await allDone([
      runAll(podman, scenarios, { folder: join(folder, "theirs"), lanes: lanes.podman }),
      runAll(coracle, scenarios, { folder: join(folder, "itsown"), lanes: lanes.coracle }),
    ]);
    return scenarios.flatMap((scenario) => {
      const unexplained = compareScenario(scenario, theirs, ours).filter((finding) => {
        const difference = allowed(finding);
        if (difference !== undefined) used.add(difference);
        return difference === undefined;
      });
      return unexplained.length > 0 ? [{ scenario, unexplained }] : [];
    });
  };
  try {
    const first = await compareAll(SCENARIOS, LANES);
    // Podman loses output and state now and then on a busy host: only what differs twice differs.
    const again = await compareAll(first.map(({ scenario }) => scenario), LANES_AGAIN);
    const wrong = again.flatMap(({ scenario, unexplained }) =>
      unexplained.map(({ line, what }) => `${scenario.name}: ${line}\n    ${what}`)
    );
    const stale = DIFFERENCES.filter((difference) => !used.has(difference))
      .map(({ name }) => `the named difference "${name}" is none any more`);
    // Not assert.equal, which shows the first lines only.
    const all = [...wrong, ...stale];
    if (all.length > 0) throw new Error(`${all.length} differences:\n${all.join("\n")}`);
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
});
