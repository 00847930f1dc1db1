/** `coracle volume rm`: volumes go with what is in them. */
import { freeVolume } from "../engine/free_volume.ts";
import { listedVolumes } from "../engine/list_volumes.ts";
import { findVolume, removeVolume } from "../engine/volume_store.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { tellError } from "./each_container.ts";

export const volumeRm = command({
  name: "volume rm",
  aliases: ["volume remove"],
  summary: "Remove one or more volumes",
  usage: "[options] VOLUME [VOLUME...]",
  examples: ["coracle volume rm data", "coracle volume rm --all"],
  flags: {
    all: flag.boolean("-a, --all", "All volumes"),
    force: flag.boolean("-f, --force", "Remove the containers that use it first"),
    time: flag.integer("-t, --time SECONDS", "With --force: until a container is killed"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db"],
  alsoNeeds: ({ force }) => force ? ["layers", "runtime"] : [],
  changes: true,
  run(context, names, { all, force, time }) {
    const { engine, output } = context;
    const wrong = (why: string) => new CoracleError("usage", "cannot remove volumes", { why });
    if (time !== undefined && !force) {
      throw wrong("--force option must be specified to use the --time option");
    }
    if (all === names.length > 0) throw wrong("choose either one or more volumes or all");
    let status = 0;
    for (const name of all ? listedVolumes(engine).map((row) => row.name) : names) {
      try {
        const row = findVolume(engine, name);
        if (force) freeVolume(engine, row.name, time === undefined ? {} : { timeout: time });
        removeVolume(engine, row);
        output.line(row.name);
      } catch (error) {
        if (!(error instanceof CoracleError)) throw error;
        if (force && error.code === "notfound") continue;
        // Podman: of "no such volume" (1) and "in use" (2) the greater one is told.
        status = Math.max(status, error.exitStatus);
        tellError(context, error);
      }
    }
    return status;
  },
});
