/** `coracle info`: this host, the store and the drivers, with Podman's key names. */
import { hostReport, storeReport } from "../engine/info.ts";
import { command, flag } from "./command.ts";
import type { DriverReport } from "./context.ts";
import { versionReport } from "./version.ts";

export const info = command({
  name: "info",
  aliases: ["system info"],
  summary: "Show this host, the store and the drivers in use",
  usage: "[options]",
  examples: ["coracle info", "coracle info --format '{{.Store.GraphDriverName}}'"],
  flags: {
    format: flag.text("-f, --format TEMPLATE", 'Go template, or "json"'),
  },
  arguments: { min: 0, max: 0 },
  needs: ["db"],
  async run({ drivers, engine, output }, _args, { format }) {
    const reports = await drivers.list();
    const layer = used(reports, "layer");
    const report = {
      host: {
        ...hostReport(),
        eventLogger: "none",
        logDriver: engine.config.container.logDriver,
        conmon: program(used(reports, "monitor")),
        ociRuntime: program(used(reports, "runtime")),
      },
      store: storeReport(engine, layer?.name ?? ""),
      plugins: {
        volume: ["local"],
        network: null,
        log: ["k8s-file", "json-file", "none", "passthrough"],
        authorization: null,
      },
      registries: {},
      version: versionReport().Client,
      drivers: reports,
    };
    if (format === undefined) {
      const { toYaml } = await import("./yaml.ts");
      output.write(toYaml(report).trimStart());
      return;
    }
    const { printObject } = await import("./table_format.ts");
    const isJson = format.trim() === "json";
    await printObject(output, isJson ? report : capitalised(report), { format, type: "Info" });
  },
});

function used(reports: readonly DriverReport[], kind: string): DriverReport | undefined {
  return reports.find((report) => report.kind === kind && report.inUse);
}

function program(report: DriverReport | undefined) {
  return {
    name: report?.name ?? "",
    path: String(report?.facts.path ?? ""),
    version: String(report?.facts.version ?? ""),
  };
}

/** Go templates name struct fields (`.Host.LogDriver`), JSON their tags (`logDriver`). */
function capitalised(value: object): object {
  if (Array.isArray(value)) return value.map((item) => isObject(item) ? capitalised(item) : item);
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      FIELDS[key] ?? key.charAt(0).toUpperCase() + key.slice(1),
      isObject(item) ? capitalised(item) : item,
    ]),
  );
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Fields of Podman's structs that are not their JSON key with a capital letter. */
const FIELDS: Readonly<Record<string, string>> = {
  cgroupVersion: "CgroupsVersion",
  ociRuntime: "OCIRuntime",
  os: "OS",
  idMappings: "IDMappings",
};
