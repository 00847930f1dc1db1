/** `coracle mount` and `coracle unmount`: the root directory of containers. */
import {
  isMountedByUser,
  mountContainer,
  mountedContainers,
  unmountContainer,
} from "../engine/mount_container.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { eachContainer } from "./each_container.ts";
import { printMounts, type ShownMount } from "./print_mounts.ts";
import { shortId } from "./table_format.ts";

export const mount = command({
  name: "mount",
  aliases: ["container mount"],
  summary: "Mount the root directory of containers and print where, or list what is mounted",
  description: "It stays mounted until it is unmounted as often, or the host restarts.",
  usage: "[options] [CONTAINER...]",
  examples: ["dir=$(coracle mount web)", "coracle mount"],
  flags: {
    all: flag.boolean("-a, --all", "All containers"),
    format: flag.text("--format FORMAT", '"json" for a list of objects'),
    latest: flag.boolean("-l, --latest", "The container made last"),
    noTrunc: flag.boolean("--no-trunc, --notruncate", "Show whole ids"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers"],
  async run(context, names, { all, format, latest, noTrunc }) {
    const { engine, output } = context;
    if ((all || latest) && names.length > 0) {
      throw new CoracleError("usage", "cannot mount", {
        why: "when using --all or --latest, you may not pass any container names or IDs",
      });
    }
    const wantsList = !all && !latest && names.length === 0;
    const found: ShownMount[] = [];
    const keep = (row: { readonly id: string; readonly name: string }, path: string) =>
      found.push({
        id: row.id,
        label: noTrunc ? row.id : shortId(row.id),
        names: [row.name],
        path,
      });
    let status = 0;
    if (wantsList) { for (const { row, path } of mountedContainers(engine)) keep(row, path); }
    else {
      status = await eachContainer(context, names, { all, latest }, (row) => {
        keep(row, mountContainer(engine, row));
      });
    }
    const [first] = found;
    const isOne = names.length === 1 || latest;
    if (isOne && format === undefined) { if (first !== undefined) output.line(first.path); }
    else printMounts(output, found, format);
    return status;
  },
});

export const unmount = command({
  name: "unmount",
  aliases: ["umount", "container unmount", "container umount"],
  summary: "End a mount of the root directory of containers",
  description:
    "Each call ends one mount; the last one unmounts. A container that runs, is paused or has " +
    "exec sessions keeps what it runs on.",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle unmount web", "coracle unmount --all"],
  flags: {
    all: flag.boolean("-a, --all", "All that are mounted"),
    force: flag.boolean("-f, --force", "End all mounts, also when processes use files there"),
    latest: flag.boolean("-l, --latest", "The container made last"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers"],
  run(context, names, { all, force, latest }) {
    const { engine, output } = context;
    const where = (row: Parameters<typeof isMountedByUser>[1]) => isMountedByUser(engine, row);
    return eachContainer(context, names, { all, latest, where }, (row, wanted) => {
      unmountContainer(engine, row, { force });
      output.line(wanted);
    });
  },
});
