/** `coracle volume exists`: the answer is the exit status. */
import { hasVolume } from "../engine/volume_store.ts";
import { command } from "./command.ts";

export const volumeExists = command({
  name: "volume exists",
  summary: "Check if a volume exists",
  description: "Ends with 0 when there is a volume of exactly this name and with 1 when not.",
  usage: "VOLUME",
  examples: ["coracle volume exists data && echo yes"],
  flags: {},
  arguments: { min: 1, max: 1 },
  needs: ["db"],
  run({ engine }, [wanted = ""]) {
    // The beginning of a name is enough elsewhere, but not here.
    return hasVolume(engine, wanted) ? 0 : 1;
  },
});
