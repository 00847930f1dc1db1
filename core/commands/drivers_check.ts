/** `coracle drivers check`: the contract's conformance suite on this host, also for plugins. */
import type { DriverKind } from "../../drivers/module.ts";
import { CoracleError } from "../errors.ts";
import { command, type Context, flag } from "./command.ts";
import type { CheckResult } from "./context.ts";

const KINDS: readonly DriverKind[] = ["layer", "runtime", "monitor"];

function kindOf(value: string): DriverKind {
  const kind = KINDS.find((known) => known === value);
  if (kind === undefined) throw new Error(`must be one of ${KINDS.join(", ")}`);
  return kind;
}

export const driversCheck = command({
  name: "drivers check",
  summary: "Prove on this host that a driver keeps its contract",
  description:
    "Runs every case of the conformance suite, each in a fresh folder. Exit status 1 when a case failed.",
  usage: "[options] NAME",
  examples: ["coracle drivers check overlay", "coracle drivers check --format json copy"],
  flags: {
    kind: flag.text("--kind KIND", `Which driver of that name: ${KINDS.join(", ")}`, {
      parse: kindOf,
    }),
    only: flag.text("--only TEXT", "Only cases whose name contains this text"),
    format: flag.text("-f, --format FORMAT", '"json" for one array of results'),
  },
  arguments: { min: 1, max: 1 },
  needs: [],
  run: ({ drivers, output }, [name = ""], { kind, only, format }) =>
    check({ drivers, output }, { name, kind, only, format }),
});

interface Wanted {
  readonly name: string;
  readonly kind: DriverKind | undefined;
  readonly only: string | undefined;
  readonly format: string | undefined;
}

async function check(
  { drivers, output }: Pick<Context, "drivers" | "output">,
  wanted: Wanted,
): Promise<number> {
  if (wanted.format !== undefined && wanted.format !== "json") {
    throw new CoracleError("usage", `cannot use the format ${JSON.stringify(wanted.format)}`, {
      why: 'only "json" is known here',
    });
  }
  const results: CheckResult[] = [];
  const request = {
    name: wanted.name,
    ...(wanted.kind === undefined ? {} : { kind: wanted.kind }),
    ...(wanted.only === undefined ? {} : { only: wanted.only }),
  };
  await drivers.check(request, ({ name, outcome, detail }) => {
    results.push({ name, outcome, detail });
    if (wanted.format === "json") return;
    output.line(`${outcome.padEnd(8)} ${name}${detail === "" ? "" : `: ${detail}`}`);
    output.flush();
  });
  const count = (outcome: CheckResult["outcome"]) =>
    results.filter((result) => result.outcome === outcome).length;
  if (wanted.format === "json") output.json(results);
  else {
    output.line(
      `${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`,
    );
  }
  return count("failed") > 0 ? 1 : 0;
}
