/** `coracle rename`: gives a container another name. */
import { findContainer } from "../engine/find_container.ts";
import { renameContainer } from "../engine/rename_container.ts";
import { command } from "./command.ts";

export const rename = command({
  name: "rename",
  aliases: ["container rename"],
  summary: "Rename an existing container",
  usage: "CONTAINER NAME",
  examples: ["coracle rename web web-old"],
  flags: {},
  arguments: { min: 2, max: 2 },
  needs: ["db"],
  run({ engine }, [wanted = "", name = ""]) {
    renameContainer(engine, findContainer(engine.db, wanted), name);
  },
});
