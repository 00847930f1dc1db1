/** `coracle export`: the files of a container as a tar. */
import { exportContainer } from "../engine/export_container.ts";
import { findContainer } from "../engine/find_container.ts";
import { CoracleError } from "../errors.ts";
import { isTerminal } from "../sys/terminal.ts";
import { command, flag } from "./command.ts";

const STDOUT = 1;

// "export" is a word of the language.
export const exportTar = command({
  name: "export",
  aliases: ["container export"],
  summary: "Write all files of a container as a tar",
  description: "The container may run. Volumes and mounts are not part of it.",
  usage: "[options] CONTAINER",
  examples: ["coracle export -o web.tar web", "coracle export web | gzip > web.tar.gz"],
  flags: {
    output: flag.text("-o, --output FILE", "Write here instead of to standard output"),
  },
  arguments: { min: 1, max: 1 },
  needs: ["db", "layers"],
  run({ engine, output }, [wanted = ""], flags) {
    const isStream = flags.output === undefined || flags.output === "-";
    if (isStream && isTerminal(STDOUT)) {
      throw new CoracleError("usage", `cannot export container "${wanted}"`, {
        why: "refusing to export to terminal. Use -o flag or redirect",
      });
    }
    const row = findContainer(engine.db, wanted);
    output.flush();
    const to = flags.output === undefined || isStream ? STDOUT : flags.output;
    const { sockets } = exportContainer(engine, row, to);
    if (sockets > 0) output.warn(`${sockets} sockets were left out, as a tar has none`);
  },
});
