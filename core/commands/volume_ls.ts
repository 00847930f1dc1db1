/** `coracle volume ls`: the volumes of this store. */
import { listedVolumes } from "../engine/list_volumes.ts";
import { describeVolume } from "../engine/volume_store.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { goTime } from "./go_time.ts";
import { printList } from "./table_format.ts";

export const volumeLs = command({
  name: "volume ls",
  aliases: ["volume list"],
  summary: "List volumes",
  usage: "[options]",
  examples: [
    "coracle volume ls",
    "coracle volume ls --filter dangling=true --format '{{.Name}} {{.Mountpoint}}'",
  ],
  flags: {
    filter: flag.list("-f, --filter KEY=VALUE", "Show only those that fit", { splitOnComma: true }),
    format: flag.text("--format TEMPLATE", 'Go template, "table …" or "json"'),
    noHeading: flag.boolean("--noheading", "Leave out the table's header"),
    quiet: flag.boolean("-q, --quiet", "Print names only"),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db"],
  async run({ engine, output }, _args, { filter, format, noHeading, quiet }) {
    if (quiet && format !== undefined) {
      throw new CoracleError("usage", "cannot list volumes", {
        why: "quiet and format are mutually exclusive",
      });
    }
    const volumes = listedVolumes(engine, filter).map((row) => describeVolume(engine, row));
    if (quiet) {
      for (const { Name } of volumes) output.line(Name);
      return;
    }
    // Podman prints no heading over nothing.
    if (volumes.length === 0 && format === undefined) return;
    const rows = volumes.map((volume) => ({
      NeedsCopyUp: false,
      NeedsChown: false,
      Anonymous: false,
      UID: 0,
      GID: 0,
      Timeout: 0,
      ...volume,
      CreatedAt: goTime(volume.CreatedAt),
      Labels: new Map(Object.entries(volume.Labels)),
      Options: new Map(Object.entries(volume.Options)),
    }));
    await printList(output, rows, {
      standard: "table {{.Driver}}\t{{.Name}}",
      format,
      noHeading,
      titles: { Name: "VOLUME NAME", Mountpoint: "MOUNTPOINT" },
      type: "*entities.VolumeListReport",
      json: volumes,
    });
  },
});
