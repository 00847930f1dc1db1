/** `coracle system reset`: the whole store goes, and nothing but the store. */
import { checkResettable, resetStore } from "../engine/reset_store.ts";
import { command, flag } from "./command.ts";
import { confirm } from "./confirm.ts";
import { tellError } from "./each_container.ts";

export const systemReset = command({
  name: "system reset",
  summary: "Remove all containers, images, volumes and the store itself",
  description: "Kills and removes all containers, then removes everything the store is made of. " +
    "Nothing outside of its root and runroot is touched.",
  usage: "[options]",
  examples: [
    "coracle system reset",
    "coracle --root /tmp/try --runroot /tmp/try-run system reset -f",
  ],
  flags: {
    force: flag.boolean("-f, --force", "Do not ask"),
  },
  arguments: { min: 0, max: 0 },
  // Nothing is recovered first: this is also the cure for a store that cannot be.
  needs: ["db", "layers", "runtime"],
  before: checkResettable,
  run(context, _args, { force }) {
    const { engine, output } = context;
    if (!force) {
      output.write([
        "WARNING! This will remove:",
        "        - all containers",
        "        - all images",
        "        - all volumes",
        `        - the root directory: ${JSON.stringify(engine.paths.root)}`,
        `        - the runroot directory: ${JSON.stringify(engine.paths.runroot)}`,
        "",
      ].join("\n"));
      if (!confirm(output)) return;
    }
    const { errors, kept } = resetStore(engine);
    for (const error of errors) tellError(context, error);
    for (const path of kept) {
      output.warn(`${JSON.stringify(path)} is left: it holds something that is not the store's`);
    }
    return errors.length > 0 ? 125 : 0;
  },
});
