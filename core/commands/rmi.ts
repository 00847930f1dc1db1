/** `coracle rmi`: removes images. */
import { lookForContainer } from "../engine/find_container.ts";
import { listAllImages } from "../engine/list_images.ts";
import { removeContainer } from "../engine/remove_container.ts";
import { type RemovedImage, removeImage, removeWhole } from "../engine/remove_image.ts";
import { CoracleError } from "../errors.ts";
import type { ContainerId } from "../terms.ts";
import { command, type Context, flag } from "./command.ts";
import { tellError } from "./each_container.ts";

const UNKNOWN = 1;
const IN_USE = 2;

export const rmi = command({
  name: "rmi",
  aliases: ["image rm", "image remove"],
  summary: "Remove one or more images",
  usage: "[options] IMAGE [IMAGE...]",
  examples: ["coracle rmi debian:bookworm", "coracle rmi --force c4dfb1609ee2 93fd78260bd1"],
  flags: {
    all: flag.boolean("-a, --all", "Remove all images"),
    force: flag.boolean("-f, --force", "Remove the containers that use it too"),
    ignore: flag.boolean("-i, --ignore", "Pass over images that are not there"),
    noPrune: flag.boolean("--no-prune", "Accepted; only what is named is removed"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers"],
  alsoNeeds: ({ force }) => force ? ["runtime"] : [],
  changes: true,
  run(context, args, { all, force, ignore }) {
    const { engine } = context;
    if (all && args.length > 0) {
      throw usage("when using the --all switch, you may not pass any images names or IDs");
    }
    if (!all && args.length === 0) throw usage("image name or ID must be specified");
    const options = {
      force,
      ...(force ? { removeContainer: (id: ContainerId) => dropContainer(context, id) } : {}),
    };
    const works = all
      ? listAllImages(engine).map(({ row }) => () => removeWhole(engine, row.id, options))
      : args.map((name) => () => removeImage(engine, name, options));
    return removeEach(context, works, { ignore: ignore || force });
  },
});

function usage(why: string): CoracleError {
  return new CoracleError("usage", "cannot choose images", { why });
}

function dropContainer({ engine }: Context, id: ContainerId): void {
  const row = lookForContainer(engine.db, id);
  if (row !== undefined) removeContainer(engine, row, { force: true, volumes: true });
}

/** Every failure is told and the rest goes on. In use counts more than unknown, as in Podman. */
function removeEach(
  context: Context,
  works: readonly (() => RemovedImage)[],
  options: { readonly ignore: boolean },
): number {
  const statuses: number[] = [];
  for (const work of works) {
    try {
      tellRemoved(context, work());
    } catch (error) {
      const isKnown = error instanceof CoracleError;
      if (isKnown && error.code === "notfound" && options.ignore) continue;
      statuses.push(isKnown ? error.exitStatus : 125);
      tellError(context, error);
    }
  }
  if (statuses.includes(IN_USE)) return IN_USE;
  return statuses.find((status) => status !== UNKNOWN) ?? statuses[0] ?? 0;
}

function tellRemoved({ output }: Context, { untagged, deleted }: RemovedImage): void {
  for (const name of untagged) output.line(`Untagged: ${name}`);
  if (deleted !== null) output.line(`Deleted: ${deleted}`);
  output.flush();
}
