/** `coracle container cleanup`: what the monitor runs when a container has ended. */
import { cleanupContainer } from "../engine/cleanup_container.ts";
import { command, flag } from "./command.ts";
import { eachContainer } from "./each_container.ts";

export const containerCleanup = command({
  name: "container cleanup",
  summary: "Free what stopped containers still hold",
  description: "Unmounts the root file system, takes the runtime's state away and keeps the exit " +
    "status. The monitor does it by itself when a container ends; it is safe to repeat.",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle container cleanup web", "coracle container cleanup --all"],
  flags: {
    all: flag.boolean("-a, --all", "Clean up all stopped containers"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers", "runtime"],
  async run(context, args, flags) {
    return await eachContainer(context, args, { ...flags, ignore: true }, (row, wanted) => {
      cleanupContainer(context.engine, row);
      context.output.line(wanted);
    });
  },
});
