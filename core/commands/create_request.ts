/** From the flags that `run` and `create` share to a `CreateRequest`. */
import { parseDevice, parseDeviceRule } from "../container/arguments/device.ts";
import {
  mergeEnvironment,
  parseAnnotation,
  parseEnvironment,
  parseEnvironmentFile,
  parseLabel,
  parseLabelFile,
} from "../container/arguments/environment.ts";
import { parseMemory, parseMemorySwap } from "../container/arguments/memory_size.ts";
import { parseMount } from "../container/arguments/mount.ts";
import { parseAddHost, parseDns } from "../container/arguments/name_service.ts";
import { parseCgroups, parseNamespace } from "../container/arguments/namespace.ts";
import {
  checkResources,
  parseBlkioWeight,
  parseCpus,
  parseCpuset,
  parseOomScoreAdj,
} from "../container/arguments/resources.ts";
import {
  checkSysctls,
  parseSecurityOptions,
  parseSysctl,
  parseUmask,
} from "../container/arguments/security.ts";
import { parseUlimit } from "../container/arguments/ulimit.ts";
import { parseTmpfs, parseVolume } from "../container/arguments/volume.ts";
import { wrongValue } from "../container/arguments/wrong_value.ts";
import { parseEntrypoint } from "../container/command.ts";
import {
  type CreateRequest,
  defaultRequest,
  type LogRequest,
  type MountRequest,
  type ResourceRequest,
  type SecurityRequest,
} from "../container/request.ts";
import { CoracleError } from "../errors.ts";
import { environment, scriptArguments, workingDirectory } from "../sys/environment.ts";
import { readText } from "../sys/files.ts";
import { signalNumber } from "../sys/process.ts";
import type { ContainerDefaults } from "../config.ts";
import type { ContainerFlags } from "./container_flags.ts";

/**
 * What the flags and the arguments after them ask for, with the configuration's defaults. Fails with
 * `usage` in Podman's words.
 */
export function createRequest(
  flags: ContainerFlags,
  args: readonly string[],
  configured: ContainerDefaults,
): CreateRequest {
  const [image = "", ...command] = args;
  const defaults = defaultRequest(flags.rootfs ? "" : image);
  refuseOtherModes(flags);
  const request: CreateRequest = {
    ...defaults,
    // Podman takes an empty one for none: scripts write --name "$NAME".
    ...optional("name", flags.name || undefined),
    ...optional("rootfs", flags.rootfs ? image : undefined),
    command,
    ...optional(
      "entrypoint",
      flags.entrypoint === undefined ? undefined : parseEntrypoint(flags.entrypoint),
    ),
    environment: variables(flags),
    unsetEnvironment: flags.unsetenv,
    unsetEnvironmentAll: flags.unsetenvAll,
    ...optional("workdir", flags.workdir),
    ...optional("user", flags.user),
    groupAdd: flags.groupAdd,
    umask: parseUmask(flags.umask),
    ...optional("hostname", flags.hostname),
    ...optional("timezone", flags.tz),
    labels: labels(flags),
    annotations: Object.fromEntries(
      flags.annotation.map((word) => parseAnnotation(word)).map(({ key, value }) => [key, value]),
    ),
    mounts: mounts(flags),
    volumesFrom: flags.volumesFrom,
    imageVolumes: imageVolumes(flags.imageVolume),
    readOnly: flags.readOnly,
    readOnlyTmpfs: flags.readOnlyTmpfs,
    shmSize: flags.shmSize === undefined
      ? configured.shmSize
      : parseMemory("--shm-size", flags.shmSize) ?? configured.shmSize,
    privileged: flags.privileged,
    capAdd: flags.capAdd,
    capDrop: flags.capDrop,
    security: security(flags, configured),
    devices: flags.device.map(parseDevice),
    deviceRules: flags.deviceCgroupRule.map(parseDeviceRule),
    resources: { pidsLimit: configured.pidsLimit, ...resourceRequest(flags) },
    ulimits: flags.ulimit.includes("host") ? "host" : flags.ulimit.map(parseUlimit),
    sysctls: Object.fromEntries(
      flags.sysctl.map((word) => parseSysctl(word)).map(({ key, value }) => [key, value]),
    ),
    ...optional(
      "oomScoreAdj",
      flags.oomScoreAdj === undefined ? undefined : parseOomScoreAdj(flags.oomScoreAdj),
    ),
    ...namespaces(flags, defaults),
    ...optional("cgroupParent", flags.cgroupParent),
    cgroups: parseCgroups(flags.cgroups),
    addHosts: flags.addHost.map(parseAddHost),
    manageHosts: !flags.noHosts,
    dns: flags.dns.map(parseDns),
    dnsSearch: flags.dnsSearch,
    dnsOptions: flags.dnsOption,
    terminal: flags.tty,
    interactive: flags.interactive,
    rm: flags.rm,
    ...optional("storageSize", storageSize(flags.storageOpt)),
    ...optional("stopSignal", stopSignal(flags.stopSignal)),
    stopTimeout: notNegative("--stop-timeout", flags.stopTimeout ?? configured.stopTimeout),
    timeout: notNegative("--timeout", flags.timeout),
    init: flags.init,
    ...optional("initPath", flags.initPath),
    log: log(flags, configured),
    ...optional("cidfile", flags.cidfile),
    ...optional("pidfile", flags.pidfile),
    ...optional("monitorPidfile", flags.conmonPidfile),
    preserveFds: flags.preserveFds,
    createCommand: ["coracle", ...scriptArguments()],
  };
  checkSysctls(request.sysctls, request);
  if (flags.noHosts && flags.addHost.length > 0) {
    throw wrongValue("--no-hosts", "--no-hosts and --add-host cannot be set together");
  }
  return request;
}

/** Fails with `usage` when there is no image (or, with `--rootfs`, no directory). */
export function checkImageArgument(args: readonly string[], flags: ContainerFlags): void {
  if (flags.replace && (flags.name ?? "") === "") {
    throw new CoracleError("usage", 'cannot use "--replace"', {
      why: "cannot replace container without --name being set",
    });
  }
  if (args[0] !== undefined && args[0] !== "") return;
  const what = flags.rootfs ? "a root directory" : "an image";
  throw new CoracleError("usage", "cannot create container", { why: `${what} must be given` });
}

/**
 * `--publish` of a container that needs none (its network is the host's, another container's, or
 * none): a note that it has no effect, as Podman's. Else there is nothing to publish from, and it
 * fails with `unsupported`.
 */
export function publishNote(
  flags: Pick<ContainerFlags, "publish">,
  request: Pick<CreateRequest, "network">,
): string | null {
  if (flags.publish.length === 0) return null;
  const { kind } = request.network;
  if (kind === "host" || kind === "container" || kind === "none") {
    return "Port mappings have been discarded as one of the Host, Container, Pod, and None " +
      "network modes are in use";
  }
  throw new CoracleError("unsupported", 'cannot use "--publish"', {
    why: "there is no bridge network",
    hint: "use --network host",
  });
}

/** `{ [key]: value }`, or nothing when there is no value: absent is not the same as undefined. */
function optional<K extends string, V>(key: K, value: V | undefined): { readonly [k in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [k in K]?: V };
}

function notNegative(name: string, seconds: number): number {
  if (seconds < 0) throw wrongValue(name, "it must not be negative");
  return seconds;
}

function refuseOtherModes(flags: ContainerFlags): void {
  const only = (name: string, value: string | undefined, ...allowed: string[]): void => {
    if (value === undefined || value === "" || allowed.includes(value)) return;
    throw wrongValue(name, `${JSON.stringify(value)} is not supported, only ${allowed.join(", ")}`);
  };
  only("--userns", flags.userns, "host");
  only("--systemd", flags.systemd, "false");
  only("--restart", flags.restart, "no");
  only("--pull", flags.pull, "missing", "never", "true", "false");
  if (flags.network.length > 1) {
    throw wrongValue("--network", "only one network mode can be given");
  }
}

/** http_proxy(7): the variables curl and the package tools read. */
const PROXY = ["http_proxy", "https_proxy", "ftp_proxy", "no_proxy"]
  .flatMap((name) => [name, name.toUpperCase()]);

function variables(flags: ContainerFlags): string[] {
  const host = environment();
  const everything = flags.envHost
    ? Object.entries(host).map(([key, value]) => `${key}=${value}`)
    : [];
  const proxies = flags.httpProxy ? PROXY.flatMap((name) => parseEnvironment(name, host)) : [];
  const files = flags.envFile.flatMap((path) =>
    parseEnvironmentFile(readText(path), { path, host })
  );
  return mergeEnvironment(
    everything,
    proxies,
    files,
    flags.env.flatMap((word) => parseEnvironment(word, host)),
  );
}

function labels(flags: ContainerFlags): Record<string, string> {
  const pairs = [
    ...flags.labelFile.flatMap((path) => parseLabelFile(readText(path))),
    ...flags.label.map(parseLabel),
  ];
  return Object.fromEntries(pairs.map(({ key, value }) => [key, value]));
}

function mounts(flags: ContainerFlags): MountRequest[] {
  const directory = workingDirectory();
  // Two at one place are refused where those of the image are known too, unless they are the same.
  return [
    ...flags.volume.map((word) => parseVolume(word, directory)),
    ...flags.mount.map((word) => parseMount(word, directory)),
    ...flags.tmpfs.map(parseTmpfs),
  ];
}

/** `size` is the only option there is, of every driver. */
function storageSize(words: readonly string[]): number | undefined {
  let bytes: number | undefined;
  for (const word of words) {
    const [, text] = /^size=(.*)$/.exec(word) ?? [];
    if (text === undefined) throw wrongValue("--storage-opt", `${word}: only size=SIZE is known`);
    bytes = parseMemory("--storage-opt", text);
    if (bytes === 0) throw wrongValue("--storage-opt", `${word}: it must be more than 0`);
  }
  return bytes;
}

function imageVolumes(mode: string): CreateRequest["imageVolumes"] {
  if (mode === "bind" || mode === "anonymous") return "anonymous";
  if (mode === "tmpfs" || mode === "ignore") return mode;
  throw wrongValue(
    "--image-volume",
    `invalid image-volume type ${JSON.stringify(mode)}. Pick one of bind, tmpfs, or ignore`,
  );
}

function security(flags: ContainerFlags, configured: ContainerDefaults): SecurityRequest {
  const asked = parseSecurityOptions(flags.securityOpt);
  if (asked.seccomp !== undefined || configured.seccompProfile === "") return asked;
  return { ...asked, seccomp: configured.seccompProfile };
}

/** Flags of limits, which `update` has too. */
export type ResourceFlags = Pick<
  ContainerFlags,
  | "blkioWeight"
  | "cpuPeriod"
  | "cpuQuota"
  | "cpuShares"
  | "cpus"
  | "cpusetCpus"
  | "cpusetMems"
  | "memory"
  | "memoryReservation"
  | "memorySwap"
  | "memorySwappiness"
  | "oomKillDisable"
  | "pidsLimit"
>;

/** The limits that were given. Fails with `usage`. */
export function resourceRequest(flags: ResourceFlags): ResourceRequest {
  const size = (name: string, value: string | undefined) =>
    value === undefined ? undefined : parseMemory(name, value);
  const found: ResourceRequest = {
    ...optional("memory", size("--memory", flags.memory)),
    ...optional(
      "memorySwap",
      flags.memorySwap === undefined ? undefined : parseMemorySwap(flags.memorySwap),
    ),
    ...optional("memoryReservation", size("--memory-reservation", flags.memoryReservation)),
    ...optional("memorySwappiness", flags.memorySwappiness),
    ...(flags.oomKillDisable ? { oomKillDisable: true } : {}),
    ...optional("cpus", flags.cpus === undefined ? undefined : parseCpus(flags.cpus)),
    ...optional("cpuShares", flags.cpuShares),
    ...optional("cpuQuota", flags.cpuQuota),
    ...optional("cpuPeriod", flags.cpuPeriod),
    ...optional(
      "cpusetCpus",
      flags.cpusetCpus === undefined ? undefined : parseCpuset("cpus", flags.cpusetCpus),
    ),
    ...optional(
      "cpusetMems",
      flags.cpusetMems === undefined ? undefined : parseCpuset("mems", flags.cpusetMems),
    ),
    ...optional("pidsLimit", flags.pidsLimit),
    ...optional(
      "blkioWeight",
      flags.blkioWeight === undefined ? undefined : parseBlkioWeight(flags.blkioWeight),
    ),
  };
  checkResources(found);
  return found;
}

function namespaces(flags: ContainerFlags, defaults: CreateRequest): Partial<CreateRequest> {
  const mode = (name: "pid" | "ipc" | "uts" | "cgroupns") =>
    flags[name] === undefined ? undefined : parseNamespace(`--${name}`, flags[name]);
  return {
    pid: mode("pid") ?? defaults.pid,
    ipc: mode("ipc") ?? defaults.ipc,
    uts: mode("uts") ?? defaults.uts,
    network: flags.network[0] === undefined
      ? defaults.network
      : parseNamespace("--network", flags.network[0]),
    ...optional("cgroupns", mode("cgroupns")),
  };
}

function stopSignal(written: string | undefined): string | undefined {
  if (written !== undefined && signalNumber(written) === null) {
    throw wrongValue("--stop-signal", `invalid signal: ${written}`);
  }
  return written;
}

function log(flags: ContainerFlags, configured: ContainerDefaults): LogRequest {
  const driver = flags.logDriver ?? configured.logDriver;
  if (driver !== "k8s-file" && driver !== "json-file" && driver !== "none") {
    throw wrongValue(
      "--log-driver",
      `${JSON.stringify(driver)} is not supported, only k8s-file, json-file, none`,
    );
  }
  const found: { path?: string; maxSize?: number; tag?: string } = {};
  for (const option of flags.logOpt) {
    const [name, ...rest] = option.split("=");
    const value = rest.join("=");
    if (name === "path") found.path = value;
    else if (name === "tag") found.tag = value;
    else if (name === "max-size") found.maxSize = parseMemory("--log-opt max-size", value) ?? 0;
    else throw wrongValue("--log-opt", `unknown log option ${JSON.stringify(option)}`);
  }
  const maxSize = found.maxSize ?? (configured.logSizeMax || undefined);
  return { driver, ...found, ...optional("maxSize", maxSize), options: flags.logOpt };
}
