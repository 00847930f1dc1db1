/** `coracle layer changes`: which paths a layer adds, changes and deletes. */
import { changesOfLayer } from "../engine/diff.ts";
import { findLayer } from "../engine/find_layer.ts";
import { command, flag } from "./command.ts";
import { printChanges } from "./print_changes.ts";

export const layerChanges = command({
  name: "layer changes",
  summary: "List the paths that a layer adds, changes and deletes",
  description:
    "One line a path: A for added, C for changed, D for deleted. A deleted directory is one line.",
  usage: "[options] LAYER",
  examples: ["coracle layer changes top", "coracle layer changes --format json top"],
  flags: {
    format: flag.text("--format FORMAT", '"json" for a list of each kind'),
    parent: flag.text("--parent LAYER", "Against this layer instead of its own parent"),
  },
  arguments: { min: 1, max: 1 },
  needs: ["db", "layers"],
  run({ engine, output }, [name = ""], { format, parent }) {
    const { db } = engine;
    const row = findLayer(db, name);
    const against = parent === undefined ? undefined : findLayer(db, parent);
    printChanges(output, changesOfLayer(engine, row, against), format);
  },
});
