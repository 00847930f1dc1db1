/** Reads the logs of containers, one after the other, or all at once while they are followed. */
import { type LogOptions, type LogReader, openLog } from "../container/logs.ts";
import type { LogSink } from "../container/log_printer.ts";
import { CoracleError, hasCode } from "../errors.ts";
import type { ContainerRow } from "../state/containers.ts";
import { poll } from "../sys/pipe.ts";
import { containerFiles } from "./container_files.ts";
import { derived, recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";

export interface ContainerLogOptions extends Omit<LogOptions, "follow" | "prefix"> {
  /** Stay until every container has ended. */
  readonly follow?: boolean;
  /** Text in front of every line. */
  readonly prefix?: (row: ContainerRow) => string | undefined;
}

/**
 * Prints the logs into each container's sink, in turn or, with `follow`, as they come. A container
 * without a log (it never ran, or its log driver keeps none) prints nothing. Blocks.
 */
export function printLogs(
  engine: Pick<Engine, "paths">,
  rows: readonly ContainerRow[],
  options: ContainerLogOptions,
  sinkOf: (row: ContainerRow) => LogSink,
): void {
  const readers: LogReader[] = [];
  try {
    for (const row of rows) {
      const reader = openContainerLog(engine, row, options, sinkOf(row));
      if (reader === null) continue;
      if (reader.pump()) reader.close();
      else readers.push(reader);
    }
    while (readers.length > 0) {
      const fds = readers.flatMap(({ wake }) => wake);
      if (fds.length > 0) poll(fds.map((fd) => ({ fd, events: "in" })), -1);
      for (const reader of [...readers]) {
        if (!reader.pump()) continue;
        reader.close();
        readers.splice(readers.indexOf(reader), 1);
      }
    }
  } finally {
    for (const reader of readers) reader.close();
  }
}

function openContainerLog(
  engine: Pick<Engine, "paths">,
  row: ContainerRow,
  { follow, prefix, ...rest }: ContainerLogOptions,
  sink: LogSink,
): LogReader | null {
  if (recordOf(row).resolved.request.log.driver === "none") {
    throw new CoracleError("state", `cannot read the logs of container "${row.name}"`, {
      why: "this container is using the 'none' log driver, cannot read logs: " +
        "this container is not logging output",
    });
  }
  const { state } = derived(engine, row);
  const isLiving = state === "running" || state === "paused" || state === "created";
  const text = prefix?.(row);
  try {
    return openLog([recordOf(row).logPath], {
      ...rest,
      ...(text === undefined ? {} : { prefix: text }),
      ...(follow && isLiving
        ? {
          follow: {
            exitFile: containerFiles(engine.paths, row.id).exit,
            monitorPid: row.monitorPid,
          },
        }
        : {}),
    }, sink);
  } catch (error) {
    if (hasCode(error, "notfound")) return null;
    throw error;
  }
}
