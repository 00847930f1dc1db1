/** `coracle untag`: takes names from an image. */
import { untagImage } from "../engine/tag.ts";
import { command } from "./command.ts";

export const untag = command({
  name: "untag",
  aliases: ["image untag"],
  summary: "Take names from an image, all of them when none is given",
  usage: "IMAGE [NAME...]",
  examples: ["coracle untag 0e3bbc2", "coracle untag web registry.example:5000/web:v2"],
  flags: {},
  arguments: { min: 1, max: Infinity },
  needs: ["db"],
  run({ engine }, [image = "", ...names]) {
    untagImage(engine, image, names);
  },
});
