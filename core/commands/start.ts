/** `coracle start`: starts containers, attached or in the background. */
import { endOfRun, stayUntilEnd, streamsFor } from "../engine/run_container.ts";
import { recordOf, stateOf } from "../engine/container_state.ts";
import { listedContainers } from "../engine/list_containers.ts";
import { attachRunning, startAttached, startContainer } from "../engine/start_container.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { checkChoice, eachContainer, oneContainer } from "./each_container.ts";

type Row = Parameters<typeof stateOf>[1];

export const start = command({
  name: "start",
  aliases: ["container start"],
  summary: "Start one or more containers",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: [
    "coracle start web",
    "coracle start --attach --interactive box",
    "coracle start --all",
  ],
  flags: {
    all: flag.boolean("--all", "Start all containers that do not run"),
    attach: flag.boolean("-a, --attach", "Show its output and give its exit status"),
    detachKeys: flag.text("--detach-keys KEYS", "Keys that leave it running"),
    filter: flag.list("-f, --filter FILTER", "Start those that fit (see ps)"),
    interactive: flag.boolean("-i, --interactive", "Give it our standard input"),
    latest: flag.boolean("-l, --latest", "Use the container made last"),
    sigProxy: flag.boolean("--sig-proxy", "Pass our signals on to the container", {
      fallback: true,
    }),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db", "layers", "runtime", "monitor"],
  changes: true,
  async run(context, args, flags) {
    const { engine, output, forChildren } = context;
    const isAttached = flags.attach || flags.interactive;
    if (args.length === 0 && !flags.all && !flags.latest) {
      throw new CoracleError("usage", "cannot start containers", {
        why: "start requires at least one argument",
      });
    }
    const onNote = (note: string) => output.warn(note);
    if (!isAttached) {
      if (flags.all && args.length > 0) {
        throw new CoracleError("usage", "cannot start containers", {
          why: "either start all containers or the container(s) provided in the arguments",
        });
      }
      const fitting = flags.filter.length === 0 ? null : new Set(
        listedContainers(engine, { all: true, filters: flags.filter }).map(({ row }) => row.id),
      );
      const isFitting = (row: Row) => fitting?.has(row.id) ?? true;
      const where = (row: Row) => isFitting(row) && stateOf(engine, row) !== "running";
      const all = flags.all || (fitting !== null && args.length === 0 && !flags.latest);
      return await eachContainer(context, args, { ...flags, all, where }, (row, wanted) => {
        if (!isFitting(row)) return;
        startContainer(engine, row, { forChildren, onNote });
        output.line(wanted);
        output.flush();
      });
    }
    checkChoice(args, flags);
    if (args.length > 1 || flags.all) {
      throw new CoracleError("usage", "cannot start containers", {
        why: "you cannot start and attach multiple containers at once",
      });
    }
    const row = oneContainer(engine.db, args[0], flags.latest);
    const streams = {
      ...streamsFor(recordOf(row).resolved.request, {
        stdin: flags.interactive,
        stdout: true,
        stderr: true,
        detachKeys: flags.detachKeys ?? engine.config.container.detachKeys,
        sigProxy: flags.sigProxy,
      }),
    };
    const isRunning = stateOf(engine, row) === "running";
    const attached = isRunning
      ? attachRunning(engine, row, streams)
      : startAttached(engine, row, { forChildren, onNote, isAttended: true, streams });
    const end = await stayUntilEnd(engine, attached);
    return end === "detached" ? 0 : endOfRun(engine, attached.row);
  },
});
