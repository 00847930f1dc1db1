/** `coracle init`: makes containers ready to start, without starting them. */
import { withContainer } from "../engine/container_lock.ts";
import { stateOf } from "../engine/container_state.ts";
import { initLocked } from "../engine/init_container.ts";
import { command, flag } from "./command.ts";
import { eachContainer } from "./each_container.ts";

export const init = command({
  name: "init",
  aliases: ["container init"],
  summary: "Initialize one or more containers",
  description:
    "Mounts the root, writes the runtime's configuration and has the runtime create the " +
    'container; its process waits for "coracle start".',
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle init web", "coracle init --all"],
  flags: {
    all: flag.boolean("-a, --all", "Initialize all containers that were not started"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers", "runtime", "monitor"],
  changes: true,
  async run(context, args, flags) {
    const { engine, output, forChildren } = context;
    const where = (row: Parameters<typeof stateOf>[1]) =>
      ["configured", "exited"].includes(stateOf(engine, row));
    return await eachContainer(context, args, { ...flags, where }, (row, wanted) => {
      withContainer(
        engine,
        row.id,
        (fresh) => initLocked(engine, fresh, { forChildren, onNote: (note) => output.warn(note) }),
      );
      output.line(wanted);
    });
  },
});
