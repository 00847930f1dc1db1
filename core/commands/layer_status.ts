/** `coracle layer status` and `coracle layer cleanup`: the layers of the store as a whole. */
import { cleanupLayers } from "../engine/cleanup_layers.ts";
import { layerStatus as statusOf } from "../engine/describe_layer.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { tellError } from "./each_container.ts";

export const layerStatus = command({
  name: "layer status",
  summary: "Show the layer driver, what it can do here and why, and how many layers there are",
  usage: "[options]",
  examples: ["coracle layer status", "coracle layer status --format '{{.Driver}}'"],
  flags: {
    format: flag.text("-f, --format TEMPLATE", 'Go template, or "json"'),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers"],
  async run({ drivers, engine, output }, _args, { format }) {
    const { name } = engine.layers.driver;
    const found = (await drivers.list())
      .find((report) => report.kind === "layer" && report.name === name);
    const status = statusOf(engine, found ?? { reason: "", facts: {} });
    if (format === undefined) {
      const { toYaml } = await import("./yaml.ts");
      return output.write(toYaml(status).trimStart());
    }
    const { printObject } = await import("./table_format.ts");
    await printObject(output, status, { format, type: "layer status" });
  },
});

export const layerCleanup = command({
  name: "layer cleanup",
  summary: "End the mounts made by the user and remove what killed processes left",
  description: "Mounts of containers stay. Prints the id of each layer that was unmounted.",
  usage: "[options]",
  examples: ["coracle layer cleanup", "coracle layer cleanup --force"],
  flags: {
    force: flag.boolean("-f, --force", "Unmount also where processes use files"),
    format: flag.text("--format FORMAT", '"json" for one object'),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers"],
  run(context, _args, { force, format }) {
    const { engine, output } = context;
    if (format !== undefined && format.trim() !== "json") {
      throw new CoracleError("usage", "cannot clean up layers", {
        why: "only supported value for '--format' is 'json'",
      });
    }
    const { unmounted, removed, errors } = cleanupLayers(engine, { detach: force });
    if (format === undefined) { for (const id of unmounted) output.line(id); }
    else output.json({ Unmounted: unmounted, Removed: removed });
    for (const error of errors) tellError(context, error);
    return errors.length > 0 ? 125 : 0;
  },
});
