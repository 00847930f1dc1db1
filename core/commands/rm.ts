/** `coracle rm`: removes containers. */
import type { ContainerRow } from "../engine/find_container.ts";
import { listedContainers } from "../engine/list_containers.ts";
import { removeContainer } from "../engine/remove_container.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { eachContainer } from "./each_container.ts";

export const rm = command({
  name: "rm",
  aliases: ["container rm"],
  summary: "Remove one or more containers",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle rm web", "coracle rm --force --volumes web", "coracle rm --all --force"],
  flags: {
    all: flag.boolean("-a, --all", "Remove all containers"),
    cidfile: flag.list("--cidfile FILE", "Read the container's id from a file"),
    depend: flag.boolean("--depend", "Also remove containers that depend on it"),
    filter: flag.list("--filter FILTER", "Remove those that fit (see ps)"),
    force: flag.boolean("-f, --force", "Stop running containers first; quiet about missing ones"),
    ignore: flag.boolean("-i, --ignore", "Pass over containers that are not there"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
    time: flag.integer("-t, --time SECONDS", "Seconds until SIGKILL; only with --force"),
    volumes: flag.boolean("-v, --volumes", "Remove its anonymous volumes too"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers", "runtime"],
  changes: true,
  async run(context, args, flags) {
    const { engine, output } = context;
    if (flags.time !== undefined && !flags.force) {
      throw new CoracleError("usage", 'cannot use "--time"', {
        why: "--force option must be specified to use the --time option",
      });
    }
    const fitting = flags.filter.length === 0 ? undefined : new Set(
      listedContainers(engine, { all: true, filters: flags.filter }).map((c) => c.row.id),
    );
    const choice = {
      ...flags,
      all: flags.all || fitting !== undefined,
      // One may have gone together with another that it depends on.
      ignore: flags.ignore || flags.force || flags.all || flags.depend,
      cidfiles: flags.cidfile,
      missingStatus: 1,
      ...(fitting === undefined ? {} : { where: (row: ContainerRow) => fitting.has(row.id) }),
    };
    const status = await eachContainer(context, args, choice, (row, wanted) => {
      removeContainer(engine, row, {
        force: flags.force,
        volumes: flags.volumes,
        depend: flags.depend || flags.all,
        onRemove: (gone) => output.line(gone.id),
        ...(flags.time === undefined ? {} : { timeout: flags.time }),
      });
      output.line(wanted);
      output.flush();
    });
    return status;
  },
});
