/** `coracle layer mount` and `coracle layer unmount`: a layer with all below it as one directory. */
import { findLayer } from "../engine/find_layer.ts";
import { mountUserLayer, unmountUserLayer } from "../engine/mount_layer.ts";
import { command, flag } from "./command.ts";
import { eachLayer } from "./each_layer.ts";

export const layerMount = command({
  name: "layer mount",
  summary: "Mount a layer and print the directory",
  description:
    "A writable layer is mounted for writing, a committed one read-only. It stays mounted until it " +
    "is unmounted as often as it was mounted, or the host restarts.",
  usage: "LAYER",
  examples: ["dir=$(coracle layer mount base)"],
  flags: {},
  arguments: { min: 1, max: 1 },
  needs: ["db", "layers"],
  run({ engine, output }, [name = ""]) {
    output.line(mountUserLayer(engine, findLayer(engine.db, name)));
  },
});

export const layerUnmount = command({
  name: "layer unmount",
  aliases: ["layer umount"],
  summary: "End a mount of layers",
  usage: "[options] LAYER [LAYER...]",
  examples: ["coracle layer unmount base", "coracle layer unmount --force base"],
  flags: {
    force: flag.boolean(
      "-f, --force",
      "End all mounts made by the user, also when processes use files there",
    ),
  },
  arguments: { min: 1, max: Infinity },
  needs: ["db", "layers"],
  run: (context, names, { force }) =>
    eachLayer(context, names, (row) => {
      unmountUserLayer(context.engine, row, { force });
      context.output.line(row.id);
    }),
});
