/** The processes of a running container as the host's /proc has them, with their pids inside. proc(5). */
import { parseGroup, parsePasswd, readBeneath } from "../container/users.ts";
import { CoracleError, isErrno } from "../errors.ts";
import type { ContainerRow } from "../state/containers.ts";
import { AT_FDCWD, close, O, readlinkAt } from "../sys/at.ts";
import { listNames, openText, readTextOrNull } from "../sys/files.ts";
import { raw } from "../terms.ts";
import { stateOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";

/** One process; ids of users and groups are those of the host. */
export interface ProcessFacts {
  readonly hostPid: number;
  readonly pid: number;
  /** 0 when the parent is outside of the container. */
  readonly parent: number;
  readonly group: number;
  /** The name of the program, from the kernel. */
  readonly name: string;
  readonly command: readonly string[];
  /** One letter. */
  readonly state: string;
  readonly terminal: number;
  readonly nice: number;
  /** Milliseconds. */
  readonly cpuTime: number;
  readonly elapsed: number;
  /** KiB. */
  readonly virtualSize: number;
  readonly residentSize: number;
  /** Real and effective. */
  readonly uids: readonly [number, number];
  readonly gids: readonly [number, number];
  readonly groups: readonly number[];
  /** By the first letters of their lines in status: Inh, Prm, Eff, Bnd, Amb. */
  readonly capabilities: Readonly<Record<string, bigint>>;
  /** 0 none, 1 strict, 2 filter. */
  readonly seccomp: number;
  readonly label: string;
}

/** Names of users and groups by number. */
export interface Names {
  readonly users: ReadonlyMap<number, string>;
  readonly groups: ReadonlyMap<number, string>;
}

/** USER_HZ, which is 100 on every architecture we know. */
const TICK_MS = 10;

/** Fails with `state` unless the container is running. Ordered by the pid inside. */
export function containerProcesses(
  engine: Pick<Engine, "paths">,
  row: ContainerRow,
): ProcessFacts[] {
  if (stateOf(engine, row) !== "running") {
    throw new CoracleError("state", `cannot list the processes of container "${row.name}"`, {
      why: "top can only be used on running containers",
    });
  }
  const uptime = Number((readTextOrNull("/proc/uptime") ?? "0").split(" ")[0]) * 1000;
  const depth = Math.max(0, (statusOf(row.pid)?.get("NSpid")?.split(/\s+/).length ?? 1) - 1);
  const inside = pidsInside(row.pid);
  const ids = new Map<number, number>();
  const found: ProcessFacts[] = [];
  for (const pid of inside) {
    const facts = readProcess(pid, { depth, uptime });
    if (facts === null) continue;
    ids.set(pid, facts.pid);
    found.push(facts);
  }
  return found.map((facts) => ({ ...facts, parent: ids.get(facts.parent) ?? 0 }))
    .sort((a, b) => a.pid - b.pid);
}

/** Host pids in the pid namespace of `pid`, and in those that were made inside of it. */
function pidsInside(pid: number): number[] {
  const wanted = namespaceOf(pid);
  const all = listNames("/proc").filter((name) => /^\d+$/.test(name)).map(Number)
    .sort((a, b) => a - b);
  const inside = new Set(all.filter((one) => namespaceOf(one) === wanted));
  const parents = new Map(all.map((one) => [one, parentOf(one)]));
  for (const one of all) {
    const way: number[] = [];
    for (let at = one; at > 1 && !inside.has(at) && way.length < all.length;) {
      way.push(at);
      at = parents.get(at) ?? 0;
      if (inside.has(at)) way.forEach((each) => inside.add(each));
    }
  }
  return [...inside].sort((a, b) => a - b);
}

function namespaceOf(pid: number): string | null {
  try {
    return readlinkAt(AT_FDCWD, raw(`/proc/${pid}/ns/pid`));
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH", "EACCES")) return null;
    throw error;
  }
}

function parentOf(pid: number): number {
  return Number(statOf(pid)?.[1] ?? 0);
}

/** Fields of stat from the state on: the name before may hold spaces and parentheses. */
function statOf(pid: number): string[] | null {
  const line = readTextOrNull(`/proc/${pid}/stat`);
  return line === null ? null : line.slice(line.lastIndexOf(")") + 2).trim().split(" ");
}

function statusOf(pid: number): ReadonlyMap<string, string> | null {
  const content = readTextOrNull(`/proc/${pid}/status`);
  if (content === null) return null;
  return new Map(
    content.split("\n").map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    }),
  );
}

/** Null when the process has ended meanwhile. `parent` is a host pid here. */
function readProcess(
  hostPid: number,
  place: { readonly depth: number; readonly uptime: number },
): ProcessFacts | null {
  const stat = statOf(hostPid);
  const status = statusOf(hostPid);
  if (stat === null || status === null) return null;
  const field = (n: number) => Number(stat[n - 3] ?? 0); // numbered as in proc(5)
  const numbers = (key: string) =>
    (status.get(key) ?? "").split(/\s+/).filter((word) => word !== "").map(Number);
  const [realUid = 0, uid = 0] = numbers("Uid");
  const [realGid = 0, gid = 0] = numbers("Gid");
  const name = status.get("Name") ?? "";
  const words = (readTextOrNull(`/proc/${hostPid}/cmdline`) ?? "").replace(/\0+$/, "").split("\0");
  return {
    hostPid,
    pid: numbers("NSpid")[place.depth] ?? hostPid,
    parent: field(4),
    group: numbers("NSpgid")[place.depth] ?? field(5),
    name,
    command: words[0] === "" && words.length === 1 ? [`[${name}]`] : words,
    state: stat[0] ?? "",
    terminal: field(7),
    nice: field(19),
    cpuTime: (field(14) + field(15)) * TICK_MS,
    elapsed: Math.max(0, place.uptime - field(22) * TICK_MS),
    virtualSize: Math.floor(field(23) / 1024),
    residentSize: Number((status.get("VmRSS") ?? "0").split(" ")[0]),
    uids: [realUid, uid],
    gids: [realGid, gid],
    groups: numbers("Groups"),
    capabilities: Object.fromEntries(
      ["Inh", "Prm", "Eff", "Bnd", "Amb"].map((set) =>
        [set, BigInt(`0x${status.get(`Cap${set}`) ?? "0"}`)] as const
      ),
    ),
    seccomp: Number(status.get("Seccomp") ?? 0),
    label: labelOf(hostPid),
  };
}

/** The security module's word on the process; "?" without such a module. */
function labelOf(pid: number): string {
  try {
    return (readTextOrNull(`/proc/${pid}/attr/current`) ?? "").replace(/[\0\n]+$/, "") || "?";
  } catch (error) {
    if (isErrno(error, "EINVAL", "EACCES", "EPERM", "ENOSYS")) return "?";
    throw error;
  }
}

/** Names as the container's own files have them. */
export function containerNames(row: ContainerRow): Names {
  return namesBelow(`/proc/${row.pid}/root`);
}

/** Names as the host has them. */
export function hostNames(): Names {
  return namesBelow("/");
}

function namesBelow(directory: string): Names {
  let root: number;
  try {
    root = openText(directory, O.RDONLY | O.DIRECTORY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return { users: new Map(), groups: new Map() };
    throw error;
  }
  try {
    // Of two names for a number the first counts.
    const passwd = parsePasswd(readBeneath(root, "etc/passwd")).reverse();
    const group = parseGroup(readBeneath(root, "etc/group")).reverse();
    return {
      users: new Map(passwd.map(({ uid, name }) => [uid, name])),
      groups: new Map(group.map(({ gid, name }) => [gid, name])),
    };
  } finally {
    close(root);
  }
}
