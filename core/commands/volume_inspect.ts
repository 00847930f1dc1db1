/** `coracle volume inspect`: all that is known of volumes. */
import { listedVolumes } from "../engine/list_volumes.ts";
import { describeVolume, lookForVolume } from "../engine/volume_store.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { inspectObjects } from "./inspect_objects.ts";

export const volumeInspect = command({
  name: "volume inspect",
  summary: "Display the configuration of volumes",
  usage: "[options] VOLUME [VOLUME...]",
  examples: [
    "coracle volume inspect data",
    "coracle volume inspect --all --format '{{.Name}} {{.Mountpoint}}'",
  ],
  flags: {
    all: flag.boolean("-a, --all", "All volumes"),
    format: flag.text("-f, --format TEMPLATE", 'Go template, or "json"'),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db"],
  async run(context, names, { all, format }) {
    const { engine } = context;
    if (all === names.length > 0) {
      throw new CoracleError("usage", "cannot inspect volumes", {
        why: "provide one or more volume names or use --all",
      });
    }
    const wanted = all ? listedVolumes(engine).map(({ name }) => name) : names;
    return await inspectObjects(context, wanted, {
      format,
      find: (name) => {
        const row = lookForVolume(engine, name);
        if (row === undefined) return undefined;
        const volume = describeVolume(engine, row);
        const defaults = {
          NeedsCopyUp: false,
          NeedsChown: false,
          Anonymous: false,
          UID: 0,
          GID: 0,
        };
        return format === undefined ? volume : { ...defaults, ...volume };
      },
      missing: (name) => `no such volume ${name}`,
    });
  },
});
