/**
 * Limits of the container's processes: the defaults, the user's, and what this process may set.
 * A runtime fails the whole container when one limit cannot be set, so limits are cut to what the
 * kernel will grant. setrlimit(2).
 */
import type { UlimitRequest } from "./request.ts";

export interface Limit {
  /** `Infinity`: unlimited. */
  readonly soft: number;
  readonly hard: number;
}

export interface HostLimits {
  /** This process's own limits by the kernel's name, `RLIMIT_NOFILE`. */
  readonly own: Readonly<Record<string, Limit>>;
  /** It has CAP_SYS_RESOURCE and may raise hard limits. */
  readonly canRaise: boolean;
  /** fs.nr_open: above it not even CAP_SYS_RESOURCE helps. */
  readonly maxOpenFiles: number;
}

export interface ResolvedLimit extends Limit {
  readonly name: string;
}

export interface Limits {
  readonly limits: readonly ResolvedLimit[];
  /** One sentence for each limit the user asked for and did not get. */
  readonly notes: readonly string[];
}

/** containers.conf(5), `default_ulimits`. */
const DEFAULTS: readonly ResolvedLimit[] = [
  { name: "nofile", soft: 1_048_576, hard: 1_048_576 },
  { name: "nproc", soft: 32_768, hard: 32_768 },
];

/** The defaults, overlaid with `asked`, cut to what `host` may grant. "host": the host's own. */
export function resolveLimits(asked: readonly UlimitRequest[] | "host", host: HostLimits): Limits {
  if (asked === "host") return { limits: [], notes: [] };
  const wanted = new Map(DEFAULTS.map((limit) => [limit.name, limit]));
  for (const { name, soft, hard } of asked) {
    wanted.set(name, { name, soft: unlimited(soft), hard: unlimited(hard) });
  }
  const notes: string[] = [];
  const limits = [...wanted.values()].map((limit) => {
    const most = mostOf(limit.name, host);
    if (limit.hard <= most) return limit;
    const cut = { name: limit.name, soft: Math.min(limit.soft, most), hard: most };
    if (asked.some((one) => one.name === limit.name)) {
      notes.push(
        `ulimit ${limit.name}=${limitText(limit.soft)}:${limitText(limit.hard)} was cut to ` +
          `${limitText(cut.soft)}:${limitText(cut.hard)}, the most this process may set`,
      );
    }
    return cut;
  });
  return { limits: limits.sort((a, b) => a.name < b.name ? -1 : 1), notes };
}

function mostOf(name: string, host: HostLimits): number {
  if (!host.canRaise) return host.own[limitName(name)]?.hard ?? Infinity;
  return name === "nofile" ? host.maxOpenFiles : Infinity;
}

function unlimited(value: number): number {
  return value < 0 ? Infinity : value;
}

export function limitText(value: number): string {
  return value === Infinity ? "unlimited" : String(value);
}

/** `nofile` -> `RLIMIT_NOFILE`. */
export function limitName(ulimit: string): string {
  return `RLIMIT_${ulimit.toUpperCase()}`;
}
