/** `coracle commit`: a container becomes an image. */
import { commitContainer } from "../engine/commit_container.ts";
import { findContainer } from "../engine/find_container.ts";
import { writeAtomic } from "../sys/files.ts";
import { command, flag } from "./command.ts";

const FORMATS = ["oci", "docker"] as const;
type Format = typeof FORMATS[number];

function imageFormat(value: string): Format {
  const known = FORMATS.find((word) => word === value);
  if (known === undefined) {
    throw new Error(`unrecognized image format ${JSON.stringify(value)}: use oci or docker`);
  }
  return known;
}

export const commit = command({
  name: "commit",
  aliases: ["container commit"],
  summary: "Make an image of a container",
  description:
    "What the container changed becomes one more layer, and its command, environment, user, " +
    "working directory and labels those of the image. Volumes and mounts are not part of it. The " +
    "container may run; with --pause nothing in it does while it is read.",
  usage: "[options] CONTAINER [IMAGE]",
  examples: [
    "coracle commit web localhost/web:patched",
    'coracle commit --change \'CMD ["nginx"]\' --message "with modules" web web:2',
    "coracle commit --squash --quiet box",
  ],
  flags: {
    author: flag.text("-a, --author NAME", "Author of the image"),
    change: flag.list(
      "-c, --change INSTRUCTION",
      "CMD | ENTRYPOINT | ENV | EXPOSE | LABEL | ONBUILD | STOPSIGNAL | USER | VOLUME | WORKDIR",
    ),
    format: flag.text("-f, --format FORMAT", "Form of manifest and config: oci or docker", {
      fallback: "oci" as Format,
      parse: imageFormat,
    }),
    iidfile: flag.text("--iidfile FILE", "Write the image's id to this file"),
    includeVolumes: flag.boolean(
      "--include-volumes",
      "The container's volumes are the image's too",
    ),
    message: flag.text("-m, --message TEXT", "Comment in the image's history"),
    pause: flag.boolean("-p, --pause", "Pause the container while it is read"),
    quiet: flag.boolean("-q, --quiet", "Accepted; there is no progress to suppress"),
    squash: flag.boolean("-s, --squash", "One layer with everything"),
  },
  arguments: { min: 1, max: 2 },
  needs: ["db", "layers", "runtime"],
  changes: true,
  async run({ engine, output }, [wanted = "", name], flags) {
    const row = findContainer(engine.db, wanted);
    const { id, sockets } = await commitContainer(engine, row, {
      changes: flags.change,
      format: flags.format,
      includeVolumes: flags.includeVolumes,
      pause: flags.pause,
      squash: flags.squash,
      ...(name === undefined ? {} : { name }),
      ...(flags.author === undefined ? {} : { author: flags.author }),
      ...(flags.message === undefined ? {} : { message: flags.message }),
    });
    if (sockets.length > 0) {
      output.warn(`${sockets.length} sockets were left out, as a tar has none`);
    }
    if (flags.iidfile !== undefined) writeAtomic(flags.iidfile, id);
    output.line(id);
  },
});
