/** `coracle volume prune`: volumes that no container uses. */
import { prunableVolumes } from "../engine/list_volumes.ts";
import { pruneVolumes } from "../engine/prune.ts";
import { command, flag } from "./command.ts";
import { confirm } from "./confirm.ts";
import { tellError } from "./each_container.ts";

const WARNING = "WARNING! This will remove all volumes not used by at least one container. " +
  "The following volumes will be removed:";

export const volumePrune = command({
  name: "volume prune",
  summary: "Remove all unused volumes",
  usage: "[options]",
  examples: ["coracle volume prune", "coracle volume prune --force --filter label=old"],
  flags: {
    filter: flag.list("--filter KEY=VALUE", "Only those that fit: label, label!, until"),
    force: flag.boolean("-f, --force", "Do not ask"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db"],
  changes: true,
  run(context, _args, { filter, force }) {
    const { engine, output } = context;
    const candidates = prunableVolumes(engine, filter);
    if (!force) {
      output.line(WARNING);
      if (candidates.length === 0) return output.line("No dangling volumes found");
      for (const { name } of candidates) output.line(name);
      if (!confirm(output)) return;
    }
    const { removed, errors } = pruneVolumes(engine, { filters: filter });
    for (const { name } of removed) output.line(name);
    for (const error of errors) tellError(context, error);
    return errors.length > 0 ? 125 : 0;
  },
});
