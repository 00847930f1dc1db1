/** `coracle storage migrate`: all layers go to another driver. */
import { driverBefore } from "../engine/leftover_layers.ts";
import { migrateLayers, removeLeftover } from "../engine/migrate_layers.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";

export const storageMigrate = command({
  name: "storage migrate",
  summary: "Move all layers to another layer driver",
  description:
    "Every layer, image and container is the same afterwards, ids and digests too. No layer may be " +
    "mounted: stop containers first. All layers are made anew beside the old ones, which go at the " +
    "end: the disk must have room for both. It can be interrupted at any time; until it is through " +
    "the store works as before, and the same command goes on where it was. Images cannot be loaded " +
    "and containers not made or started meanwhile.",
  usage: "--to DRIVER",
  examples: ["coracle storage migrate --to copy"],
  flags: {
    to: flag.text("--to DRIVER", "The layer driver to move to; see coracle drivers"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers"],
  changes: true,
  async run({ drivers, engine, output }, _args, { to }) {
    if (to === undefined) {
      throw new CoracleError("usage", "cannot move the layers", {
        why: "no driver was named",
        hint: "coracle storage migrate --to DRIVER",
      });
    }
    const { config, layers } = engine;
    const before = driverBefore(engine.db);
    if (before !== undefined) removeLeftover(engine, await drivers.openLayers(before));
    if (layers.driver.name === to) {
      return output.line(`The store uses the layer driver ${to}`);
    }
    const done = migrateLayers(engine, await drivers.openLayers(to));
    const { sockets } = done;
    output.line(`Moved ${done.layers} layers from ${done.from} to ${done.to}`);
    if (sockets.length > 0) output.warn(`${sockets.length} sockets in containers were left out`);
    const { driver } = config.layer;
    if (driver !== "auto" && driver !== to) {
      output.warn(`the configuration still says layer.driver = "${driver}"; change it to "${to}"`);
    }
  },
});
