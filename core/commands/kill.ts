/** `coracle kill`: sends a signal to containers. */
import { stateOf } from "../engine/container_state.ts";
import { killContainer } from "../engine/signal_container.ts";
import { CoracleError } from "../errors.ts";
import { signalNumber } from "../sys/process.ts";
import { command, flag } from "./command.ts";
import { eachContainer } from "./each_container.ts";

export const kill = command({
  name: "kill",
  aliases: ["container kill"],
  summary: "Send a signal to one or more running containers",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle kill web", "coracle kill --signal HUP web", "coracle kill --all"],
  flags: {
    all: flag.boolean("-a, --all", "Signal all running containers"),
    cidfile: flag.list("--cidfile FILE", "Read the container's id from a file"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
    signal: flag.text("-s, --signal SIGNAL", "Name or number", { fallback: "KILL" }),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "runtime"],
  async run(context, args, flags) {
    const { engine, output } = context;
    const signal = signalNumber(flags.signal);
    if (signal === null || signal < 1 || signal > 64) {
      throw new CoracleError("usage", 'cannot use "--signal"', {
        why: signal === null ? `invalid signal: ${flags.signal}` : `valid signals are 1 through 64`,
      });
    }
    const choice = {
      ...flags,
      cidfiles: flags.cidfile,
      where: (row: Parameters<typeof stateOf>[1]) => stateOf(engine, row) === "running",
    };
    return await eachContainer(context, args, choice, (row, wanted) => {
      killContainer(engine, row, signal);
      output.line(wanted);
    });
  },
});
