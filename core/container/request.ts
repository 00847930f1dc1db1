/**
 * What the user asked for: the neutral, complete description of a container to make, filled by the
 * flags of `run` and `create` and by nothing else. It is stored with the container as it was given.
 */

/** One mount the user asked for. `options` are Podman's words in Podman's order, checked. */
export interface MountRequest {
  readonly type: "bind" | "volume" | "tmpfs" | "devpts" | "image";
  /**
   * bind: absolute path on the host. volume: its name, "" for an anonymous one. image: a reference.
   * tmpfs and devpts: "".
   */
  readonly source: string;
  /** Absolute path in the container, cleaned. */
  readonly destination: string;
  /** What the user wrote, without the words that became fields below. */
  readonly options: readonly string[];
  /** SELinux: `z` shared, `Z` private. Accepted everywhere, acted on where SELinux is on. */
  readonly relabel?: "shared" | "private";
  /** `U`: give the source to the container's user before the start. */
  readonly chown?: boolean;
  /** `O`: writes go to a layer of their own and are lost at the end. */
  readonly overlay?: boolean;
  /** `nocopy`: a new volume is not filled from the image. */
  readonly noCopy?: boolean;
}

/** How a namespace is made. `container` and `path` join one that exists. */
export type NamespaceMode =
  | { readonly kind: "host" | "private" | "shareable" | "none" }
  | { readonly kind: "container"; readonly container: string }
  | { readonly kind: "path"; readonly path: string };

/** Limits; absent: not set. Sizes in bytes. -1: no limit, where the kernel has such a thing. */
export interface ResourceRequest {
  readonly memory?: number;
  /** Memory and swap together; -1: unlimited. */
  readonly memorySwap?: number;
  readonly memoryReservation?: number;
  /** 0-100. */
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  /** CPUs, may be fractional; 0: no limit. */
  readonly cpus?: number;
  readonly cpuShares?: number;
  /** Microseconds per `cpuPeriod`. */
  readonly cpuQuota?: number;
  /** Microseconds. */
  readonly cpuPeriod?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  /** Absent: 2048; 0 or less: no limit. */
  readonly pidsLimit?: number;
  /** 10-1000. */
  readonly blkioWeight?: number;
}

export interface UlimitRequest {
  /** Lower case without prefix: `nofile`. */
  readonly name: string;
  /** -1: unlimited. */
  readonly soft: number;
  readonly hard: number;
}

export interface DeviceRequest {
  /** A device node, or a directory whose device nodes are all meant. */
  readonly source: string;
  readonly destination: string;
  /** Letters of `rwm`. */
  readonly access: string;
}

/** A line of the device controller: `c 42:* rwm`. `null` numbers stand for `*`. */
export interface DeviceRule {
  readonly type: "a" | "b" | "c";
  readonly major: number | null;
  readonly minor: number | null;
  readonly access: string;
}

/** All of `--security-opt`, merged. */
export interface SecurityRequest {
  readonly noNewPrivileges: boolean;
  /** `unconfined`, the path of a profile, or absent for our own profile. */
  readonly seccomp?: string;
  /** `unconfined` or the name of a loaded profile. */
  readonly apparmor?: string;
  /** `disable`, `type:X`, `level:X`, … as written after `label=`. */
  readonly labels: readonly string[];
  readonly mask: readonly string[];
  /** Paths taken off the masked and read-only lists; `ALL` for every one. */
  readonly unmask: readonly string[];
  /** Options of the mount of /proc. */
  readonly procOptions: readonly string[];
}

/** Which kind of cgroup the container gets. */
export type CgroupsMode = "enabled" | "disabled" | "no-conmon" | "split";

export interface LogRequest {
  readonly driver: "k8s-file" | "json-file" | "journald" | "none" | "passthrough";
  /** Where; absent: in the container's own directory. */
  readonly path?: string;
  /** Bytes at which the log is rotated. */
  readonly maxSize?: number;
  readonly tag?: string;
  readonly options: readonly string[];
}

export interface CreateRequest {
  /** Absent: a random one. */
  readonly name?: string;
  /** As the user wrote it; "" together with `rootfs`. */
  readonly image: string;
  /** A directory used as the root in place of an image. */
  readonly rootfs?: string;
  readonly command: readonly string[];
  /** Absent: the image's; `[]`: none. */
  readonly entrypoint?: readonly string[];

  /** `KEY=VALUE`, files and host variables already read in, later ones win. */
  readonly environment: readonly string[];
  /** Names taken out of the image's environment. */
  readonly unsetEnvironment: readonly string[];
  readonly unsetEnvironmentAll: boolean;
  readonly workdir?: string;
  /** As written: `name`, `uid`, `name:group`, `uid:gid`. */
  readonly user?: string;
  /** Names or numbers; `keep-groups` is not supported. */
  readonly groupAdd: readonly string[];
  /** Octal number, e.g. 0o22. */
  readonly umask: number;
  readonly hostname?: string;
  /** A zone of the host's zoneinfo, or `local`. */
  readonly timezone?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;

  /** `-v`, `--mount` and `--tmpfs`, in the order given. */
  readonly mounts: readonly MountRequest[];
  readonly volumesFrom: readonly string[];
  /** What becomes of the volumes an image names. */
  readonly imageVolumes: "anonymous" | "tmpfs" | "ignore";
  readonly readOnly: boolean;
  /** With `readOnly`: /run, /tmp and /var/tmp stay writable in memory. */
  readonly readOnlyTmpfs: boolean;
  /** Bytes. */
  readonly shmSize: number;
  /** Most bytes its layer may take; absent: no limit. */
  readonly storageSize?: number;

  readonly privileged: boolean;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly security: SecurityRequest;
  readonly devices: readonly DeviceRequest[];
  readonly deviceRules: readonly DeviceRule[];

  readonly resources: ResourceRequest;
  /** `"host"`: this process's own limits. */
  readonly ulimits: readonly UlimitRequest[] | "host";
  readonly sysctls: Readonly<Record<string, string>>;
  /** -1000 to 1000. */
  readonly oomScoreAdj?: number;

  readonly pid: NamespaceMode;
  readonly ipc: NamespaceMode;
  readonly uts: NamespaceMode;
  readonly network: NamespaceMode;
  /** Absent: private on cgroup v2, host on v1. */
  readonly cgroupns?: NamespaceMode;
  /** Absolute path of a cgroup below which the container's own is made. */
  readonly cgroupParent?: string;
  readonly cgroups: CgroupsMode;

  /** `HOST:IP` or `HOST:host-gateway`. */
  readonly addHosts: readonly string[];
  /** False: /etc/hosts is the image's. */
  readonly manageHosts: boolean;
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];

  readonly terminal: boolean;
  readonly interactive: boolean;
  readonly detach: boolean;
  readonly rm: boolean;
  /** A name or a number as written; absent: the image's, else TERM. */
  readonly stopSignal?: string;
  /** Seconds until SIGKILL; 0: at once. */
  readonly stopTimeout: number;
  /** Seconds after which the container is killed; 0: never. */
  readonly timeout: number;
  /** Run an init in front of the command. */
  readonly init: boolean;
  readonly initPath?: string;
  readonly restart: "no";
  readonly log: LogRequest;
  readonly cidfile?: string;
  readonly pidfile?: string;
  readonly monitorPidfile?: string;
  /** File descriptors from 3 on that the container inherits. */
  readonly preserveFds: number;
  /** The whole command line, for `inspect`. */
  readonly createCommand: readonly string[];
}

/** Default size of /dev/shm, bytes; containers.conf(5), `shm_size`. */
export const DEFAULT_SHM_SIZE = 65_536_000;
/** Seconds between the stop signal and SIGKILL. */
export const DEFAULT_STOP_TIMEOUT = 10;
/** Most processes of a container when nothing is said; containers.conf(5), `pids_limit`. */
export const DEFAULT_PIDS_LIMIT = 2048;

/** A request for `image` in which everything else has its default. */
export function defaultRequest(image: string): CreateRequest {
  return {
    image,
    command: [],
    environment: [],
    unsetEnvironment: [],
    unsetEnvironmentAll: false,
    groupAdd: [],
    umask: 0o22,
    labels: {},
    annotations: {},
    mounts: [],
    volumesFrom: [],
    imageVolumes: "anonymous",
    readOnly: false,
    readOnlyTmpfs: true,
    shmSize: DEFAULT_SHM_SIZE,
    privileged: false,
    capAdd: [],
    capDrop: [],
    security: { noNewPrivileges: false, labels: [], mask: [], unmask: [], procOptions: [] },
    devices: [],
    deviceRules: [],
    resources: {},
    ulimits: [],
    sysctls: {},
    pid: { kind: "private" },
    ipc: { kind: "shareable" },
    uts: { kind: "private" },
    network: { kind: "private" },
    cgroups: "enabled",
    addHosts: [],
    manageHosts: true,
    dns: [],
    dnsSearch: [],
    dnsOptions: [],
    terminal: false,
    interactive: false,
    detach: false,
    rm: false,
    stopTimeout: DEFAULT_STOP_TIMEOUT,
    timeout: 0,
    init: false,
    restart: "no",
    log: { driver: "k8s-file", options: [] },
    preserveFds: 0,
    createCommand: [],
  };
}
