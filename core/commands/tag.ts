/** `coracle tag`: gives an image more names. */
import { tagImage } from "../engine/tag.ts";
import { command } from "./command.ts";

export const tag = command({
  name: "tag",
  aliases: ["image tag"],
  summary: "Give an image more names",
  usage: "IMAGE TARGET_NAME [TARGET_NAME...]",
  examples: ["coracle tag 0e3bbc2 debian:latest", "coracle tag web registry.example:5000/web:v2"],
  flags: {},
  arguments: { min: 2, max: Infinity },
  needs: ["db"],
  run({ engine }, [image = "", ...names]) {
    tagImage(engine, image, names);
  },
});
