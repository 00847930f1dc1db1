/**
 * Facts about this host and what this process may do.
 */
import { CoracleError } from "../errors.ts";
import { readText, readTextOrNull } from "./files.ts";
import { sysError } from "./errno.ts";
import { fixed, libc } from "./libc.ts";

/** Go's (and so OCI's) names of architectures, by Node's. */
const GO_NAMES: Readonly<Record<string, string>> = {
  x64: "amd64",
  arm64: "arm64",
  arm: "arm",
  ia32: "386",
  ppc64: "ppc64le",
  s390x: "s390x",
  riscv64: "riscv64",
  loong64: "loong64",
};

/** "amd64", "arm64", … as in image configs. */
export function architecture(): string {
  return GO_NAMES[process.arch] ?? process.arch;
}

/** "6.18.44-…". */
export function kernelRelease(): string {
  return readText("/proc/sys/kernel/osrelease").trim();
}

/** Is the kernel at least this one? `kernelAtLeast(5, 11)`. */
export function kernelAtLeast(major: number, minor: number): boolean {
  const [ours = 0, sub = 0] = kernelRelease().split(/[^0-9]+/).map(Number);
  return ours > major || (ours === major && sub >= minor);
}

export function hostName(): string {
  return readText("/proc/sys/kernel/hostname").trim();
}

/** /etc/os-release as a table: ID, VERSION_ID, PRETTY_NAME, … */
export function osRelease(): Record<string, string> {
  const content = readTextOrNull("/etc/os-release") ?? readTextOrNull("/usr/lib/os-release") ?? "";
  const out: Record<string, string> = {};
  for (const line of content.split("\n")) {
    const match = /^([A-Z_0-9]+)=(.*)$/.exec(line.trim());
    if (match !== null) out[match[1]!] = match[2]!.replace(/^(["'])(.*)\1$/, "$2");
  }
  return out;
}

function memory(field: string): number {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(readText("/proc/meminfo"));
  return Number(match?.[1] ?? 0) * 1024;
}

/** Bytes. */
export function memoryTotal(): number {
  return memory("MemTotal");
}
/** Bytes not used by anything. */
export function memoryFree(): number {
  return memory("MemFree");
}
/** Bytes that programs could take without swapping. */
export function memoryAvailable(): number {
  return memory("MemAvailable");
}
/** Bytes. */
export function swapTotal(): number {
  return memory("SwapTotal");
}
/** Bytes. */
export function swapFree(): number {
  return memory("SwapFree");
}

/** Seconds since the kernel started. */
export function uptime(): number {
  return Number(readText("/proc/uptime").split(" ")[0]);
}

/** Processors that this process may use. */
export function cpuCount(): number {
  const allowed = /^Cpus_allowed_list:\s+(.*)$/m.exec(readText("/proc/self/status"))?.[1] ?? "0";
  return allowed.split(",").reduce((sum, range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return sum + last - first + 1;
  }, 0);
}

/** File systems the kernel can mount now; a module that is not loaded is not among them. */
export function fileSystems(): string[] {
  return readText("/proc/filesystems").split("\n").map((line) => line.split("\t")[1] ?? "")
    .filter((name) => name !== "");
}

export function userId(): number {
  return statusIds("Uid");
}
export function groupId(): number {
  return statusIds("Gid");
}

/** The effective id of the four in /proc/self/status. */
function statusIds(field: string): number {
  const match = new RegExp(`^${field}:\\s+\\d+\\s+(\\d+)`, "m").exec(readText("/proc/self/status"));
  return Number(match?.[1] ?? -1);
}

export function isRoot(): boolean {
  return userId() === 0;
}

/** Are we in a user namespace other than the first, where root may less? */
export function isInUserNamespace(): boolean {
  const map = (readTextOrNull("/proc/self/uid_map") ?? "").trim().split(/\s+/);
  return map.length > 0 && map.join(" ") !== "0 0 4294967295" && map[0] !== "";
}

/** Capabilities by bit. capability.h. */
const CAPABILITIES = "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP \
LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE \
SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME \
SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG \
WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE".split(" ");

/** What this process may do ("effective") or may ever give to a child ("bounding"): CAP_CHOWN, … */
export function capabilities(set: "effective" | "bounding" = "effective"): string[] {
  const field = set === "effective" ? "CapEff" : "CapBnd";
  const hex = new RegExp(`^${field}:\\s+([0-9a-f]+)`, "m").exec(readText("/proc/self/status"))?.[1];
  const bits = BigInt(`0x${hex ?? "0"}`);
  return CAPABILITIES.filter((_, i) => (bits >> BigInt(i) & 1n) === 1n).map((name) =>
    `CAP_${name}`
  );
}

/** Limits by number. asm-generic/resource.h. */
const RESOURCES = "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE \
NICE RTPRIO RTTIME".split(" ");

export interface Limit {
  /** Infinity is "unlimited". */
  readonly soft: number;
  readonly hard: number;
}

const limitBuffer = fixed(16);
const limitView = new DataView(limitBuffer.buffer);

/** The limits of this process by name: RLIMIT_NOFILE, … getrlimit(2). */
export function rlimits(): Record<string, Limit> {
  const value = (at: number) => {
    const number = limitView.getBigUint64(at, true);
    return number === 0xffffffffffffffffn ? Infinity : Number(number);
  };
  return Object.fromEntries(RESOURCES.map((name, number) => {
    if (libc.prlimit(0, number, null, limitBuffer) !== 0) throw sysError("read limit", name);
    return [`RLIMIT_${name}`, { soft: value(0), hard: value(8) }];
  }));
}

/** Sets a limit of this process, by the same names. */
export function setRlimit(name: string, { soft, hard }: Limit): void {
  const number = RESOURCES.indexOf(name.replace(/^RLIMIT_/, ""));
  if (number < 0) {
    throw new CoracleError("usage", `cannot set limit ${JSON.stringify(name)}`, {
      why: "there is no such limit",
    });
  }
  const bits = (value: number) => value === Infinity ? 0xffffffffffffffffn : BigInt(value);
  limitView.setBigUint64(0, bits(soft), true);
  limitView.setBigUint64(8, bits(hard), true);
  if (libc.prlimit(0, number, limitBuffer, null) !== 0) throw sysError("set limit", name);
}
