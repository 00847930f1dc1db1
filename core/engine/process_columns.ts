/** The columns of `top`: ps(1)'s AIX descriptors and those that Podman adds for containers. */
import { goDuration } from "../container/arguments/moment.ts";
import { CAPABILITIES } from "../container/capabilities.ts";
import type { Names, ProcessFacts } from "./container_processes.ts";

/** Names inside of the container and on the host. */
export interface Directory {
  readonly inside: Names;
  readonly host: Names;
}

export interface Column {
  readonly title: string;
  readonly show: (process: ProcessFacts, names: Directory) => string;
}

const user = (id: number, { users }: Names) => users.get(id) ?? String(id);
const group = (id: number, { groups }: Names) => groups.get(id) ?? String(id);
const groups = (ids: readonly number[], names: Names) =>
  ids.map((id) => group(id, names)).join(",");

function capability(title: string, set: string): Column {
  return { title, show: (one) => capabilityNames(one.capabilities[set] ?? 0n) };
}

/** Names without "CAP_" in the order of the alphabet; "full" for all, "none". */
function capabilityNames(mask: bigint): string {
  if (mask === 0n) return "none";
  const names = CAPABILITIES.filter((_, bit) => (mask >> BigInt(bit) & 1n) === 1n);
  if (names.length === CAPABILITIES.length) return "full";
  return names.map((name) => name.slice(4)).sort().join(",");
}

export const COLUMNS: Readonly<Record<string, Column>> = {
  args: { title: "COMMAND", show: (one) => one.command.join(" ") },
  capamb: capability("AMBIENT CAPS", "Amb"),
  capbnd: capability("BOUNDING CAPS", "Bnd"),
  capeff: capability("EFFECTIVE CAPS", "Eff"),
  capinh: capability("INHERITED CAPS", "Inh"),
  capprm: capability("PERMITTED CAPS", "Prm"),
  comm: { title: "COMMAND", show: (one) => one.name },
  etime: { title: "ELAPSED", show: (one) => goDuration(one.elapsed) },
  group: { title: "GROUP", show: (one, { inside }) => group(one.gids[1], inside) },
  groups: { title: "GROUPS", show: (one, { inside }) => groups(one.groups, inside) },
  hgroup: { title: "HGROUP", show: (one, { host }) => group(one.gids[1], host) },
  hgroups: { title: "HGROUPS", show: (one, { host }) => groups(one.groups, host) },
  hpid: { title: "HPID", show: (one) => String(one.hostPid) },
  huser: { title: "HUSER", show: (one, { host }) => user(one.uids[1], host) },
  label: { title: "LABEL", show: (one) => one.label },
  nice: { title: "NI", show: (one) => String(one.nice) },
  pcpu: {
    title: "%CPU",
    show: (one) => (one.elapsed === 0 ? 0 : 100 * one.cpuTime / one.elapsed).toFixed(3),
  },
  pgid: { title: "PGID", show: (one) => String(one.group) },
  pid: { title: "PID", show: (one) => String(one.pid) },
  ppid: { title: "PPID", show: (one) => String(one.parent) },
  rgroup: { title: "RGROUP", show: (one, { inside }) => group(one.gids[0], inside) },
  rss: { title: "RSS", show: (one) => String(one.residentSize) },
  ruser: { title: "RUSER", show: (one, { inside }) => user(one.uids[0], inside) },
  seccomp: {
    title: "SECCOMP",
    show: (one) => ["disabled", "strict", "filter"][one.seccomp] ?? String(one.seccomp),
  },
  state: { title: "STATE", show: (one) => one.state },
  stime: { title: "STIME", show: (one) => startTime(one.elapsed) },
  time: { title: "TIME", show: (one) => goDuration(one.cpuTime) },
  tty: { title: "TTY", show: (one) => terminalName(one.terminal) },
  user: { title: "USER", show: (one, { inside }) => user(one.uids[1], inside) },
  vsz: { title: "VSZ", show: (one) => String(one.virtualSize) },
};

/** ps(1)'s AIX letters. */
const LETTERS: Readonly<Record<string, string>> = {
  "%C": "pcpu",
  "%G": "group",
  "%P": "ppid",
  "%U": "user",
  "%a": "args",
  "%c": "comm",
  "%g": "rgroup",
  "%n": "nice",
  "%p": "pid",
  "%r": "pgid",
  "%t": "etime",
  "%u": "ruser",
  "%x": "time",
  "%y": "tty",
  "%z": "vsz",
};

export const STANDARD_COLUMNS: readonly string[] = [
  "user",
  "pid",
  "ppid",
  "pcpu",
  "etime",
  "tty",
  "time",
  "args",
];

/** The column of a descriptor (`pid`, `%p`), undefined when there is none. */
export function columnOf(descriptor: string): Column | undefined {
  const name = LETTERS[descriptor] ?? descriptor;
  return Object.hasOwn(COLUMNS, name) ? COLUMNS[name] : undefined;
}

/** "2026-01-02 03:04:05 +0000 UTC". */
function startTime(elapsed: number): string {
  const at = new Date(Date.now() - elapsed).toISOString();
  return `${at.slice(0, 10)} ${at.slice(11, 19)} +0000 UTC`;
}

/** proc(5), tty_nr: the minor number is in bits 31-20 and 7-0, the major in 15-8. */
function terminalName(device: number): string {
  if (device === 0) return "?";
  const major = device >> 8 & 0xff;
  const minor = (device >>> 20 & 0xfff) << 8 | device & 0xff;
  // Unix98 pseudo terminals: 136 to 143, 256 of them each.
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`;
  if (major === 4) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  return `${major}:${minor}`;
}
