/** `coracle image exists`: says by its exit status whether there is such an image. */
import { lookForImage } from "../engine/images.ts";
import { command } from "./command.ts";

export const imageExists = command({
  name: "image exists",
  summary: "Exit with 0 when the image is in the store, else with 1",
  usage: "IMAGE",
  examples: ["coracle image exists debian:bookworm && echo yes"],
  flags: {},
  arguments: { min: 1, max: 1 },
  needs: ["db"],
  run({ engine }, [image = ""]) {
    return lookForImage(engine.db, image) === undefined ? 1 : 0;
  },
});
