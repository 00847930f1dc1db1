/** `coracle save`: images out of the store into an archive or a folder. */
import { SAVE_FORMATS, type SaveFormat, saveImages } from "../engine/save.ts";
import { CoracleError } from "../errors.ts";
import { isTerminal } from "../sys/terminal.ts";
import { command, flag } from "./command.ts";

const STDOUT = 1;

export const save = command({
  name: "save",
  aliases: ["image save"],
  summary: "Save images to an archive or a folder",
  description:
    "Layers and manifests are written byte for byte as they came in; nothing is compressed again, " +
    "and the same image gives the same bytes. A further IMAGE that is not in the store is one more " +
    "name for the first, unless --multi-image-archive is given.",
  usage: "[options] IMAGE [IMAGE...]",
  examples: [
    "coracle save -o debian.tar debian:bookworm",
    "coracle save --format oci-dir -o debian-dir debian:bookworm",
    "coracle save debian:bookworm > debian.tar",
  ],
  flags: {
    compress: flag.boolean("--compress", "Compress layers with gzip; only with docker-dir"),
    format: flag.text("--format FORMAT", `One of ${SAVE_FORMATS.join(", ")}`, {
      fallback: "docker-archive",
    }),
    multi: flag.boolean("-m, --multi-image-archive", "Every further argument is an image"),
    output: flag.text("-o, --output PATH", "Write here instead of to standard output"),
    quiet: flag.boolean("-q, --quiet", "Accepted; there is no progress to suppress"),
    uncompressed: flag.boolean("--uncompressed", "Accepted; layers are never compressed anew"),
  },
  arguments: { min: 1, max: Infinity, missing: "need at least 1 argument" },
  needs: ["db", "layers"],
  async run({ engine, output }, args, flags) {
    const format = flags.format as SaveFormat;
    if (!SAVE_FORMATS.includes(format)) {
      throw usage("format value must be one of oci-dir oci-archive docker-dir docker-archive");
    }
    if (flags.compress && format !== "docker-dir") {
      throw usage("--compress can only be set when --format is 'docker-dir'");
    }
    if (flags.output === undefined && isTerminal(STDOUT)) {
      throw usage("refusing to save to terminal. Use -o flag or redirect");
    }
    output.flush();
    await saveImages(engine, args, {
      format,
      output: flags.output === undefined || flags.output === "-" ? STDOUT : flags.output,
      isEveryArgumentImage: flags.multi,
      compress: flags.compress,
    });
  },
});

function usage(why: string): CoracleError {
  return new CoracleError("usage", "cannot save the image", { why });
}
