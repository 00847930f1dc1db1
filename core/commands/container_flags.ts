/** The flags that `run` and `create` share, and how they become a `CreateRequest`. */
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
import { flag, type FlagValues } from "./command.ts";

const later = "it is not part of coracle yet";

/** Every flag of `create`; `run` adds its own to them. Podman's names and defaults. */
export const containerFlags = {
  addHost: flag.list("--add-host HOST:IP", "Add a line to /etc/hosts"),
  annotation: flag.list("--annotation KEY=VALUE", "Add an annotation to the OCI configuration"),
  blkioWeight: flag.text("--blkio-weight WEIGHT", "Block IO weight, 10 to 1000"),
  capAdd: flag.list("--cap-add CAPABILITY", "Add capabilities", { splitOnComma: true }),
  capDrop: flag.list("--cap-drop CAPABILITY", "Drop capabilities", { splitOnComma: true }),
  cgroupParent: flag.text("--cgroup-parent PATH", "Make the container's cgroup below this one"),
  cgroupns: flag.text("--cgroupns MODE", "cgroup namespace: host, private, container:ID, ns:PATH"),
  cgroups: flag.text("--cgroups MODE", "enabled, disabled, no-conmon or split", {
    fallback: "enabled",
  }),
  cidfile: flag.text("--cidfile FILE", "Write the container's id to a file"),
  conmonPidfile: flag.text("--conmon-pidfile FILE", "Write the monitor's pid to a file"),
  cpuPeriod: flag.integer("--cpu-period MICROSECONDS", "Period of the CPU quota"),
  cpuQuota: flag.integer("--cpu-quota MICROSECONDS", "CPU time per period"),
  cpuShares: flag.integer("-c, --cpu-shares SHARES", "Relative CPU weight"),
  cpus: flag.text("--cpus NUMBER", "Number of CPUs; 0 is no limit"),
  cpusetCpus: flag.text("--cpuset-cpus LIST", "CPUs to run on (0-3, 0,1)"),
  cpusetMems: flag.text("--cpuset-mems LIST", "Memory nodes to use (0-3, 0,1)"),
  device: flag.list("--device HOST[:CONTAINER][:rwm]", "Give the container a device"),
  deviceCgroupRule: flag.list("--device-cgroup-rule RULE", "Allow devices: type major:minor mode"),
  dns: flag.list("--dns IP", "Name server in /etc/resolv.conf", { splitOnComma: true }),
  dnsOption: flag.list("--dns-option, --dns-opt OPTION", "Option in /etc/resolv.conf", {
    splitOnComma: true,
  }),
  dnsSearch: flag.list("--dns-search DOMAIN", "Search domain in /etc/resolv.conf", {
    splitOnComma: true,
  }),
  entrypoint: flag.text("--entrypoint COMMAND", "Replace the image's entry point"),
  env: flag.list("-e, --env KEY[=VALUE]", "Set an environment variable"),
  envFile: flag.list("--env-file FILE", "Read environment variables from a file"),
  envHost: flag.boolean("--env-host", "Use all of this process's environment variables"),
  expose: flag.list("--expose PORT", "Note a port in the container's record", {
    refused: later,
  }),
  groupAdd: flag.list("--group-add GROUP", "Add a group to the process", { splitOnComma: true }),
  healthCmd: flag.text("--health-cmd COMMAND", "Health check", { refused: later }),
  hostname: flag.text("-h, --hostname NAME", "Host name inside the container"),
  httpProxy: flag.boolean("--http-proxy", "Pass the host's proxy variables on"),
  imageVolume: flag.text("--image-volume MODE", "Image volumes: bind, tmpfs or ignore", {
    fallback: "bind",
  }),
  init: flag.boolean("--init", "Run an init that forwards signals and reaps processes"),
  initPath: flag.text("--init-path FILE", "The init to use"),
  interactive: flag.boolean("-i, --interactive", "Keep standard input open"),
  ip: flag.text("--ip ADDRESS", "Fixed address", { refused: "there is no bridge network" }),
  ipc: flag.text(
    "--ipc MODE",
    "IPC namespace: private, shareable, none, host, container:ID, ns:PATH",
  ),
  label: flag.list("-l, --label KEY=VALUE", "Set a label"),
  labelFile: flag.list("--label-file FILE", "Read labels from a file"),
  logDriver: flag.text("--log-driver NAME", "k8s-file, json-file or none"),
  logOpt: flag.list("--log-opt NAME=VALUE", "path, max-size or tag of the log"),
  memory: flag.text("-m, --memory SIZE", "Memory limit (b, k, m, g)"),
  memoryReservation: flag.text("--memory-reservation SIZE", "Soft memory limit"),
  memorySwap: flag.text("--memory-swap SIZE", "Memory and swap together; -1 is no limit"),
  memorySwappiness: flag.integer("--memory-swappiness PERCENT", "0 to 100; -1 is the host's"),
  mount: flag.list("--mount type=TYPE,...", "Mount bind, volume, tmpfs, devpts"),
  name: flag.text("--name NAME", "The container's name"),
  network: flag.list("--network, --net MODE", "none, host, private, container:ID, ns:PATH"),
  noHosts: flag.boolean("--no-hosts", "Leave /etc/hosts as the image has it"),
  noHealthcheck: flag.boolean("--no-healthcheck", "Run no health check"),
  oomKillDisable: flag.boolean("--oom-kill-disable", "Do not kill when out of memory"),
  oomScoreAdj: flag.text("--oom-score-adj NUMBER", "-1000 to 1000"),
  pid: flag.text("--pid MODE", "pid namespace: private, host, container:ID, ns:PATH"),
  pidfile: flag.text("--pidfile FILE", "Write the pid of the container's process to a file"),
  pidsLimit: flag.integer("--pids-limit NUMBER", "Most processes; -1 is no limit"),
  pod: flag.text("--pod NAME", "Run in a pod", { refused: "there are no pods" }),
  preserveFds: flag.integer("--preserve-fds NUMBER", "Pass on file descriptors from 3 on", {
    fallback: 0,
  }),
  privileged: flag.boolean("--privileged", "Give all privileges of the host"),
  publish: flag.list("-p, --publish PORT", "Publish a port", {
    refused: "there is no bridge network; use --network host",
  }),
  pull: flag.optional("--pull POLICY", "missing, never: use what is there", { bare: "always" }),
  quiet: flag.boolean("-q, --quiet", "Say nothing while an image is fetched"),
  readOnly: flag.boolean("--read-only", "The root file system cannot be written to"),
  readOnlyTmpfs: flag.boolean("--read-only-tmpfs", "Keep /run, /tmp and /var/tmp writable", {
    fallback: true,
  }),
  replace: flag.boolean("--replace", "Remove a container of the same name first"),
  restart: flag.text("--restart POLICY", "no", { fallback: "no" }),
  rm: flag.boolean("--rm", "Remove the container when it has ended"),
  rootfs: flag.boolean("--rootfs", "The first argument is a directory, not an image"),
  secret: flag.list("--secret NAME", "Give a secret", { refused: later }),
  securityOpt: flag.list("--security-opt OPTION", "seccomp=, no-new-privileges, mask=, unmask=, …"),
  shmSize: flag.text("--shm-size SIZE", "Size of /dev/shm"),
  stopSignal: flag.text("--stop-signal SIGNAL", "Signal that asks it to stop"),
  stopTimeout: flag.integer("--stop-timeout SECONDS", "Wait until SIGKILL"),
  sysctl: flag.list("--sysctl NAME=VALUE", "Set a kernel parameter of the container's namespaces"),
  systemd: flag.text("--systemd MODE", "Only false: no systemd inside", { fallback: "false" }),
  timeout: flag.integer("--timeout SECONDS", "Kill the container after this time", { fallback: 0 }),
  tmpfs: flag.list("--tmpfs PATH[:OPTIONS]", "Mount a memory file system"),
  tty: flag.boolean("-t, --tty", "Give it a terminal"),
  tz: flag.text("--tz ZONE", "Time zone, or local"),
  ulimit: flag.list("--ulimit NAME=SOFT[:HARD]", "Resource limit, or host"),
  umask: flag.text("--umask MASK", "umask of the process", { fallback: "0022" }),
  unsetenv: flag.list("--unsetenv NAME", "Leave a variable of the image out"),
  unsetenvAll: flag.boolean("--unsetenv-all", "Leave all variables of the image out"),
  user: flag.text("-u, --user USER[:GROUP]", "User and group, names or numbers"),
  userns: flag.text("--userns MODE", "Only host: no user namespace", { fallback: "host" }),
  uts: flag.text("--uts MODE", "UTS namespace: private, host, container:ID, ns:PATH"),
  volume: flag.list("-v, --volume SOURCE:PATH[:OPTIONS]", "Mount a directory or a volume"),
  volumesFrom: flag.list("--volumes-from CONTAINER", "Mount the volumes of another container"),
  workdir: flag.text("-w, --workdir PATH", "Working directory"),
} as const;

export type ContainerFlags = FlagValues<typeof containerFlags>;

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
    ...optional("name", flags.name),
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
    resources: resources(flags, configured),
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
    addHosts: flags.addHost,
    manageHosts: !flags.noHosts,
    dns: flags.dns,
    dnsSearch: flags.dnsSearch,
    dnsOptions: flags.dnsOption,
    terminal: flags.tty,
    interactive: flags.interactive,
    rm: flags.rm,
    ...optional("stopSignal", stopSignal(flags.stopSignal)),
    stopTimeout: flags.stopTimeout ?? configured.stopTimeout,
    timeout: flags.timeout,
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
  if (args[0] !== undefined && args[0] !== "") return;
  const what = flags.rootfs ? "a root directory" : "an image";
  throw new CoracleError("usage", "cannot create container", { why: `${what} must be given` });
}

/** `{ [key]: value }`, or nothing when there is no value: absent is not the same as undefined. */
function optional<K extends string, V>(key: K, value: V | undefined): { readonly [k in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [k in K]?: V };
}

function refuseOtherModes(flags: ContainerFlags): void {
  const only = (name: string, value: string | undefined, ...allowed: string[]): void => {
    if (value === undefined || allowed.includes(value)) return;
    throw wrongValue(name, `${JSON.stringify(value)} is not supported, only ${allowed.join(", ")}`);
  };
  only("--userns", flags.userns, "host", "");
  only("--systemd", flags.systemd, "false");
  only("--restart", flags.restart, "no", "");
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
  const all = [
    ...flags.volume.map((word) => parseVolume(word, directory)),
    ...flags.mount.map((word) => parseMount(word, directory)),
    ...flags.tmpfs.map(parseTmpfs),
  ];
  const seen = new Set<string>();
  for (const { destination } of all) {
    if (seen.has(destination)) {
      throw wrongValue("--volume", `${destination}: duplicate mount destination`);
    }
    seen.add(destination);
  }
  return all;
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

function resources(flags: ContainerFlags, configured: ContainerDefaults): ResourceRequest {
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
    pidsLimit: flags.pidsLimit ?? configured.pidsLimit,
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
