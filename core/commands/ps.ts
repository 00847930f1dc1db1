/** `coracle ps`: the containers of this store. Stays light: three hundred rows before podman starts. */
import type { ContainerSize } from "../engine/container_size.ts";
import {
  type ListedContainer,
  listedContainers,
  SORT_KEYS,
  sortContainers,
  type SortKey,
} from "../engine/list_containers.ts";
import { CoracleError } from "../errors.ts";
import { sleep } from "../sys/process.ts";
import { command, type Context, type Engine, flag } from "./command.ts";
import { PS_TITLES, psObject, psRow, type PsView } from "./ps_row.ts";
import { printList } from "./table_format.ts";

const CHOICES = SORT_KEYS.join(", ");
/** Moves to the top left and clears the screen below. */
const CLEAR = "\x1b[H\x1b[2J";

function sortKey(value: string): SortKey {
  const key = SORT_KEYS.find((known) => known === value);
  if (key !== undefined) return key;
  throw new Error(`${JSON.stringify(value)} is not a valid value.  Choose from: "${CHOICES}"`);
}

/** Whole seconds, as Go's ParseUint. */
function seconds(value: string): number {
  if (/^\d+$/.test(value)) return Number(value);
  throw new Error(`strconv.ParseUint: parsing ${JSON.stringify(value)}: invalid syntax`);
}

export const ps = command({
  name: "ps",
  aliases: ["container ps", "container ls", "container list"],
  summary: "List containers",
  description: "Prints the running containers, with --all also those that do not run.",
  usage: "[options]",
  examples: [
    "coracle ps -a",
    "coracle ps -a --format '{{.ID}}  {{.Image}}  {{.Labels}}  {{.Mounts}}'",
    "coracle ps --filter status=exited --sort names",
  ],
  flags: {
    all: flag.boolean("-a, --all", "Show all containers, not only running ones"),
    external: flag.boolean(
      "--external",
      "Accepted for Podman's sake: nothing else is in our store",
    ),
    filter: flag.list("-f, --filter KEY=VALUE", "Show only those that fit", { splitOnComma: true }),
    format: flag.text("--format TEMPLATE", 'Go template, "table …" or "json"'),
    last: flag.integer("-n, --last COUNT", "The last ones made, in all states", { fallback: -1 }),
    latest: flag.boolean("-l, --latest", "The last one made, in any state"),
    noTrunc: flag.boolean("--no-trunc", "Show ids and commands whole"),
    noHeading: flag.boolean("--noheading", "Leave out the table's header"),
    namespaces: flag.boolean("--ns, --namespace", "Show namespaces"),
    pod: flag.boolean("-p, --pod", "Accepted for Podman's sake: there are no pods"),
    quiet: flag.boolean("-q, --quiet", "Print ids only"),
    size: flag.boolean("-s, --size", "Show sizes"),
    sort: flag.text("--sort KEY", `Sort by: ${CHOICES}`, {
      fallback: "created" as SortKey,
      parse: sortKey,
    }),
    sync: flag.boolean("--sync", "Accepted for Podman's sake: states are always true"),
    watch: flag.text("-w, --watch SECONDS", "Print again and again", {
      fallback: 0,
      parse: seconds,
    }),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db"],
  alsoNeeds: (flags) => flags.size ? ["layers"] : [],
  async run(context, _args, flags) {
    checkFlags(flags);
    const show = () => print(context, flags);
    if (flags.watch === 0) return await show();
    for (;;) {
      context.output.write(CLEAR);
      await show();
      context.output.flush();
      sleep(flags.watch * 1000);
    }
  },
});

interface PsFlags {
  readonly all: boolean;
  readonly filter: readonly string[];
  readonly format: string | undefined;
  readonly last: number;
  readonly latest: boolean;
  readonly noTrunc: boolean;
  readonly noHeading: boolean;
  readonly namespaces: boolean;
  readonly pod: boolean;
  readonly quiet: boolean;
  readonly size: boolean;
  readonly sort: SortKey;
  readonly watch: number;
}

function checkFlags(flags: PsFlags): void {
  const wrong = (why: string) => new CoracleError("usage", "cannot list containers", { why });
  if (flags.last >= 0 && flags.latest) throw wrong("last and latest are mutually exclusive");
  if (flags.quiet && (flags.size || flags.namespaces)) {
    throw wrong("quiet conflicts with size and namespace");
  }
  if (flags.size && flags.namespaces) throw wrong("size and namespace options conflict");
  if (flags.watch > 0 && flags.latest) {
    throw wrong("the watch and latest flags cannot be used together");
  }
}

async function print(context: Context, flags: PsFlags): Promise<void> {
  const { engine, output } = context;
  const last = flags.latest ? 1 : flags.last;
  const containers = listedContainers(engine, {
    all: flags.all,
    ...(last > 0 ? { last } : {}),
    filters: flags.filter,
  });
  const measure = flags.size ? await measureOnce(engine) : null;
  // Without --size there is nothing to sort by: the order stays that of their making.
  if (flags.sort !== "created") {
    sortContainers(containers, flags.sort, (container) => measure?.(container).whole ?? 0);
  }
  const view: PsView = {
    noTrunc: flags.noTrunc,
    now: Date.now(),
    size: measure,
    namespaces: flags.namespaces,
  };
  if (flags.quiet && flags.format === undefined) {
    for (const { row } of containers) output.line(flags.noTrunc ? row.id : row.id.slice(0, 12));
    return;
  }
  const isJson = flags.format?.trim() === "json";
  await printList(output, isJson ? [] : containers.map((one) => psRow(one, view)), {
    standard: standardFormat(flags),
    format: flags.format,
    titles: PS_TITLES,
    noHeading: flags.noHeading,
    type: "containers.psReporter",
    ...(isJson ? { json: containers.map((one) => psObject(one, view)) } : {}),
  });
}

function standardFormat(flags: PsFlags): string {
  if (flags.namespaces) {
    return "table {{.ID}}\t{{.Names}}\t{{.Pid}}\t{{.CGROUPNS}}\t{{.IPC}}\t{{.MNT}}\t{{.NET}}\t" +
      "{{.PIDNS}}\t{{.USERNS}}\t{{.UTS}}";
  }
  return "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.CreatedHuman}}\t{{.Status}}\t{{.Ports}}\t" +
    `{{.Names}}${flags.pod ? "\t{{.Pod}}\t{{.PodName}}" : ""}${flags.size ? "\t{{.Size}}" : ""}`;
}

/** Measures each container at most once; what measures is loaded only now. */
async function measureOnce(engine: Engine): Promise<(one: ListedContainer) => ContainerSize> {
  const { containerSize } = await import("../engine/container_size.ts");
  const known = new Map<string, ContainerSize>();
  return ({ row }) => {
    const size = known.get(row.id) ?? containerSize(engine, row);
    known.set(row.id, size);
    return size;
  };
}
