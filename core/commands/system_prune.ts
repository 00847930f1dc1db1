/** `coracle system prune`: what nobody uses any more goes. */
import { pruneContainers, pruneUnusedImages, pruneVolumes } from "../engine/prune.ts";
import { command, flag } from "./command.ts";
import { confirm } from "./confirm.ts";
import { tellError } from "./each_container.ts";
import { humanSize } from "./table_format.ts";

export const systemPrune = command({
  name: "system prune",
  summary: "Remove unused data",
  description: "Removes containers that do not run and images without a name; with --all every " +
    "image without a container, with --volumes every volume without one.",
  usage: "[options]",
  examples: ["coracle system prune", "coracle system prune --all --volumes --force"],
  flags: {
    all: flag.boolean("-a, --all", "Images with names too"),
    filter: flag.list("--filter KEY=VALUE", "Only what fits: label, label!, until"),
    force: flag.boolean("-f, --force", "Do not ask"),
    volumes: flag.boolean("--volumes", "Volumes too"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers", "runtime"],
  changes: true,
  run(context, _args, { all, filter, force, volumes }) {
    const { engine, output } = context;
    if (!force) {
      output.write(warning({ all, volumes }));
      if (!confirm(output)) return;
    }
    // In this order: a container that goes frees its image and its volumes.
    const done = [
      {
        title: "Deleted Containers",
        ...pruneContainers(engine, { filters: filter, measure: true }),
      },
      ...(volumes ? [volumesDone()] : []),
      { title: "Deleted Images", ...pruneUnusedImages(engine, { filters: filter, all }) },
    ];
    for (const { title, removed } of done) {
      if (removed.length > 0) output.write(`${[title, ...removed].join("\n")}\n`);
    }
    const bytes = done.reduce((sum, part) => sum + part.bytes, 0);
    output.line(`Total reclaimed space: ${humanSize(bytes, { digits: 4 })}`);
    const errors = done.flatMap((part) => part.errors);
    for (const error of errors) tellError(context, error);
    return errors.length > 0 ? 125 : 0;

    function volumesDone() {
      const pruned = pruneVolumes(engine, { filters: filter, measure: true });
      const removed = pruned.removed.map(({ name }) => name);
      return { title: "Deleted Volumes", ...pruned, removed };
    }
  },
});

/** Podman's words, without the networks that we do not make. */
function warning({ all, volumes }: { readonly all: boolean; readonly volumes: boolean }): string {
  const parts = [
    "all stopped containers",
    ...(volumes ? ["all volumes not used by at least one container"] : []),
    all ? "all images without at least one container associated with them" : "all dangling images",
  ];
  return `WARNING! This command removes:\n${parts.map((part) => `\t- ${part}\n`).join("")}\n`;
}
