/** `coracle run`: makes a container and runs a command in it. */
import { removeImage } from "../engine/remove_image.ts";
import { runContainer, streamsFor } from "../engine/run_container.ts";
import { CoracleError, hasCode } from "../errors.ts";
import { isTerminal } from "../sys/terminal.ts";
import { command, type Engine, flag } from "./command.ts";
import { containerFlags } from "./container_flags.ts";
import { checkImageArgument, createRequest, publishNote } from "./create_request.ts";

const STREAMS = ["stdin", "stdout", "stderr"];

export const run = command({
  name: "run",
  aliases: ["container run"],
  summary: "Run a command in a new container",
  usage: "[options] IMAGE [COMMAND [ARG...]]",
  examples: [
    "coracle run --rm localhost/debian:bookworm cat /etc/os-release",
    "coracle run -it --rm localhost/debian:bookworm bash",
    "coracle run -d --name web -v /srv/www:/www:ro localhost/busybox:1 httpd -f -h /www",
  ],
  flags: {
    ...containerFlags,
    attach: flag.list("-a, --attach STREAM", "Attach to stdin, stdout or stderr"),
    detach: flag.boolean("-d, --detach", "Run in the background and print the id"),
    detachKeys: flag.text("--detach-keys KEYS", "Keys that leave it running"),
    rmi: flag.boolean("--rmi", "Remove the image too when nothing else uses it"),
    sigProxy: flag.boolean("--sig-proxy", "Pass our signals on to the container", {
      fallback: true,
    }),
  },
  arguments: { min: 1, max: Infinity },
  stopsAtFirstArgument: true,
  needs: ["db", "layers", "runtime", "monitor"],
  changes: true,
  async run({ engine, output, forChildren }, args, flags) {
    checkImageArgument(args, flags);
    const attach = flags.attach.map((word) => word.toLowerCase());
    const unknown = attach.find((word) => !STREAMS.includes(word));
    if (unknown !== undefined) {
      throw new CoracleError("usage", 'cannot use "--attach"', {
        why: `invalid stream ${JSON.stringify(unknown)} for --attach - must be one of ` +
          "stdin, stdout, or stderr",
      });
    }
    if (flags.detach && attach.length > 0) {
      throw new CoracleError("usage", 'cannot use "--detach"', {
        why: "cannot specify both --attach and --detach",
      });
    }
    const isBackground = flags.detach;
    const rm = flags.rm || flags.rmi;
    const base = createRequest({ ...flags, rm }, args, engine.config.container);
    const request = { ...base, detach: isBackground };
    const note = publishNote(flags, request);
    if (note !== null) output.warn(note);
    if (request.terminal && request.interactive && !isBackground && !isTerminal(0)) {
      output.warn(
        "The input device is not a TTY. The --tty and --interactive flags might not work properly",
      );
    }
    const has = (stream: string) => attach.length === 0 || attach.includes(stream);
    const end = await runContainer(engine, request, {
      replace: flags.replace,
      forChildren,
      onNote: (note) => output.warn(note),
      streams: isBackground ? null : streamsFor(request, {
        stdin: has("stdin"),
        stdout: has("stdout"),
        stderr: has("stderr"),
        detachKeys: flags.detachKeys ?? engine.config.container.detachKeys,
        sigProxy: flags.sigProxy,
      }),
    });
    if (isBackground) output.line(end.row.id);
    if (flags.rmi && end.exitCode !== null && args[0] !== undefined) {
      removeUnused(engine, args[0]);
    }
    return end.exitCode ?? 0;
  },
});

/** `--rmi`: another container that uses the image keeps it. */
function removeUnused(engine: Engine, image: string): void {
  try {
    removeImage(engine, image);
  } catch (error) {
    if (!hasCode(error, "busy", "notfound")) throw error;
  }
}
