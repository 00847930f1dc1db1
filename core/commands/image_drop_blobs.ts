/** `coracle image drop-blobs`: gives back the space of layers that can be made again. */
import { dropBlobs, type DroppedBlobs } from "../engine/drop_blobs.ts";
import { findImage } from "../engine/images.ts";
import { listAllImages } from "../engine/list_images.ts";
import { CoracleError } from "../errors.ts";
import type { ImageId } from "../terms.ts";
import { command, type Context, flag } from "./command.ts";
import { humanSize } from "./table_format.ts";

export const imageDropBlobs = command({
  name: "image drop-blobs",
  summary: "Give back the space of layer archives that can be made again from their files",
  description:
    "A store keeps every layer twice: unpacked, and as the archive it came in, which save and push " +
    "hand on byte for byte. This drops the archives of uncompressed layers; save makes the same " +
    "bytes again from the unpacked files, and the digests stay. Each layer is made again and " +
    "compared before its archive goes. A compressed archive cannot be made again bit for bit: its " +
    "layer is kept uncompressed and the image gets a new manifest, hence another digest (its id " +
    "stays), unless --keep-compressed is given. Loading the image again brings the archives back.",
  usage: "[options] IMAGE [IMAGE...]",
  examples: ["coracle image drop-blobs debian:bookworm", "coracle image drop-blobs --all"],
  flags: {
    all: flag.boolean("-a, --all", "All images"),
    keepCompressed: flag.boolean(
      "--keep-compressed",
      "Leave compressed archives, and with them manifests and digests, as they are",
    ),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers"],
  changes: true,
  async run(context, args, { all, keepCompressed }) {
    const { engine } = context;
    if (all === args.length > 0) {
      throw new CoracleError("usage", "cannot choose images", {
        why: all
          ? "when using the --all switch, you may not pass any images names or IDs"
          : "image name or ID must be specified",
      });
    }
    const ids = all
      ? listAllImages(engine).map(({ row }) => row.id)
      : args.map((name) => findImage(engine, name).row.id);
    return await dropEach(context, new Set(ids), { keepCompressed });
  },
});

/** Prints what was given back; 3 when a layer had to keep its archive. */
export async function dropEach(
  { engine, output }: Context,
  ids: Iterable<ImageId>,
  options: { readonly keepCompressed: boolean },
): Promise<number> {
  let status = 0;
  for (const id of ids) {
    const dropped = await dropBlobs(engine, id, options);
    output.line(`Dropped blobs: sha256:${id} ${humanSize(dropped.bytes, { digits: 4 })}`);
    for (const text of notes(dropped)) output.warn(text);
    const isWanted = ({ why }: DroppedBlobs["kept"][number]) => why === "it is compressed";
    if (!dropped.kept.every(isWanted)) status = 3;
  }
  return status;
}

function notes({ image, newManifest, kept }: DroppedBlobs): string[] {
  const id = image.slice(0, 12);
  return [
    ...(newManifest === null ? [] : [
      `image ${id} had compressed layers, which are kept uncompressed now: ` +
      `its manifest is ${newManifest} from now on`,
    ]),
    ...kept.map(({ digest, why }) => `image ${id} keeps the archive of layer ${digest}: ${why}`),
  ];
}
