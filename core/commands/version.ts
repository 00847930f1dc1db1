/** `coracle version`: who we are, with Podman's key names. Stays light: no engine, no parser. */
import { architecture } from "../sys/host.ts";
import { runtimeName } from "../sys/environment.ts";
import { COMMIT, VERSION } from "../version.ts";
import { command, flag } from "./command.ts";

export interface VersionReport {
  readonly Client: {
    readonly APIVersion: string;
    readonly Version: string;
    readonly GitCommit: string;
    /** `compiled`, `bun` or `deno`: what runs this program. */
    readonly Runtime: string;
    readonly OsArch: string;
    readonly Os: string;
  };
}

export function versionReport(): VersionReport {
  return {
    Client: {
      APIVersion: VERSION,
      Version: VERSION,
      GitCommit: COMMIT,
      Runtime: runtimeName(),
      OsArch: `linux/${architecture()}`,
      Os: "linux",
    },
  };
}

/** The text of `coracle version`, with the final newline. */
export function versionText(): string {
  const { Client } = versionReport();
  const rows = [
    ["Client", "Coracle Engine"],
    ["Version", Client.Version],
    ["API Version", Client.APIVersion],
    ["Git Commit", Client.GitCommit],
    ["Runtime", Client.Runtime],
    ["OS/Arch", Client.OsArch],
  ];
  return rows.map(([key, value]) => `${`${key}:`.padEnd(14)}${value}\n`).join("");
}

export const version = command({
  name: "version",
  summary: "Show the version of coracle",
  usage: "[options]",
  examples: ["coracle version", "coracle version --format '{{.Client.Version}}'"],
  flags: {
    format: flag.text("-f, --format TEMPLATE", 'Go template, or "json"'),
  },
  arguments: { min: 0, max: 0 },
  needs: [],
  async run({ output }, _args, { format }) {
    if (format === undefined) {
      output.write(versionText());
      return;
    }
    const { printObject } = await import("./table_format.ts");
    await printObject(output, versionReport(), { format, type: "VersionReport" });
  },
});
