/** `coracle wait`: waits for the end of containers and prints how each ended. */
import { parseDuration } from "../container/arguments/moment.ts";
import { checkStatus } from "../engine/filter_containers.ts";
import { findContainer, latestContainer } from "../engine/find_container.ts";
import { waitForState } from "../engine/wait_condition.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";

/** Less would be a busy loop. Milliseconds. */
const SHORTEST = 1;

export const wait = command({
  name: "wait",
  aliases: ["container wait"],
  summary: "Wait for containers to end and print their exit statuses",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: ["coracle wait web", "coracle wait --condition running web db"],
  flags: {
    condition: flag.list("--condition STATE", "Wait for this state", { splitOnComma: true }),
    interval: flag.text("-i, --interval DURATION", "Time between two looks", {
      fallback: "250ms",
    }),
    latest: flag.boolean("-l, --latest", "The container made last"),
  },
  arguments: { min: 0, max: Infinity },
  needs: ["db"],
  run({ engine, output }, names, { condition, interval, latest }) {
    const options = { conditions: condition.map(checkStatus), interval: pause(interval) };
    if (latest && names.length > 0) {
      throw new CoracleError("usage", "cannot wait", {
        why: "--latest and containers cannot be used together",
      });
    }
    if (!latest && names.length === 0) {
      throw new CoracleError("usage", "cannot wait", {
        why: '"coracle wait" requires a name, id, or the "--latest" flag',
      });
    }
    // All are looked up first: a wrong name must not be noticed only after hours of waiting.
    const rows = latest
      ? [latestContainer(engine.db)]
      : names.map((name) => findContainer(engine.db, name));
    for (const row of rows) {
      const status = waitForState(engine, row, options);
      if (status === null) {
        throw new CoracleError("notfound", `cannot wait for container "${row.name}"`, {
          why: "no such container: it was removed meanwhile",
        });
      }
      output.line(String(status));
      output.flush();
    }
  },
});

/** A Go duration, or milliseconds as a plain number. */
function pause(text: string): number {
  const duration = /^-?\d+$/.test(text) ? Number(text) : parseDuration(text);
  if (duration !== null) return Math.max(SHORTEST, duration);
  throw new CoracleError("usage", 'cannot use "--interval"', {
    why: `time: invalid duration ${JSON.stringify(text)}`,
  });
}
