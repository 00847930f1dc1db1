/** `coracle cp`: files between containers and the host. */
import { copyFiles, copyFromStream, copyToStream } from "../engine/copy_files.ts";
import { containerPlace, hostPlace, type Place } from "../engine/copy_place.ts";
import { findContainer } from "../engine/find_container.ts";
import { CoracleError } from "../errors.ts";
import { isTerminal } from "../sys/terminal.ts";
import { command, type Engine, flag } from "./command.ts";

const STDIN = 0;
const STDOUT = 1;

interface Side {
  /** "" for the host. */
  readonly container: string;
  readonly path: string;
}

/** `CONTAINER:PATH`; what begins with `.` or `/` is a path of the host's, whatever follows. */
function sideOf(word: string): Side {
  const colon = /^[./]/.test(word) ? -1 : word.indexOf(":");
  return colon < 0
    ? { container: "", path: word }
    : { container: word.slice(0, colon), path: word.slice(colon + 1) };
}

function placeOf(engine: Engine, { container }: Side): Place {
  return container === ""
    ? hostPlace()
    : containerPlace(engine, findContainer(engine.db, container));
}

export const cp = command({
  name: "cp",
  aliases: ["container cp"],
  summary: "Copy files between a container and the host, or between containers",
  description:
    "A directory is copied with all that is in it; DIR/. copies its content alone. In a container " +
    "relative paths begin at its working directory, and its volumes are seen, whether it runs or " +
    'not. "-" is a tar on standard input or output.',
  usage: "[options] [CONTAINER:]SOURCE [CONTAINER:]DESTINATION",
  examples: [
    "coracle cp nginx.conf web:/etc/nginx/",
    "coracle cp web:/var/log/. logs",
    "tar -c site | coracle cp - web:/srv",
  ],
  flags: {
    archive: flag.boolean("-a, --archive", "Give files in a container to its user", {
      fallback: true,
    }),
    extract: flag.boolean("--extract", "Accepted, without effect", { hidden: true }),
    overwrite: flag.boolean("--overwrite", "Replace directories by files and files by directories"),
    pause: flag.boolean("--pause", "Accepted, without effect", { hidden: true }),
  },
  arguments: { min: 2, max: 2 },
  needs: ["db", "layers"],
  changes: true,
  async run({ engine, output }, [from = "", to = ""], flags) {
    const source = sideOf(from);
    const goal = sideOf(to);
    const wrong = (why: string) => {
      const words = `${JSON.stringify(from)}, ${JSON.stringify(to)}`;
      return new CoracleError("usage", "cannot copy", {
        why: `invalid arguments ${words}: ${why}`,
      });
    };
    if (source.container === "" && goal.container === "") {
      throw wrong("you must specify one container");
    }
    if (source.path === "" || goal.path === "") throw wrong("you must specify paths");
    const options = { chown: flags.archive, overwrite: flags.overwrite };
    if (source.container === "" && source.path === "-") {
      using place = placeOf(engine, goal);
      return await copyFromStream(STDIN, { place, path: goal.path }, options);
    }
    using place = placeOf(engine, source);
    if (goal.container === "" && goal.path === "-") {
      if (isTerminal(STDOUT)) throw wrong("refusing to write a tar to a terminal");
      output.flush();
      return copyToStream({ place, path: source.path }, STDOUT);
    }
    using other = placeOf(engine, goal);
    copyFiles({ place, path: source.path }, { place: other, path: goal.path }, options);
  },
});
