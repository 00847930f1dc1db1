/** `coracle create`: makes a container and prints its id; nothing runs yet. */
import { createContainer } from "../engine/create_container.ts";
import { command } from "./command.ts";
import { containerFlags } from "./container_flags.ts";
import { checkImageArgument, createRequest, publishNote } from "./create_request.ts";

export const create = command({
  name: "create",
  aliases: ["container create"],
  summary: "Create but do not start a container",
  description:
    "Makes a writable container over the image and prepares it to run the command. The " +
    'id is printed; start it with "coracle start".',
  usage: "[options] IMAGE [COMMAND [ARG...]]",
  examples: [
    "coracle create --name web localhost/nginx:1 nginx -g 'daemon off;'",
    "coracle create -it --name box localhost/debian:bookworm bash",
  ],
  flags: containerFlags,
  arguments: { min: 1, max: Infinity },
  stopsAtFirstArgument: true,
  needs: ["db", "layers", "runtime"],
  changes: true,
  run({ engine, output }, args, flags) {
    checkImageArgument(args, flags);
    const request = createRequest({ ...flags }, args, engine.config.container);
    const note = publishNote(flags, request);
    if (note !== null) output.warn(note);
    const row = createContainer(engine, request, { replace: flags.replace });
    output.line(row.id);
  },
});
