/** `coracle import`: a tar of a file system becomes an image. */
import { importImage } from "../engine/import.ts";
import { CoracleError } from "../errors.ts";
import { isTerminal } from "../sys/terminal.ts";
import { command, flag } from "./command.ts";

const STDIN = 0;

// "import" is a word of the language.
export const importTar = command({
  name: "import",
  aliases: ["image import"],
  summary: "Make an image of a tar of a file system",
  usage: "[options] PATH [REFERENCE]",
  examples: [
    "coracle import rootfs.tar debian:bookworm",
    "tar -C rootfs -c . | coracle import --change 'CMD [\"sh\"]' - mine",
  ],
  flags: {
    arch: flag.text("--arch ARCH", "Architecture of the image instead of the host's"),
    change: flag.list(
      "-c, --change INSTRUCTION",
      "CMD | ENTRYPOINT | ENV | EXPOSE | LABEL | ONBUILD | STOPSIGNAL | USER | VOLUME | WORKDIR",
    ),
    message: flag.text("-m, --message TEXT", "Comment in the image's history"),
    os: flag.text("--os OS", "Operating system of the image"),
    quiet: flag.boolean("-q, --quiet", "Accepted; there is no progress to suppress"),
    variant: flag.text("--variant VARIANT", "Variant of the architecture"),
  },
  arguments: { min: 1, max: 2 },
  needs: ["db", "layers"],
  changes: true,
  async run({ engine, output }, [path = "", name], flags) {
    if (path === "-" && isTerminal(STDIN)) {
      throw new CoracleError("usage", "cannot import", {
        why: "cannot read from terminal, use command-line redirection",
      });
    }
    const id = await importImage(engine, path === "-" ? { stdin: STDIN } : { path }, {
      changes: flags.change,
      ...(name === undefined ? {} : { name }),
      ...(flags.message === undefined ? {} : { message: flags.message }),
      ...(flags.arch === undefined ? {} : { architecture: flags.arch }),
      ...(flags.os === undefined ? {} : { os: flags.os }),
      ...(flags.variant === undefined ? {} : { variant: flags.variant }),
    });
    output.line(`sha256:${id}`);
  },
});
