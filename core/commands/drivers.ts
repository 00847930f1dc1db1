/** `coracle drivers`: every driver, whether this host can run it, and which are in use. */
import { command, flag } from "./command.ts";
import { printList } from "./table_format.ts";

export const drivers = command({
  name: "drivers",
  aliases: ["drivers ls", "drivers list"],
  summary: "List drivers, which are in use, and why the others are not",
  usage: "[options]",
  examples: ["coracle drivers", "coracle drivers --format json"],
  flags: {
    format: flag.text("-f, --format TEMPLATE", 'Go template, "table …" or "json"'),
    noHeading: flag.boolean("-n, --noheading", "Leave out the table's header"),
  },
  arguments: { min: 0, max: 0 },
  needs: [],
  async run({ drivers, output }, _args, { format, noHeading }) {
    const reports = await drivers.list();
    const rows = reports.map((report) => ({
      Kind: report.kind,
      Name: report.name,
      Summary: report.summary,
      Usable: report.usable,
      InUse: report.inUse,
      State: report.inUse ? "in use" : report.usable ? "usable" : "not usable",
      Reason: report.reason,
      Source: report.source,
      Facts: new Map(Object.entries(report.facts)),
    }));
    await printList(output, rows, {
      standard: "table {{.Kind}}\t{{.Name}}\t{{.State}}\t{{.Reason}}",
      format,
      noHeading,
      titles: { Reason: "DETAILS" },
      type: "DriverReport",
      json: reports,
    });
  },
});
