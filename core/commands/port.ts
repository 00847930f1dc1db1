/** `coracle port`: published ports. There are none until a network is made by us, and it says so by silence. */
import { findContainer, latestContainer } from "../engine/find_container.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";

export const port = command({
  name: "port",
  aliases: ["container port"],
  summary: "List port mappings of a container",
  description: "Prints the published ports of a container, or where PORT is published.",
  usage: "[options] CONTAINER [PORT]",
  examples: ["coracle port web", "coracle port web 80/tcp", "coracle port --all"],
  flags: {
    all: flag.boolean("-a, --all", "All containers"),
    latest: flag.boolean("-l, --latest", "The container made last"),
  },
  arguments: { min: 0, max: 2 },
  needs: ["db"],
  run({ engine }, args, { all, latest }) {
    const wrong = (why: string) => new CoracleError("usage", "cannot list ports", { why });
    if (all && latest) throw wrong("--all and --latest cannot be used together");
    if (all && args.length > 0) throw wrong("no arguments are needed with --all");
    if (!all && !latest && args.length === 0) {
      throw wrong("you must supply a running container name or id");
    }
    const wanted = latest ? args[0] : args[1];
    if (wanted !== undefined) checkPort(wanted, wrong);
    if (all) return;
    if (latest) latestContainer(engine.db);
    else findContainer(engine.db, args[0] ?? "");
  },
});

/** `80` or `80/tcp`. */
function checkPort(text: string, wrong: (why: string) => CoracleError): void {
  const [number = "", ...rest] = text.split("/");
  if (rest.length > 1) throw wrong(`port must be in the form port/protocol: ${text}`);
  if (!/^\d+$/.test(number)) {
    throw wrong(`strconv.ParseUint: parsing ${JSON.stringify(number)}: invalid syntax`);
  }
  if (Number(number) > 65535) {
    throw wrong(`strconv.ParseUint: parsing ${JSON.stringify(number)}: value out of range`);
  }
}
