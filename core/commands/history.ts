/** `coracle history`: the steps that made an image. */
import { type HistoryStep, imageHistory } from "../engine/history.ts";
import { command, flag } from "./command.ts";
import { goTime, wholeSeconds } from "./go_time.ts";
import { ago, humanSize, printList, shortId } from "./table_format.ts";

const MISSING = "<missing>";
/** Letters of the command that a table shows. */
const COMMAND_WIDTH = 45;

export const history = command({
  name: "history",
  aliases: ["image history"],
  summary: "Show the steps that made an image",
  usage: "[options] IMAGE",
  examples: ["coracle history debian:bookworm", "coracle history --format json debian:bookworm"],
  flags: {
    format: flag.text("--format TEMPLATE", 'Go template, "table …", or "json"'),
    human: flag.boolean("-H, --human", "Show ages instead of times", { fallback: true }),
    noTrunc: flag.boolean("--no-trunc", "Show whole ids and commands"),
    quiet: flag.boolean("-q, --quiet", "Show only ids"),
  },
  arguments: { min: 1, max: 1 },
  needs: ["db"],
  async run({ engine, output }, [image = ""], flags) {
    const steps = imageHistory(engine, image);
    if (flags.format !== undefined && /^(json|\{\{\s*json\s*\.\s*\}\})$/.test(flags.format)) {
      return output.line(JSON.stringify(steps.map(jsonStep)));
    }
    const id = (step: HistoryStep) => {
      if (step.id === null) return MISSING;
      return flags.noTrunc ? step.id : shortId(step.id);
    };
    if (flags.quiet) {
      for (const step of steps) output.line(id(step));
      return;
    }
    const now = Date.now();
    await printList(
      output,
      steps.map((step) => ({
        ID: id(step),
        Created: flags.human ? since(step, now) : wholeSeconds(step.created),
        CreatedAt: goTime(wholeSeconds(step.created)),
        CreatedSince: since(step, now),
        CreatedBy: flags.noTrunc ? step.createdBy : shortened(step.createdBy),
        Size: humanSize(step.size, { gap: " " }),
        Comment: step.comment,
        Tags: step.tags,
      })),
      {
        standard: "table {{.ID}}\t{{.Created}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
        format: flags.format,
        type: "images.historyReporter",
      },
    );
  },
});

function since({ created }: HistoryStep, now: number): string {
  const made = Date.parse(created);
  return Number.isNaN(made) ? "N/A" : ago(made, now);
}

/** Tabs and newlines would break the table. */
function shortened(command: string): string {
  const line = command.replace(/\s+/g, " ");
  const letters = [...line];
  if (letters.length <= COMMAND_WIDTH) return line;
  return `${letters.slice(0, COMMAND_WIDTH - 3).join("")}...`;
}

/** Podman prints the exact time and, again, the one without fraction. */
function jsonStep(step: HistoryStep): object {
  return {
    id: step.id ?? MISSING,
    created: step.created,
    ...(step.createdBy === "" ? {} : { CreatedBy: step.createdBy }),
    size: step.size,
    ...(step.comment === "" ? {} : { comment: step.comment }),
    Created: wholeSeconds(step.created),
  };
}
