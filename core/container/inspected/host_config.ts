/**
 * The `HostConfig` part of `inspect`: how a container is tied to this host. Podman 4.3's keys.
 */
import { namespaceText } from "../arguments/namespace.ts";
import { relabelWord } from "../arguments/mount_options.ts";
import { capabilityName } from "../capabilities.ts";
import type { InspectInput } from "../inspect.ts";
import { bindOptions, tmpfsOptions } from "../oci/mounts.ts";
import { CPU_PERIOD } from "../oci/linux.ts";
import { type CreateRequest, DEFAULT_PIDS_LIMIT } from "../request.ts";
import { limitName } from "../rlimits.ts";

export function inspectedHostConfig(input: InspectInput): Record<string, unknown> {
  const { resolved } = input.record;
  const { request } = resolved;
  return {
    Binds: binds(input),
    CgroupManager: "cgroupfs",
    CgroupMode: request.cgroupns === undefined
      ? input.cgroupNamespace
      : namespaceText(request.cgroupns),
    ContainerIDFile: request.cidfile ?? "",
    LogConfig: logConfig(input),
    NetworkMode: namespaceText(request.network),
    PortBindings: {},
    RestartPolicy: { Name: "", MaximumRetryCount: 0 },
    AutoRemove: request.rm,
    VolumeDriver: "",
    VolumesFrom: request.volumesFrom.length > 0 ? request.volumesFrom : null,
    ...capabilities(input),
    Dns: request.dns,
    DnsOptions: request.dnsOptions,
    DnsSearch: request.dnsSearch,
    ExtraHosts: request.addHosts,
    GroupAdd: request.groupAdd,
    IpcMode: namespaceText(request.ipc),
    Cgroup: "",
    Cgroups: request.cgroups === "enabled" ? "default" : request.cgroups,
    Links: null,
    OomScoreAdj: request.oomScoreAdj ?? 0,
    PidMode: namespaceText(request.pid),
    Privileged: request.privileged,
    PublishAllPorts: false,
    ReadonlyRootfs: request.readOnly,
    SecurityOpt: securityWords(request),
    Tmpfs: Object.fromEntries(
      resolved.mounts.filter((mount) => mount.type === "tmpfs")
        .map((mount) => [mount.destination, tmpfsOptions(mount).join(",")]),
    ),
    UTSMode: namespaceText(request.uts),
    UsernsMode: "",
    ShmSize: request.shmSize,
    Runtime: "oci",
    ConsoleSize: [0, 0],
    Isolation: "",
    ...resources(input),
  };
}

/** `source:destination:words`, all words that the mount has. */
function binds({ record }: InspectInput): string[] {
  return record.resolved.mounts
    .filter((mount) => mount.type === "bind" || mount.type === "volume")
    .map((mount) => {
      const label = relabelWord(mount);
      const words = [...(label === "" ? [] : [label]), ...bindOptions(mount)];
      return `${mount.source}:${mount.destination}:${words.join(",")}`;
    });
}

function logConfig({ record }: InspectInput): Record<string, unknown> {
  const { log } = record.resolved.request;
  return {
    Type: log.driver,
    Config: null,
    Path: log.driver === "k8s-file" || log.driver === "json-file" ? record.logPath : "",
    Tag: log.tag ?? "",
    Size: sizeText(log.maxSize ?? 0),
  };
}

/** As docker's go-units prints it: powers of 1000, four significant digits. */
function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  let value = bytes;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}

/** Docker's default set, which Podman compares with here although its own is smaller. */
const DOCKER_DEFAULT: readonly string[] = [
  "CAP_AUDIT_WRITE",
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_MKNOD",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_RAW",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

function capabilities(input: InspectInput): { CapAdd: string[]; CapDrop: string[] } {
  const { request } = input.record.resolved;
  const bounding = input.spec?.process.capabilities?.bounding ?? input.expected.bounding;
  if (request.privileged) {
    return {
      CapAdd: [],
      CapDrop: request.capDrop.map((word) => capabilityName("--cap-drop", word)),
    };
  }
  return {
    CapAdd: bounding.filter((name) => !DOCKER_DEFAULT.includes(name)),
    CapDrop: DOCKER_DEFAULT.filter((name) => !bounding.includes(name)),
  };
}

function securityWords({ security }: CreateRequest): string[] {
  return [
    ...(security.noNewPrivileges ? ["no-new-privileges"] : []),
    ...security.labels.map((label) => `label=${label}`),
    ...(security.seccomp === undefined ? [] : [`seccomp=${security.seccomp}`]),
    ...(security.apparmor === undefined ? [] : [`apparmor=${security.apparmor}`]),
    ...(security.mask.length > 0 ? [`mask=${security.mask.join(":")}`] : []),
    ...(security.unmask.length > 0 ? [`unmask=${security.unmask.join(":")}`] : []),
  ];
}

function resources({ record, expected }: InspectInput): Record<string, unknown> {
  const { request } = record.resolved;
  const wanted = request.resources;
  const cpus = wanted.cpus ?? 0;
  const memory = wanted.memory ?? 0;
  const quota = wanted.cpuQuota ?? Math.round(cpus * CPU_PERIOD);
  return {
    CpuShares: wanted.cpuShares ?? 0,
    Memory: memory,
    NanoCpus: Math.round(cpus * 1e9),
    CgroupParent: request.cgroupParent ?? "",
    BlkioWeight: wanted.blkioWeight ?? 0,
    BlkioWeightDevice: null,
    BlkioDeviceReadBps: null,
    BlkioDeviceWriteBps: null,
    BlkioDeviceReadIOps: null,
    BlkioDeviceWriteIOps: null,
    CpuPeriod: wanted.cpuPeriod ?? (cpus > 0 ? CPU_PERIOD : 0),
    CpuQuota: quota,
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    CpusetCpus: wanted.cpusetCpus ?? "",
    CpusetMems: wanted.cpusetMems ?? "",
    Devices: request.devices.map(({ source, destination }) => ({
      PathOnHost: source,
      PathInContainer: destination,
      CgroupPermissions: "",
    })),
    DiskQuota: 0,
    KernelMemory: 0,
    MemoryReservation: wanted.memoryReservation ?? 0,
    MemorySwap: wanted.memorySwap ?? memory * 2,
    // Podman: -1 (the kernel's own) once memory is limited.
    MemorySwappiness: wanted.memorySwappiness ?? (memory > 0 ? -1 : 0),
    OomKillDisable: wanted.oomKillDisable ?? false,
    PidsLimit: wanted.pidsLimit ?? DEFAULT_PIDS_LIMIT,
    Ulimits: expected.limits.map(({ name, soft, hard }) => ({
      Name: limitName(name),
      Soft: limitNumber(soft),
      Hard: limitNumber(hard),
    })),
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    CgroupConf: null,
  };
}

/** Unlimited is -1. */
function limitNumber(value: number): number {
  return value === Infinity ? -1 : value;
}
