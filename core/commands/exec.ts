/** `coracle exec`: runs a command in a running container. */
import {
  mergeEnvironment,
  parseEnvironment,
  parseEnvironmentFile,
} from "../container/arguments/environment.ts";
import { parseDetachKeys } from "../container/detach_keys.ts";
import { execInContainer } from "../engine/exec_container.ts";
import { CoracleError, SysError } from "../errors.ts";
import { environment } from "../sys/environment.ts";
import { readText } from "../sys/files.ts";
import { isTerminal } from "../sys/terminal.ts";
import { command, flag } from "./command.ts";
import { oneContainer } from "./each_container.ts";

/** Podman's status when the session, not its command, could not be had. */
const SESSION_FAILED = 255;

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
  arguments: { min: 0, max: Infinity },
  stopsAtFirstArgument: true,
  needs: ["db", "runtime", "monitor"],
  async run({ engine, output }, args, flags) {
    const words = flags.latest ? args : args.slice(1);
    if (args.length === 0 && !flags.latest) {
      throw new CoracleError("usage", "cannot run exec", {
        why: "exec requires the name or ID of a container or the --latest flag",
      });
    }
    const row = oneContainer(engine.db, args[0], flags.latest);
    if (words.length === 0) {
      throw new CoracleError("usage", "cannot run exec", {
        why: "must provide a non-empty command to start an exec session: invalid argument",
        exitStatus: SESSION_FAILED,
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
    const end = await withStatus(() =>
      execInContainer(
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
      )
    );
    if (flags.detach) output.line(end.session);
    return end.exitCode ?? 0;
  },
});

/** Gives failures that have no status of their own the one of a session that failed. */
async function withStatus<Value>(work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    // A failed call is about our own streams: a reader that has gone is told by its errno.
    if (!(error instanceof CoracleError) || error instanceof SysError) throw error;
    if (error.exitStatus !== 125) throw error;
    const { code, what, why, hint } = error;
    throw new CoracleError(code, what, {
      ...(why === undefined ? {} : { why }),
      ...(hint === undefined ? {} : { hint }),
      cause: error,
      exitStatus: SESSION_FAILED,
    });
  }
}
