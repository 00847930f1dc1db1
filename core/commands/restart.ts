/** `coracle restart`: stops containers and starts them again. */
import { stateOf } from "../engine/container_state.ts";
import { restartContainer } from "../engine/restart_container.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { eachContainer } from "./each_container.ts";

export const restart = command({
  name: "restart",
  aliases: ["container restart"],
  summary: "Restart one or more containers",
  description: 'A running container is stopped as by "coracle stop" and started again; one that ' +
    "does not run is started.",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle restart web", "coracle restart --time 2 web db", "coracle restart --running"],
  flags: {
    all: flag.boolean("-a, --all", "Restart all containers, also those that do not run"),
    cidfile: flag.list("--cidfile FILE", "Read the container's id from a file"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
    running: flag.boolean("--running", "Restart only running containers; alone: all of them"),
    time: flag.integer("-t, --time SECONDS", "Seconds until SIGKILL; 0: at once"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers", "runtime", "monitor"],
  changes: true,
  async run(context, args, flags) {
    const { engine, output, forChildren } = context;
    if (flags.time !== undefined && flags.time < 0) {
      throw new CoracleError("usage", 'cannot use "--time"', { why: "it must not be negative" });
    }
    const isNamed = args.length > 0 || flags.latest || flags.cidfile.length > 0;
    const where = (row: Parameters<typeof stateOf>[1]) =>
      !flags.running || stateOf(engine, row) === "running";
    const choice = {
      ...flags,
      all: flags.all || (flags.running && !isNamed),
      cidfiles: flags.cidfile,
      where,
    };
    return await eachContainer(context, args, choice, (row, wanted) => {
      if (!where(row)) return;
      restartContainer(engine, row, {
        forChildren,
        onNote: (note) => output.warn(note),
        ...(flags.time === undefined ? {} : { timeout: flags.time }),
        onKill: (seconds) =>
          output.warn(
            `StopSignal failed to stop container ${row.name} in ${seconds} seconds, ` +
              "resorting to SIGKILL",
          ),
      });
      output.line(wanted);
      output.flush();
    });
  },
});
