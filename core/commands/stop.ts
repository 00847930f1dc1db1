/** `coracle stop`: asks containers to end, and makes them after a while. */
import { stateOf } from "../engine/container_state.ts";
import { stopContainer } from "../engine/stop_container.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { eachContainer } from "./each_container.ts";

export const stop = command({
  name: "stop",
  aliases: ["container stop"],
  summary: "Stop one or more containers",
  description: "Sends the container's stop signal and, when it has not ended after the time-out, " +
    "SIGKILL. Returns when it is gone.",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle stop web", "coracle stop --time 2 web db", "coracle stop --all"],
  flags: {
    all: flag.boolean("-a, --all", "Stop all running containers"),
    cidfile: flag.list("--cidfile FILE", "Read the container's id from a file"),
    ignore: flag.boolean("-i, --ignore", "Pass over containers that are not there"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
    time: flag.integer("-t, --time SECONDS", "Seconds until SIGKILL; 0: at once"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers", "runtime"],
  changes: true,
  async run(context, args, flags) {
    const { engine, output } = context;
    if (flags.time !== undefined && flags.time < 0) {
      throw new CoracleError("usage", 'cannot use "--time"', { why: "it must not be negative" });
    }
    const choice = {
      ...flags,
      cidfiles: flags.cidfile,
      where: (row: Parameters<typeof stateOf>[1]) => stateOf(engine, row) === "running",
    };
    return await eachContainer(context, args, choice, (row, wanted) => {
      stopContainer(engine, row, {
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
