/** `coracle container exists`: the answer is the exit status. */
import { lookForContainer } from "../engine/find_container.ts";
import { command, flag } from "./command.ts";

export const containerExists = command({
  name: "container exists",
  summary: "Check if a container exists",
  description: "Ends with 0 when there is such a container and with 1 when there is none.",
  usage: "[options] CONTAINER",
  examples: ["coracle container exists web && echo yes"],
  flags: {
    external: flag.boolean("-e, --external", "Accepted for Podman's sake"),
  },
  arguments: { min: 1, max: 1 },
  needs: ["db"],
  run({ engine }, [wanted = ""]) {
    return lookForContainer(engine.db, wanted) === undefined ? 1 : 0;
  },
});
