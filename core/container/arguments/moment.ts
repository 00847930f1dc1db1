/**
 * Moments and spans of time as users write them: `--since`, `--until`, `until=`, `--interval`.
 * Go's time.ParseDuration and the layouts that Docker and Podman accept.
 */

/** Milliseconds per unit of a Go duration. */
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  "μs": 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** `1h30m`, `-5s`, `250ms`, `0` to milliseconds; null when it is none. */
export function parseDuration(text: string): number | null {
  const [, sign, rest = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === "0") return 0;
  if (!/^((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/.test(rest)) return null;
  let sum = 0;
  for (const [, number, unit] of rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    sum += Number(number) * (UNITS[unit ?? ""] ?? 0);
  }
  return sign === "-" ? -sum : sum;
}

export interface MomentOptions {
  /** A duration counts from now into the future instead of into the past (`logs --until`). */
  readonly ahead?: boolean;
  /** Milliseconds since 1970; now when absent. */
  readonly now?: number;
}

/** Date, and optionally hours, minutes, seconds with a fraction, and a zone. */
const LAYOUT =
  /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?)?(Z|[+-]\d\d:\d\d)?$/;

/**
 * Nanoseconds since 1970 of a date and time (of this host's zone when none is written), of seconds
 * since 1970, or of a duration counted from now; null when it is none of them.
 */
export function parseMoment(text: string, options: MomentOptions = {}): bigint | null {
  const written = LAYOUT.exec(text);
  if (written !== null) return layoutMoment(written);
  if (/^\d+(\.\d{1,9})?$/.test(text)) {
    const [seconds = "0", fraction = ""] = text.split(".");
    return BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
  }
  const duration = parseDuration(text);
  if (duration === null) return null;
  const now = options.now ?? Date.now();
  return BigInt(Math.round(options.ahead ? now + duration : now - duration)) * 1_000_000n;
}

function layoutMoment(parts: RegExpExecArray): bigint | null {
  const [, date, hour = "00", minute = "00", second = "00", fraction = "", zone = ""] = parts;
  const at = Date.parse(`${date}T${hour}:${minute}:${second}${zone}`);
  if (Number.isNaN(at)) return null;
  return BigInt(at) * 1_000_000n + BigInt(fraction.slice(1).padEnd(9, "0"));
}

/** As Go prints a duration: "1m16.82s", "250ms", "0s". */
export function goDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 0) return `-${goDuration(-ms)}`;
  if (ms < 1) return `${tidy(ms * 1000)}µs`;
  if (ms < 1000) return `${tidy(ms)}ms`;
  const minutes = Math.floor(ms / 60_000);
  const seconds = `${tidy((ms - minutes * 60_000) / 1000)}s`;
  if (minutes === 0) return seconds;
  const hours = Math.floor(minutes / 60);
  return hours === 0 ? `${minutes}m${seconds}` : `${hours}h${minutes % 60}m${seconds}`;
}

/** At most nine digits behind the point, without the noise of binary fractions. */
function tidy(value: number): string {
  return String(Number(value.toFixed(9)));
}
