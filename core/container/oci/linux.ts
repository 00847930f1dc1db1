/**
 * The `linux` part of config.json: namespaces, cgroup, limits, devices, and what is hidden.
 * runtime-spec config-linux.md.
 */
import {
  type CreateRequest,
  DEFAULT_PIDS_LIMIT,
  type NamespaceMode,
  type ResourceRequest,
} from "../request.ts";
import { isPropagation } from "../arguments/mount_options.ts";
import { CoracleError } from "../../errors.ts";
import type { OciContext } from "../oci_config.ts";
import type { NamespaceType, OciDeviceRule, OciNamespace, OciResources, OciSpec } from "./spec.ts";
import { defaultSeccomp } from "../seccomp.ts";

/** Files that tell about or change the host. Podman's list. */
export const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/fs/selinux",
  "/sys/dev/block",
  "/sys/devices/virtual/powercap",
];

export const READONLY_PATHS: readonly string[] = [
  "/proc/asound",
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

type LinuxPart = OciSpec["linux"];

export function linuxPart(context: OciContext): LinuxPart {
  const { request } = context.resolved;
  const sysctl = sysctlsOf(request);
  const cgroupsPath = containerCgroup(context.id, request);
  const propagation = rootPropagation(context);
  const seccomp = seccompOf(context);
  return {
    ...(Object.keys(sysctl).length > 0 ? { sysctl } : {}),
    resources: resourcesOf(context),
    ...(cgroupsPath === null ? {} : { cgroupsPath }),
    namespaces: namespacesOf(context),
    ...(context.devices.nodes.length > 0 ? { devices: context.devices.nodes } : {}),
    ...(seccomp === null ? {} : { seccomp }),
    ...(propagation === null ? {} : { rootfsPropagation: propagation }),
    ...hiddenPaths(request),
  };
}

/** Where the container's cgroup is, below the controllers' roots; null when it gets none. */
export function containerCgroup(
  id: string,
  request: Pick<CreateRequest, "cgroups" | "cgroupParent">,
): string | null {
  if (request.cgroups === "disabled") return null;
  return `${(request.cgroupParent ?? "/coracle").replace(/\/+$/, "")}/coracle-${id}`;
}

/** Everyone in the container may ping; containers.conf(5), `default_sysctls`. */
const PING: Readonly<Record<string, string>> = { "net.ipv4.ping_group_range": "0 0" };

function sysctlsOf(request: CreateRequest): Record<string, string> {
  const isNewNetwork = request.network.kind === "private" || request.network.kind === "none";
  return { ...(isNewNetwork ? PING : {}), ...request.sysctls };
}

function namespacesOf(context: OciContext): OciNamespace[] {
  const { request } = context.resolved;
  const cgroupns: NamespaceMode = request.cgroupns ??
    { kind: context.host.cgroup === "v2" ? "private" : "host" };
  const modes: [NamespaceType, NamespaceMode][] = [
    ["pid", request.pid],
    ["network", request.network],
    ["ipc", request.ipc],
    ["uts", request.uts],
    ["cgroup", cgroupns],
  ];
  const namespaces: OciNamespace[] = [{ type: "mount" }];
  for (const [type, mode] of modes) {
    if (mode.kind === "host") continue;
    const isJoining = mode.kind === "container" || mode.kind === "path";
    const path = isJoining ? context.joins[type] : undefined;
    if (isJoining && path === undefined) {
      throw new CoracleError("failed", `cannot join a ${type} namespace`, {
        why: "nobody looked up its path",
      });
    }
    namespaces.push(path === undefined ? { type } : { type, path });
  }
  return namespaces;
}

function resourcesOf(context: OciContext): OciResources {
  const { request } = context.resolved;
  const devices = deviceRules(context);
  if (request.cgroups === "disabled") return { devices };
  const { resources } = request;
  const pidsLimit = resources.pidsLimit ?? DEFAULT_PIDS_LIMIT;
  return { devices, ...limitsOf({ ...resources, pidsLimit }) };
}

/** The limits that were asked for, and no others. */
export function limitsOf(wanted: ResourceRequest): Omit<OciResources, "devices"> {
  const { pidsLimit } = wanted;
  return {
    ...memoryOf(wanted),
    ...cpuOf(wanted),
    // 0 means "no limit" to runc and to crun; a negative number crun 1.8 writes as it is.
    ...(pidsLimit === undefined ? {} : { pids: { limit: Math.max(0, pidsLimit) } }),
    ...(wanted.blkioWeight ? { blockIO: { weight: wanted.blkioWeight } } : {}),
  };
}

function deviceRules({ resolved, devices }: OciContext): OciDeviceRule[] {
  if (resolved.request.privileged) return [{ allow: true, access: "rwm" }];
  return [
    { allow: false, access: "rwm" },
    ...devices.rules.map(({ type, major, minor, access }): OciDeviceRule => ({
      allow: true,
      type,
      ...(major === null ? {} : { major }),
      ...(minor === null ? {} : { minor }),
      access,
    })),
  ];
}

function memoryOf(resources: ResourceRequest): Pick<OciResources, "memory"> {
  const { memory, memorySwap, memoryReservation, memorySwappiness, oomKillDisable } = resources;
  // As in docker and Podman: without a word about swap, as much swap as memory.
  const swap = memorySwap ? memorySwap : memory ? memory * 2 : undefined;
  const part = {
    ...(memory ? { limit: memory } : {}),
    ...(swap === undefined ? {} : { swap }),
    ...(memoryReservation ? { reservation: memoryReservation } : {}),
    ...(memorySwappiness === undefined ? {} : { swappiness: memorySwappiness }),
    ...(oomKillDisable ? { disableOOMKiller: true } : {}),
  };
  return Object.keys(part).length > 0 ? { memory: part } : {};
}

/** Length of a CPU period when only a number of CPUs is given, microseconds. */
export const CPU_PERIOD = 100_000;

function cpuOf(resources: ResourceRequest): Pick<OciResources, "cpu"> {
  const { cpus, cpuShares, cpuQuota, cpuPeriod, cpusetCpus, cpusetMems } = resources;
  const part = {
    ...(cpuShares ? { shares: cpuShares } : {}),
    ...(cpus ? { quota: Math.round(cpus * CPU_PERIOD), period: CPU_PERIOD } : {}),
    ...(cpuQuota ? { quota: cpuQuota } : {}),
    ...(cpuPeriod ? { period: cpuPeriod } : {}),
    ...(cpusetCpus ? { cpus: cpusetCpus } : {}),
    ...(cpusetMems ? { mems: cpusetMems } : {}),
  };
  return Object.keys(part).length > 0 ? { cpu: part } : {};
}

function seccompOf(context: OciContext): LinuxPart["seccomp"] | null {
  if (context.seccomp !== undefined) return context.seccomp;
  const { request } = context.resolved;
  if (request.privileged || request.security.seccomp === "unconfined") return null;
  return defaultSeccomp({
    architecture: context.host.architecture,
    kernel: context.host.kernel,
    capabilities: context.capabilities.bounding,
  });
}

/** A shared or slave bind mount needs a root that passes mount events on. mount_namespaces(7). */
function rootPropagation({ resolved }: OciContext): string | null {
  const words = resolved.mounts.flatMap((mount) => mount.options.filter(isPropagation));
  if (words.some((word) => word.endsWith("shared"))) return "shared";
  return words.some((word) => word.endsWith("slave")) ? "rslave" : null;
}

function hiddenPaths(request: CreateRequest): Pick<LinuxPart, "maskedPaths" | "readonlyPaths"> {
  const { mask, unmask } = request.security;
  if (request.privileged) return {};
  const isShown = (path: string) =>
    unmask.some((one) => one.toUpperCase() === "ALL" || matchesPath(one, path));
  const masked = [...MASKED_PATHS.filter((path) => !isShown(path)), ...mask];
  const readonly = READONLY_PATHS.filter((path) => !isShown(path));
  return {
    ...(masked.length > 0 ? { maskedPaths: masked } : {}),
    ...(readonly.length > 0 ? { readonlyPaths: readonly } : {}),
  };
}

/** Does `pattern`, where `*` stands for characters of one name, mean `path`? */
function matchesPath(pattern: string, path: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]*")}$`).test(path);
}
