/** `coracle logs`: what containers wrote, standard output and standard error apart. */
import { parseMoment } from "../container/arguments/moment.ts";
import type { LogSink } from "../container/log_printer.ts";
import { printLogs } from "../engine/container_logs.ts";
import { type ContainerRow, findContainer, latestContainer } from "../engine/find_container.ts";
import { CoracleError } from "../errors.ts";
import { command, type Context, flag } from "./command.ts";

/** Podman's order of colours: one for each container, then again from the start. */
const COLOURS = [37, 31, 33, 34, 35, 36, 32];
const NEWLINE = 10;

export const logs = command({
  name: "logs",
  aliases: ["container logs"],
  summary: "Fetch the logs of one or more containers",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: [
    "coracle logs web",
    "coracle logs --follow --since 10m web",
    "coracle logs --names --tail 5 web db",
  ],
  flags: {
    color: flag.boolean("--color", "A colour for each container"),
    details: flag.boolean("--details", "Accepted for Docker's sake", { hidden: true }),
    follow: flag.boolean("-f, --follow", "Go on until the containers have ended"),
    latest: flag.boolean("-l, --latest", "The container made last"),
    names: flag.boolean("-n, --names", "The name in front of each line, with several containers"),
    since: flag.text("--since MOMENT", "Only later lines: a time, or how long ago (10m)"),
    tail: flag.integer("--tail LINES", "Only the last lines; -1 for all", { fallback: -1 }),
    timestamps: flag.boolean("-t, --timestamps", "The time in front of each line"),
    until: flag.text("--until MOMENT", "Only earlier lines: a time, or how long from now"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db"],
  run(context, names, flags) {
    const { engine, output } = context;
    const rows = choose(context, names, flags.latest);
    const since = momentOf("--since", flags.since);
    const until = momentOf("--until", flags.until);
    const isMany = rows.length > 1;
    output.flush();
    printLogs(engine, rows, {
      follow: flags.follow,
      timestamps: flags.timestamps,
      ...(since === undefined ? {} : { since }),
      ...(until === undefined ? {} : { until }),
      ...(flags.tail < 0 ? {} : { tail: flags.tail }),
      ...(isMany ? { prefix: (row) => `${flags.names ? row.name : row.id.slice(0, 12)} ` } : {}),
    }, (row) => {
      const plain: LogSink = { write: (stream, bytes) => output.writeTo(stream, bytes) };
      return flags.color && isMany ? coloured(plain, rows.indexOf(row)) : plain;
    });
  },
});

function choose(
  { engine }: Context,
  names: readonly string[],
  latest: boolean,
): readonly ContainerRow[] {
  const wrong = (why: string) => new CoracleError("usage", "cannot read logs", { why });
  if (latest && names.length > 0) throw wrong("--latest and containers cannot be used together");
  if (!latest && names.length === 0) {
    throw wrong("specify at least one container name or ID to log");
  }
  if (latest) return [latestContainer(engine.db)];
  return names.map((name) => findContainer(engine.db, name));
}

function momentOf(name: string, text: string | undefined): bigint | undefined {
  if (text === undefined || text === "") return undefined;
  const moment = parseMoment(text, { ahead: name === "--until" });
  if (moment !== null) return moment;
  throw new CoracleError("usage", `cannot use ${name} ${JSON.stringify(text)}`, {
    why: `parsing ${name} ${JSON.stringify(text)}: unable to interpret time value`,
    hint: "give a time such as 2026-01-31T12:00:00, seconds since 1970, or a span such as 90m",
  });
}

/** Each line between the container's colour and the end of colours. */
function coloured(sink: LogSink, index: number): LogSink {
  const begin = Buffer.from(`\x1b[${COLOURS[index % COLOURS.length]}m`);
  const end = Buffer.from("\x1b[0m");
  return {
    write(stream, bytes) {
      const parts: Uint8Array[] = [];
      for (let start = 0; start < bytes.length;) {
        const newline = bytes.indexOf(NEWLINE, start);
        const stop = newline < 0 ? bytes.length : newline;
        parts.push(begin, bytes.subarray(start, stop), end);
        if (newline >= 0) parts.push(bytes.subarray(newline, newline + 1));
        start = stop + 1;
      }
      sink.write(stream, Buffer.concat(parts));
    },
  };
}
