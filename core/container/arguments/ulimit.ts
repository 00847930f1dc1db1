/**
 * `--ulimit NAME=SOFT[:HARD]` and the names the kernel knows. setrlimit(2).
 */
import type { UlimitRequest } from "../request.ts";
import { wrongValue } from "./wrong_value.ts";

export const ULIMIT_NAMES: readonly string[] = [
  "core",
  "cpu",
  "data",
  "fsize",
  "locks",
  "memlock",
  "msgqueue",
  "nice",
  "nofile",
  "nproc",
  "rss",
  "rtprio",
  "rttime",
  "sigpending",
  "stack",
];

/** -1 stands for unlimited; a single value is both limits. `host` is handled by the caller. */
export function parseUlimit(text: string): UlimitRequest {
  const fail = (why: string) =>
    wrongValue(
      "--ulimit",
      `ulimit option ${JSON.stringify(text)} requires name=SOFT:HARD, failed to be parsed: ${why}`,
    );
  const equals = text.indexOf("=");
  if (equals < 0) throw fail(`invalid ulimit argument: ${text}`);
  const name = text.slice(0, equals);
  const limits = text.slice(equals + 1);
  if (!ULIMIT_NAMES.includes(name)) throw fail(`invalid ulimit type: ${name}`);
  const parts = limits.split(":");
  if (parts.length > 2) {
    throw fail(
      `too many limit value arguments - ${limits}, can only have up to two, \`soft[:hard]\``,
    );
  }
  const [soft = 0, hard = soft] = parts.map((part) => {
    if (!/^[+-]?[0-9]+$/.test(part) || !Number.isSafeInteger(Number(part))) {
      throw fail(`strconv.ParseInt: parsing ${JSON.stringify(part)}: invalid syntax`);
    }
    return Math.max(-1, Number(part));
  });
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw fail(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  return { name, soft, hard };
}
