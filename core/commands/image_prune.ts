/** `coracle image prune`: removes images that nobody needs. */
import { imageFilter } from "../engine/filter_images.ts";
import { listAllImages } from "../engine/list_images.ts";
import { pruneImages } from "../engine/remove_image.ts";
import { command, flag } from "./command.ts";
import { confirm } from "./confirm.ts";

export const imagePrune = command({
  name: "image prune",
  summary: "Remove images without a name, or all that no container uses",
  usage: "[options]",
  examples: ["coracle image prune --force", "coracle image prune --all --filter until=24h"],
  flags: {
    all: flag.boolean("-a, --all", "All images that no container uses"),
    external: flag.boolean("--external", "Accepted; other programs have no containers here"),
    filter: flag.list("--filter FILTER", "Only those that fit (see images)"),
    force: flag.boolean("-f, --force", "Do not ask"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers"],
  changes: true,
  run({ engine, output }, _args, { all, filter, force }) {
    const isWanted = imageFilter(engine, filter);
    const what = all
      ? "all images without at least one container associated with them"
      : "all dangling images";
    if (!force) {
      output.line(`WARNING! This command removes ${what}.`);
      if (!confirm(output)) return;
    }
    const candidates = listAllImages(engine)
      .filter((image) => (all || image.isDangling) && isWanted(image))
      .map(({ row }) => row.id);
    for (const { deleted } of pruneImages(engine, { candidates })) {
      if (deleted !== null) output.line(deleted);
    }
  },
});
