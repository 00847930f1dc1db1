/** `coracle system check`: finds damage in the store, and repairs it. */
import { checkStore } from "../engine/check/check_store.ts";
import type { Finding } from "../engine/check/finding.ts";
import { type Repaired, repairStore } from "../engine/check/repair_store.ts";
import { databaseState, rebuildDatabase } from "../engine/rebuild_state.ts";
import { CoracleError } from "../errors.ts";
import { command, type Context, flag } from "./command.ts";

/** Damage is left. */
const DAMAGED = 3;

export const systemCheck = command({
  name: "system check",
  summary: "Check the store for damage, and repair it",
  description:
    "Compares records, layers, blobs and containers with each other and prints a line for each " +
    "thing that is wrong: missing and half-made layers, files that are missing or look otherwise, " +
    "missing and damaged blobs, references that lead nowhere. Nothing is changed without --repair, " +
    "and --repair never removes what still works: damaged layers are unpacked again from kept " +
    "blobs or from archives given with --from, under the same ids, so that containers over them " +
    "go on; a layer that is mounted is left until it is not. A lost or damaged state.db is put " +
    "together from what lies in the store, and a damaged one is kept beside. Exit status: 0 when " +
    "the store is whole, or has only what the next command removes; 3 when damage is left.",
  usage: "[options]",
  examples: [
    "coracle system check",
    "coracle system check --digest --repair --from debian.tar",
  ],
  flags: {
    digest: flag.boolean("--digest", "Read and compare the content of all files and blobs"),
    format: flag.text("--format FORMAT", '"json" for an array of objects'),
    from: flag.list("--from PATH", "An archive or folder with images to repair from"),
    repair: flag.boolean("-r, --repair", "Repair what can be repaired"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers"],
  mendsDatabase: true,
  before(paths, { repair }) {
    const state = databaseState(paths);
    if (state === "good") return;
    const what = state === "lost" ? "gone" : "damaged";
    if (!repair) {
      throw new CoracleError("corrupt", "cannot check the store", {
        why: `its database "${paths.root}/state.db" is ${what}`,
        hint: 'put it together again with "coracle system check --repair"',
        exitStatus: DAMAGED,
      });
    }
    rebuilt = { what, ...rebuildDatabase(paths) };
  },
  async run(context, _args, flags) {
    const { engine, output } = context;
    const { digest, format, from, repair } = flags;
    if (format !== undefined && format.trim() !== "json") throw usage("--format can only be json");
    if (from.length > 0 && !repair) throw usage("--from is of use only with --repair");
    if (rebuilt !== null) output.warn(rebuiltText());
    const findings = checkStore(engine, { digest });
    const results: Repaired[] = repair
      ? await repairStore(engine, findings, {
        digest,
        archives: from,
        openLayers: context.drivers.openLayers,
      })
      : findings.map((one) => ({ ...one, isRepaired: false, why: "" }));
    print(context, results, { isJson: format !== undefined, repair });
    return results.some(({ isRepaired, isWaste }) => !isRepaired && !isWaste) ? DAMAGED : 0;
  },
});

/** What `before` did, told by `run`. */
let rebuilt: { what: string } & ReturnType<typeof rebuildDatabase> | null = null;

function rebuiltText(): string {
  const { what, layers, images, containers, volumes, kept } = rebuilt ??
    { what: "", layers: 0, images: 0, containers: 0, volumes: 0, kept: null };
  const aside = kept === null ? "" : `; the old one is ${kept}`;
  return `state.db was ${what} and is put together again: ${layers} layers, ${images} images, ` +
    `${containers} containers, ${volumes} volumes${aside}`;
}

function usage(why: string): CoracleError {
  return new CoracleError("usage", "cannot check the store", { why });
}

function print(
  { output }: Context,
  results: readonly Repaired[],
  how: { readonly isJson: boolean; readonly repair: boolean },
): void {
  if (how.isJson) {
    return output.json(results.map((one) => ({
      Kind: one.kind,
      Object: one.object,
      Id: one.id,
      Path: one.path,
      Detail: one.detail,
      Affects: one.affects,
      Damage: !one.isWaste,
      Repaired: one.isRepaired,
      Reason: one.why,
    })));
  }
  for (const one of results) output.line(`${lineOf(one)}${how.repair ? outcomeOf(one) : ""}`);
  if (results.length === 0) output.line("The store is whole");
}

function lineOf({ kind, object, id, path, detail, affects }: Finding): string {
  const name = path === "" ? "" : ` ${JSON.stringify(path)}`;
  const users = affects.length === 0 ? "" : ` (${affects.join(", ")})`;
  return `${kind}: ${object} ${id}${name}: ${detail}${users}`;
}

function outcomeOf({ isRepaired, why }: Repaired): string {
  return isRepaired ? ": repaired" : `: not repaired${why === "" ? "" : `: ${why}`}`;
}
