/** `coracle pause` and `coracle unpause`: freeze and thaw containers. */
import { stateOf } from "../engine/container_state.ts";
import { pauseContainer, unpauseContainer } from "../engine/signal_container.ts";
import { command, flag } from "./command.ts";
import { eachContainer } from "./each_container.ts";

export const pause = command({
  name: "pause",
  aliases: ["container pause"],
  summary: "Pause all the processes in one or more containers",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle pause web", "coracle pause --all"],
  flags: {
    all: flag.boolean("-a, --all", "Pause all running containers"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "runtime"],
  async run(context, args, flags) {
    const { engine, output } = context;
    const where = (row: Parameters<typeof stateOf>[1]) => stateOf(engine, row) === "running";
    return await eachContainer(context, args, { ...flags, where }, (row, wanted) => {
      pauseContainer(engine, row);
      output.line(wanted);
    });
  },
});

export const unpause = command({
  name: "unpause",
  aliases: ["container unpause"],
  summary: "Unpause the processes in one or more containers",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle unpause web", "coracle unpause --all"],
  flags: {
    all: flag.boolean("-a, --all", "Unpause all paused containers"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "runtime"],
  async run(context, args, flags) {
    const { engine, output } = context;
    const where = (row: Parameters<typeof stateOf>[1]) => stateOf(engine, row) === "paused";
    return await eachContainer(context, args, { ...flags, where }, (row, wanted) => {
      unpauseContainer(engine, row);
      output.line(wanted);
    });
  },
});
