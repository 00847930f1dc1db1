/** `coracle attach`: joins the streams of a running container. */
import { recordOf } from "../engine/container_state.ts";
import { endOfRun, streamsFor } from "../engine/run_container.ts";
import { attachRunning } from "../engine/start_container.ts";
import { command, flag } from "./command.ts";
import { oneContainer } from "./each_container.ts";

export const attach = command({
  name: "attach",
  aliases: ["container attach"],
  summary: "Attach to a running container",
  usage: "[options] CONTAINER",
  examples: ["coracle attach web", "coracle attach --no-stdin --sig-proxy=false web"],
  flags: {
    detachKeys: flag.text("--detach-keys KEYS", "Keys that leave it running"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
    noStdin: flag.boolean("--no-stdin", "Do not give it our standard input"),
    sigProxy: flag.boolean("--sig-proxy", "Pass our signals on to the container", {
      fallback: true,
    }),
  },
  arguments: { min: 0, max: 1 },
  needs: ["db", "layers", "runtime", "monitor"],
  async run({ engine }, args, flags) {
    const row = oneContainer(engine.db, args[0], flags.latest);
    const attached = attachRunning(
      engine,
      row,
      streamsFor(recordOf(row).resolved.request, {
        stdin: !flags.noStdin,
        stdout: true,
        stderr: true,
        detachKeys: flags.detachKeys ?? engine.config.container.detachKeys,
        sigProxy: flags.sigProxy,
      }),
    );
    const end = await attached.run();
    return end === "detached" ? 0 : endOfRun(engine, attached.row);
  },
});
