/** `coracle image inspect`: everything about images. */
import { inspectImage } from "../engine/inspect_image.ts";
import { command, flag } from "./command.ts";
import { inspectObjects } from "./inspect_objects.ts";

export const imageInspect = command({
  name: "image inspect",
  summary: "Show everything about images",
  usage: "[options] IMAGE [IMAGE...]",
  examples: [
    "coracle image inspect debian:bookworm",
    "coracle image inspect --format '{{.Id}} {{.Size}}' debian:bookworm",
  ],
  flags: {
    format: flag.text("-f, --format TEMPLATE", 'Go template, or "json"'),
  },
  arguments: { min: 1, max: Infinity, missing: "no names or ids specified" },
  needs: ["db", "layers"],
  run(context, args, { format }) {
    return inspectObjects(context, args, {
      format,
      find: (name) => inspectImage(context.engine, name),
      missing: (name) => `${name}: image not known: no such image`,
    });
  },
});
