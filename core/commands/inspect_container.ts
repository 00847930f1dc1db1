/** `coracle container inspect`: all that is known of containers. */
import { latestContainer, lookForContainer } from "../engine/find_container.ts";
import { describeContainer } from "../engine/inspect_container.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { inspectObjects } from "./inspect_objects.ts";

export const containerInspect = command({
  name: "container inspect",
  summary: "Display the configuration of containers",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: [
    "coracle container inspect web",
    "coracle container inspect --format '{{.State.Status}}' web",
  ],
  flags: {
    format: flag.text("-f, --format TEMPLATE", 'Go template, or "json"'),
    latest: flag.boolean("-l, --latest", "The container made last"),
    size: flag.boolean("-s, --size", "Measure sizes"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers"],
  async run(context, names, { format, latest, size }) {
    const { engine } = context;
    return await inspectObjects(
      context,
      chosen(names, latest, () => latestContainer(engine.db).id),
      {
        format,
        find: (wanted) => {
          const row = lookForContainer(engine.db, wanted);
          return row && describeContainer(engine, row, { size });
        },
        missing: (wanted) => `no such container ${wanted}`,
      },
    );
  },
});

/** The names, or with `--latest` the id of the container made last. Fails with `usage`. */
export function chosen(
  names: readonly string[],
  latest: boolean,
  latestId: () => string,
): readonly string[] {
  const wrong = (why: string) => new CoracleError("usage", "cannot inspect", { why });
  if (latest && names.length > 0) throw wrong("--latest and arguments cannot be used together");
  if (!latest && names.length === 0) throw wrong("no names or ids specified");
  return latest ? [latestId()] : names;
}
