/** `coracle exec`: runs a command in a running container. */
import {
  mergeEnvironment,
  parseEnvironment,
  parseEnvironmentFile,
} from "../container/arguments/environment.ts";
import { parseDetachKeys } from "../container/detach_keys.ts";
import { execInContainer } from "../engine/exec_container.ts";
import { CoracleError } from "../errors.ts";
import { environment } from "../sys/environment.ts";
import { readText } from "../sys/files.ts";
import { isTerminal } from "../sys/terminal.ts";
import { command, flag } from "./command.ts";
import { oneContainer } from "./each_container.ts";

export const exec = command({
  name: "exec",
  aliases: ["container exec"],
  summary: "Run a process in a running container",
  usage: "[options] CONTAINER COMMAND [ARG...]",
  examples: [
    "coracle exec -it web sh",
    "coracle exec --user 1000 --env LANG=C web id",
    "coracle exec -d web sh -c 'sleep 10; touch /done'",
  ],
  flags: {
    detach: flag.boolean("-d, --detach", "Run in the background and print the session's id"),
    detachKeys: flag.text("--detach-keys KEYS", "Keys that leave it running"),
    env: flag.list("-e, --env KEY[=VALUE]", "Set an environment variable"),
    envFile: flag.list("--env-file FILE", "Read environment variables from a file"),
    interactive: flag.boolean("-i, --interactive", "Keep standard input open"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
    preserveFds: flag.integer("--preserve-fds NUMBER", "Pass on file descriptors from 3 on", {
      fallback: 0,
    }),
    privileged: flag.boolean("--privileged", "Give the process all capabilities"),
    tty: flag.boolean("-t, --tty", "Give it a terminal"),
    user: flag.text("-u, --user USER[:GROUP]", "User and group, names or numbers"),
    workdir: flag.text("-w, --workdir PATH", "Working directory"),
  },
  arguments: { min: 1, max: Infinity },
  stopsAtFirstArgument: true,
  needs: ["db", "runtime", "monitor"],
  async run({ engine, output }, args, flags) {
    const words = flags.latest ? args : args.slice(1);
    const row = oneContainer(engine.db, args[0], flags.latest);
    if (words.length === 0) {
      throw new CoracleError("usage", "cannot run exec", {
        why: "you must provide a command to run",
      });
    }
    const host = environment();
    const variables = mergeEnvironment(
      flags.envFile.flatMap((path) => parseEnvironmentFile(readText(path), { path, host })),
      flags.env.flatMap((word) => parseEnvironment(word, host)),
    );
    if (flags.tty && flags.interactive && !flags.detach && !isTerminal(0)) {
      output.warn(
        "The input device is not a TTY. The --tty and --interactive flags might not work properly",
      );
    }
    const end = await execInContainer(
      engine,
      row,
      {
        command: words,
        environment: variables,
        ...(flags.user === undefined ? {} : { user: flags.user }),
        ...(flags.workdir === undefined ? {} : { workdir: flags.workdir }),
        terminal: flags.tty,
        interactive: flags.interactive && !flags.detach,
        privileged: flags.privileged,
        preserveFds: flags.preserveFds,
      },
      flags.detach ? null : {
        stdin: flags.interactive ? 0 : null,
        stdout: 1,
        stderr: 2,
        detachKeys: parseDetachKeys(flags.detachKeys ?? engine.config.container.detachKeys),
        sigProxy: false,
      },
    );
    if (flags.detach) output.line(end.session);
    return end.exitCode ?? 0;
  },
});
