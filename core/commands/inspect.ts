/** `coracle inspect`: everything about containers, images and volumes, whichever the names mean. */
import { latestContainer, lookForContainer } from "../engine/find_container.ts";
import { describeContainer } from "../engine/inspect_container.ts";
import { inspectImage } from "../engine/inspect_image.ts";
import { describeVolume, lookForVolume } from "../engine/volume_store.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { chosen } from "./inspect_container.ts";
import { found, inspectObjects } from "./inspect_objects.ts";

/** What there is to inspect, in the order in which a name is tried; of the last two there are none. */
const KINDS = ["container", "image", "volume", "network", "pod"] as const;
type Kind = typeof KINDS[number];

export const inspect = command({
  name: "inspect",
  summary: "Show everything about containers, images and volumes",
  usage: "[options] NAME [NAME...]",
  examples: [
    "coracle inspect web",
    "coracle inspect --type image debian:bookworm",
    "coracle inspect --format '{{.State.Status}}' web",
  ],
  flags: {
    format: flag.text("-f, --format TEMPLATE", 'Go template, or "json"'),
    latest: flag.boolean("-l, --latest", "The container made last"),
    size: flag.boolean("-s, --size", "Measure the sizes of containers"),
    type: flag.text("-t, --type TYPE", 'Look only for "container", "image" or "volume"', {
      fallback: "all",
    }),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers"],
  run(context, args, { format, latest, size, type }) {
    const { engine } = context;
    const names = chosen(args, latest, () => latestContainer(engine.db).id);
    const kinds = KINDS.filter((kind) => type === "all" || type === kind);
    if (kinds.length === 0) throw wrongType(type);
    const finders: Readonly<Record<Kind, (name: string) => object | undefined>> = {
      container: (name) => {
        const row = lookForContainer(engine.db, name);
        return row && describeContainer(engine, row, { size });
      },
      image: (name) => found(() => inspectImage(engine, name)),
      volume: (name) => {
        const row = lookForVolume(engine, name);
        return row && describeVolume(engine, row);
      },
      network: () => undefined,
      pod: () => undefined,
    };
    return inspectObjects(context, names, {
      format,
      find: (name) => {
        for (const kind of kinds) {
          const value = finders[kind](name);
          if (value !== undefined) return value;
        }
        return undefined;
      },
      missing: (name) => missing(type, name),
    });
  },
});

function wrongType(type: string): CoracleError {
  return new CoracleError("usage", "cannot inspect", {
    why: `invalid type ${JSON.stringify(type)}: must be "image", "container", "pod", ` +
      '"network", "volume", or "all"',
  });
}

/** Podman's words, which differ by what was looked for. */
function missing(type: string, name: string): string {
  if (type === "image") return `${name}: image not known: no such image`;
  if (type === "container" || type === "volume" || type === "pod") return `no such ${type} ${name}`;
  if (type === "network") {
    return `network ${name}: unable to find network with name or ID ${name}: network not found`;
  }
  return `no such object: ${JSON.stringify(name)}`;
}
