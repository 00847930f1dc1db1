/** `coracle container prune`: containers that do not run go. */
import { pruneContainers } from "../engine/prune.ts";
import { command, flag } from "./command.ts";
import { confirm } from "./confirm.ts";
import { tellError } from "./each_container.ts";

export const containerPrune = command({
  name: "container prune",
  summary: "Remove all containers that do not run",
  usage: "[options]",
  examples: ["coracle container prune", "coracle container prune --force --filter until=24h"],
  flags: {
    filter: flag.list("--filter KEY=VALUE", "Only those that fit: label, label!, until"),
    force: flag.boolean("-f, --force", "Do not ask"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers", "runtime"],
  changes: true,
  run(context, _args, { filter, force }) {
    const { engine, output } = context;
    if (!force) {
      output.line("WARNING! This will remove all non running containers.");
      if (!confirm(output)) return;
    }
    const { removed, errors } = pruneContainers(engine, { filters: filter });
    for (const id of removed) output.line(id);
    for (const error of errors) tellError(context, error);
    return errors.length > 0 ? 125 : 0;
  },
});
