/** `coracle diff`, `container diff`, `image diff`: what was changed since it was made. */
import { type DiffKind, diffOf } from "../engine/diff.ts";
import { latestContainer } from "../engine/find_container.ts";
import { CoracleError } from "../errors.ts";
import { command, type Context, flag } from "./command.ts";
import { printChanges } from "./print_changes.ts";

const FORMAT = flag.text("--format FORMAT", '"json" for a list of each kind');
const LATEST = flag.boolean("-l, --latest", "The container made last");
const DESCRIPTION = "One line a path: A for added, C for changed, D for deleted. An image is " +
  "compared with its parent layer, a container with its image; with a second name the first is " +
  "compared with the second.";

export const diff = command({
  name: "diff",
  summary: "List what changed in a container, an image or a layer",
  description: DESCRIPTION,
  usage: "[options] {CONTAINER|IMAGE|LAYER} [{CONTAINER|IMAGE|LAYER}]",
  examples: ["coracle diff web", "coracle diff --format json debian:bookworm"],
  flags: { format: FORMAT, latest: LATEST },
  arguments: { min: 0, max: 2 },
  needs: ["db", "layers"],
  run: (context, names, flags) => show(context, names, flags, ["container", "image", "layer"]),
});

export const containerDiff = command({
  name: "container diff",
  summary: "List what changed in a container",
  description: DESCRIPTION,
  usage: "[options] CONTAINER [{CONTAINER|IMAGE|LAYER}]",
  examples: ["coracle container diff web", "coracle container diff --latest"],
  flags: { format: FORMAT, latest: LATEST },
  arguments: { min: 0, max: 2 },
  needs: ["db", "layers"],
  run: (context, names, flags) => show(context, names, flags, ["container"]),
});

export const imageDiff = command({
  name: "image diff",
  summary: "List what the top layer of an image changed",
  description: DESCRIPTION,
  usage: "[options] IMAGE [{CONTAINER|IMAGE|LAYER}]",
  examples: ["coracle image diff debian:bookworm"],
  flags: { format: FORMAT },
  arguments: { min: 1, max: 2 },
  needs: ["db", "layers"],
  run: (context, names, { format }) =>
    show(context, names, { format, latest: false }, ["image", "layer"]),
});

function show(
  { engine, output }: Context,
  names: readonly string[],
  flags: { readonly format: string | undefined; readonly latest: boolean },
  kinds: readonly DiffKind[],
): void {
  if (flags.latest && names.length > 0) {
    throw new CoracleError("usage", "cannot compare", {
      why: "--latest and containers cannot be used together",
    });
  }
  const [wanted, other] = flags.latest ? [latestContainer(engine.db).id] : names;
  if (wanted === undefined) {
    throw new CoracleError("usage", "cannot compare", {
      why: 'requires a name, id, or the "--latest" flag',
    });
  }
  printChanges(output, diffOf(engine, wanted, { other, kinds }), flags.format);
}
