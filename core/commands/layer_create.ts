/** `coracle layer create`: a new, empty, writable layer. */
import { createLayer } from "../engine/create_layer.ts";
import { command, flag } from "./command.ts";

export const layerCreate = command({
  name: "layer create",
  summary: "Make an empty writable layer and print its id",
  description:
    "A layer holds what it changes against its parent, or a whole tree when it has none. Fill it " +
    'through its mount or with "coracle layer apply"; commit it to build on it.',
  usage: "[options]",
  examples: [
    "coracle layer create --name base",
    "id=$(coracle layer create --parent base)",
  ],
  flags: {
    name: flag.text("--name NAME", "A name, which can be used instead of the id"),
    parent: flag.text("--parent LAYER", "The layer it builds on, which must be committed"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers"],
  changes: true,
  run({ engine, output }, _args, { name, parent }) {
    output.line(createLayer(engine, { name, parent }));
  },
});
