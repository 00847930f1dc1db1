/** `coracle layer rm`: removes layers. */
import { removeUserLayer } from "../engine/create_layer.ts";
import { command, flag } from "./command.ts";
import { eachLayer } from "./each_layer.ts";

export const layerRm = command({
  name: "layer rm",
  aliases: ["layer remove"],
  summary: "Remove layers",
  description: "A layer that another layer, an image or a container needs stays.",
  usage: "[options] LAYER [LAYER...]",
  examples: ["coracle layer rm top base"],
  flags: {
    force: flag.boolean("-f, --force", "End the user's mounts of it first"),
  },
  arguments: { min: 1, max: Infinity },
  needs: ["db", "layers"],
  changes: true,
  run: (context, names, { force }) =>
    eachLayer(context, names, (row) => {
      removeUserLayer(context.engine, row, { force });
      context.output.line(row.id);
    }),
});
