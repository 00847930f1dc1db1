/** `coracle doctor`: each requirement of this host, met or what to do. */
import { examineHost, type Finding } from "../engine/doctor.ts";
import { command, flag } from "./command.ts";
import { printList } from "./table_format.ts";

export const doctor = command({
  name: "doctor",
  aliases: ["system doctor"],
  summary: "Check what this host needs to run containers",
  description:
    "Exit status 1 when something is missing without which containers do not run, else 0.",
  usage: "[options]",
  examples: ["coracle doctor", "coracle doctor --format json"],
  flags: {
    format: flag.text("-f, --format TEMPLATE", 'Go template, "table …" or "json"'),
  },
  arguments: { min: 0, max: 0 },
  needs: [],
  async run({ drivers, engine, output }, _args, { format }) {
    const findings = examineHost(engine.config, await drivers.list());
    if (format === undefined) { for (const finding of findings) output.write(lines(finding)); }
    else {
      await printList(output, findings.map(row), {
        standard: "table {{.Name}}\t{{.Met}}\t{{.Mandatory}}\t{{.Detail}}\t{{.Remedy}}",
        format,
        type: "Finding",
        json: findings,
      });
    }
    return findings.some((finding) => finding.mandatory && !finding.met) ? 1 : 0;
  },
});

function row({ name, met, mandatory, detail, remedy }: Finding) {
  return { Name: name, Met: met, Mandatory: mandatory, Detail: detail, Remedy: remedy };
}

function lines(finding: Finding): string {
  const word = finding.met ? "ok" : finding.mandatory ? "MISSING" : "missing";
  const first = `${word.padEnd(8)} ${finding.name.padEnd(15)} ${finding.detail}\n`;
  return finding.met ? first : `${first}${" ".repeat(25)}try: ${finding.remedy}\n`;
}
