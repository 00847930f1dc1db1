/** `coracle layer commit`: from now on the layer is read-only and others can build on it. */
import { commitLayer } from "../engine/create_layer.ts";
import { command } from "./command.ts";
import { eachLayer } from "./each_layer.ts";

export const layerCommit = command({
  name: "layer commit",
  summary: "Make layers read-only, so that others can build on them",
  usage: "LAYER [LAYER...]",
  examples: ["coracle layer commit base"],
  flags: {},
  arguments: { min: 1, max: Infinity },
  needs: ["db", "layers"],
  changes: true,
  run: (context, names) =>
    eachLayer(context, names, (row) => {
      commitLayer(context.engine, row);
      context.output.line(row.id);
    }),
});
