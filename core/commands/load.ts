/** `coracle load`: images out of an archive into the store. */
import { loadImages } from "../engine/load.ts";
import { CoracleError } from "../errors.ts";
import { isTerminal } from "../sys/terminal.ts";
import { command, flag } from "./command.ts";

const STDIN = 0;

export const load = command({
  name: "load",
  aliases: ["image load"],
  summary: "Load images from an archive or a folder",
  description:
    "Reads docker-archive (also of old Docker versions), oci-archive, OCI layout and docker-dir " +
    "folders. Archives may be compressed with gzip, zstd, xz or bzip2. All images of the input are " +
    "loaded, or none.",
  usage: "[options]",
  examples: ["coracle load -i debian.tar", "zcat debian.tar.gz | coracle load"],
  flags: {
    dropBlobs: flag.boolean(
      "--drop-blobs",
      "Keep layers only unpacked; see image drop-blobs for what that means",
    ),
    input: flag.text("-i, --input PATH", "Read this archive or folder instead of standard input"),
    quiet: flag.boolean("-q, --quiet", "Accepted; there is no progress to suppress"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db", "layers"],
  changes: true,
  async run(context, _args, { dropBlobs, input }) {
    const { engine, output } = context;
    if (input === undefined && isTerminal(STDIN)) {
      throw new CoracleError("usage", "cannot load an image", {
        why: "cannot read from terminal, use command-line redirection or the --input flag",
      });
    }
    const from = input === undefined || input === "-" ? { stdin: STDIN } : { path: input };
    const loaded = await loadImages(engine, from);
    for (const { id, names } of loaded) {
      for (const name of names) output.line(`Loaded image: ${name}`);
      if (names.length === 0) output.line(`Loaded image: sha256:${id}`);
    }
    if (!dropBlobs) return;
    const { dropEach } = await import("./image_drop_blobs.ts");
    return await dropEach(context, new Set(loaded.map(({ id }) => id)), { keepCompressed: false });
  },
});
