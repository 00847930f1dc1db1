/** `coracle volume create`: a directory that outlives containers. */
import { checkName } from "../container/names.ts";
import { createVolume } from "../engine/volume_store.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { pairs } from "./pairs.ts";

export const volumeCreate = command({
  name: "volume create",
  summary: "Create a new volume",
  description: "Makes an empty volume and prints its name; without NAME a random one.",
  usage: "[options] [NAME]",
  examples: ["coracle volume create data", "coracle volume create --label app=web data"],
  flags: {
    driver: flag.text("-d, --driver NAME", "Only local", { fallback: "local" }),
    label: flag.list("-l, --label KEY[=VALUE]", "Set a label"),
    options: flag.list("-o, --opt KEY=VALUE", "Option of the local driver: type, device or o"),
  },
  arguments: { min: 0, max: 1 },
  needs: ["db"],
  run({ engine, output }, [wanted], { driver, label, options }) {
    const name = wanted === undefined ? randomName() : checkName(wanted);
    if (driver !== "local") {
      throw new CoracleError("unsupported", `cannot create volume "${name}"`, {
        why: `volume ${name} uses volume plugin ${driver} but it could not be retrieved: ` +
          `no volume plugin with name ${driver} available: required plugin missing`,
      });
    }
    const row = createVolume(engine, { name, labels: pairs(label), options: checked(options) });
    output.line(row.name);
  },
});

function randomName(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("hex");
}

/** Fails with `usage` on an option the local driver does not know. */
function checked(words: readonly string[]): Record<string, string> {
  const options = pairs(words);
  const unknown = Object.keys(options).find((key) => !["type", "device", "o"].includes(key));
  if (unknown === undefined) return options;
  throw new CoracleError("usage", 'cannot use "--opt"', {
    why: `invalid mount option ${unknown} for driver 'local': invalid argument`,
  });
}
