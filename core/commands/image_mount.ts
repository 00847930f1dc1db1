/** `coracle image mount` and `coracle image unmount`: the tree of an image, read-only. */
import { findImage } from "../engine/images.ts";
import { listAllImages } from "../engine/list_images.ts";
import { mountedImages, mountImage, unmountImage } from "../engine/mount_image.ts";
import { CoracleError } from "../errors.ts";
import { command, type Context, flag } from "./command.ts";
import { tellError } from "./each_container.ts";
import { printMounts, type ShownMount } from "./print_mounts.ts";
import { shortId } from "./table_format.ts";

export const imageMount = command({
  name: "image mount",
  summary: "Mount images read-only and print where, or list those that are mounted",
  description: "It stays mounted until it is unmounted as often, or the host restarts.",
  usage: "[options] [IMAGE...]",
  examples: ["dir=$(coracle image mount debian:bookworm)", "coracle image mount"],
  flags: {
    all: flag.boolean("-a, --all", "All images"),
    format: flag.text("--format FORMAT", '"json" for a list of objects'),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers"],
  run(context, names, { all, format }) {
    const { engine, output } = context;
    checkAll(names, all);
    if (!all && names.length === 0) {
      printMounts(output, mountedImages(engine).map((each) => shown(each)), format);
      return 0;
    }
    const found: ShownMount[] = [];
    const status = each(context, names, all, (image) => {
      found.push(shown({ image, path: mountImage(engine, image.row) }));
    });
    const [first] = found;
    if (names.length === 1 && format === undefined) {
      if (first !== undefined) output.line(first.path);
    } else printMounts(output, found, format);
    return status;
  },
});

export const imageUnmount = command({
  name: "image unmount",
  aliases: ["image umount"],
  summary: "End a mount of images",
  usage: "[options] IMAGE [IMAGE...]",
  examples: ["coracle image unmount debian:bookworm", "coracle image unmount --all"],
  flags: {
    all: flag.boolean("-a, --all", "All that are mounted"),
    force: flag.boolean("-f, --force", "End all mounts, also when processes use files there"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers"],
  run(context, names, { all, force }) {
    const { engine, output } = context;
    checkAll(names, all);
    if (!all && names.length === 0) throw usage("image name or ID must be specified");
    const mounted = all ? mountedImages(engine).map(({ image }) => image) : undefined;
    return each(context, names, mounted ?? false, ({ row }) => {
      if (unmountImage(engine, row, { force })) output.line(row.id);
    });
  },
});

type Image = ReturnType<typeof listAllImages>[number];

function usage(why: string): CoracleError {
  return new CoracleError("usage", "cannot choose images", { why });
}

function checkAll(names: readonly string[], all: boolean): void {
  if (all && names.length > 0) {
    throw usage("when using the --all switch, you may not pass any image names or IDs");
  }
}

/** Does `work` for the named images, or for all, or for the given ones; failures are told. */
function each(
  context: Context,
  names: readonly string[],
  all: boolean | readonly Image[],
  work: (image: Image) => void,
): number {
  const { engine } = context;
  const known = listAllImages(engine);
  const chosen = all === false
    ? names.map((name) => () => {
      const { id } = findImage(engine, name).row;
      return known.find(({ row }) => row.id === id) as Image;
    })
    : (all === true ? known : all).map((image) => () => image);
  let status = 0;
  for (const choose of chosen) {
    try {
      work(choose());
    } catch (error) {
      if (status === 0) status = error instanceof CoracleError ? error.exitStatus : 125;
      tellError(context, error);
    }
  }
  return status;
}

function shown({ image, path }: { readonly image: Image; readonly path: string }): ShownMount {
  const { row, names } = image;
  return {
    id: row.id,
    label: names[0] ?? shortId(row.id),
    names: [row.manifest],
    repositories: names,
    path,
  };
}
