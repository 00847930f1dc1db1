/** `coracle layer inspect`, `layer size` and `layer ls`: what is known of layers. */
import { inspectLayer, listedLayers, usageOf } from "../engine/describe_layer.ts";
import { findLayer, lookForLayer } from "../engine/find_layer.ts";
import { command, flag } from "./command.ts";
import { goTime } from "./go_time.ts";
import { inspectObjects } from "./inspect_objects.ts";
import { ago, humanSize, printList, printObject, shortId } from "./table_format.ts";

export const layerInspect = command({
  name: "layer inspect",
  summary: "Show everything about layers",
  usage: "[options] LAYER [LAYER...]",
  examples: ["coracle layer inspect base", "coracle layer inspect --format '{{.Mountpoint}}' top"],
  flags: {
    format: flag.text("-f, --format TEMPLATE", 'Go template, or "json"'),
  },
  arguments: { min: 1, max: Infinity },
  needs: ["db", "layers"],
  run: (context, names, { format }) =>
    inspectObjects(context, names, {
      format,
      find: (name) => {
        const row = lookForLayer(context.engine.db, name);
        return row && inspectLayer(context.engine, row);
      },
      missing: (name) => `no such layer ${name}`,
    }),
});

export const layerSize = command({
  name: "layer size",
  summary: "Print how many bytes a layer alone takes",
  description: "The sum of the sizes of its files, each counted once however many names it has. " +
    "Templates and JSON also have what the disk gives for them (Allocated) and Inodes.",
  usage: "[options] LAYER",
  examples: ["coracle layer size top", "coracle layer size --format json top"],
  flags: {
    format: flag.text("--format TEMPLATE", 'Go template, or "json"', { fallback: "{{.Bytes}}" }),
  },
  arguments: { min: 1, max: 1 },
  needs: ["db", "layers"],
  run({ engine, output }, [name = ""], { format }) {
    const usage = usageOf(engine.layers, findLayer(engine.db, name).id);
    if (format === "{{.Bytes}}") return output.line(String(usage.Bytes));
    return printObject(output, usage, { format });
  },
});

export const layerLs = command({
  name: "layer ls",
  aliases: ["layer list"],
  summary: "List layers, children before their parents",
  usage: "[options]",
  examples: ["coracle layer ls", "coracle layer ls --format '{{.Id}} {{.Name}}'"],
  flags: {
    format: flag.text("--format TEMPLATE", 'Go template, "table …" or "json"'),
    noHeading: flag.boolean("-n, --noheading", "Leave out the table's header"),
    noTrunc: flag.boolean("--no-trunc", "Show whole ids"),
    quiet: flag.boolean("-q, --quiet", "Print ids only"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers"],
  async run({ engine, output }, _args, { format, noHeading, noTrunc, quiet }) {
    const layers = listedLayers(engine);
    if (quiet) {
      for (const { Id } of layers) output.line(Id);
      return;
    }
    const now = Date.now();
    const rows = layers.map((layer) => ({
      ...layer,
      ID: noTrunc ? layer.Id : shortId(layer.Id),
      ParentID: noTrunc ? layer.Parent : shortId(layer.Parent),
      Size: layer.State === "writable" ? "" : humanSize(layer.Size),
      Bytes: layer.Size,
      Created: ago(Date.parse(layer.Created), now),
      CreatedAt: goTime(layer.Created),
    }));
    await printList(output, rows, {
      standard: "table {{.ID}}\t{{.Name}}\t{{.ParentID}}\t{{.State}}\t{{.Created}}\t{{.Mounts}}" +
        "\t{{.Size}}",
      format,
      noHeading,
      titles: { ID: "LAYER ID", ParentID: "PARENT" },
      type: "layer",
      json: layers,
    });
  },
});
