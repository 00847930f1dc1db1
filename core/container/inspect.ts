/**
 * `inspect` of a container: the keys and shapes of Podman 4.3's JSON, from values read before. Pure.
 * Keys of what we do not have (checkpoints, pods, health checks) are there with Podman's empty
 * values, because scripts ask for them.
 */
import type { ContainerRow } from "../state/containers.ts";
import type { State } from "../terms.ts";
import { inspectedConfig } from "./inspected/config.ts";
import { inspectedHostConfig } from "./inspected/host_config.ts";
import { isPropagation, relabelWord } from "./arguments/mount_options.ts";
import type { OciSpec } from "./oci/spec.ts";
import { bindOptions } from "./oci/mounts.ts";
import { type ContainerRecord, statusWord } from "./record.ts";

/** The columns that are shown. */
type InspectedRow = Pick<
  ContainerRow,
  | "id"
  | "name"
  | "created"
  | "pid"
  | "monitorPid"
  | "started"
  | "ended"
  | "exitCode"
  | "oomKilled"
  | "error"
  | "restarts"
  | "runtime"
>;

export interface InspectInput {
  readonly row: InspectedRow;
  readonly record: ContainerRecord;
  readonly state: State;
  /** Driver's name and facts about the layer's directories. */
  readonly graphDriver: { readonly name: string; readonly data: Readonly<Record<string, string>> };
  /** The config of the last start; null before the first. */
  readonly spec: OciSpec | null;
  /** What the config would have: capabilities and name are known before the first start. */
  readonly expected: {
    readonly bounding: readonly string[];
    readonly effective: readonly string[];
    readonly hostname: string;
    readonly cgroupPath: string | null;
    readonly limits: readonly {
      readonly name: string;
      readonly soft: number;
      readonly hard: number;
    }[];
  };
  /** Files of the last start, "" when there was none; those of processes are where they will be. */
  readonly files: {
    readonly config: string;
    readonly hosts: string;
    readonly hostname: string;
    readonly resolvConf: string;
    readonly pid: string;
    readonly monitorPid: string;
  };
  /** Directories of volumes by name. */
  readonly sources: Readonly<Record<string, string>>;
  readonly execIds: readonly string[];
  readonly cgroupNamespace: "host" | "private";
  /** With `--size`, bytes. */
  readonly size?: { readonly writable: number; readonly whole: number };
}

/** Go's zero time. */
export const NEVER = "0001-01-01T00:00:00Z";

export function inspectContainer(input: InspectInput): Record<string, unknown> {
  const { row, record, files, expected } = input;
  const { resolved } = record;
  const [path = "", ...args] = [...resolved.entrypoint, ...resolved.command];
  const process = input.spec?.process;
  const effective = process?.capabilities?.effective ?? expected.effective;
  return {
    Id: row.id,
    Created: row.created,
    Path: path,
    Args: args,
    State: inspectedState(input),
    Image: record.image?.id ?? "",
    ImageDigest: record.image?.digest ?? "",
    ImageName: record.image?.name ?? "",
    Rootfs: resolved.request.rootfs ?? "",
    Pod: "",
    ResolvConfPath: files.resolvConf,
    HostnamePath: files.hostname,
    HostsPath: files.hosts,
    StaticDir: record.dir,
    ...(files.config === "" ? {} : { OCIConfigPath: files.config }),
    OCIRuntime: row.runtime,
    ConmonPidFile: files.monitorPid,
    PidFile: files.pid,
    Name: row.name,
    RestartCount: row.restarts,
    Driver: input.graphDriver.name,
    MountLabel: "",
    ProcessLabel: "",
    AppArmorProfile: process?.apparmorProfile ?? "",
    EffectiveCaps: effective.length > 0 ? effective : null,
    BoundingCaps: process?.capabilities?.bounding ?? expected.bounding,
    ExecIDs: input.execIds,
    GraphDriver: { Name: input.graphDriver.name, Data: input.graphDriver.data },
    ...(input.size === undefined
      ? {}
      : { SizeRw: input.size.writable, SizeRootFs: input.size.whole }),
    Mounts: inspectedMounts(input),
    Dependencies: dependencies(input),
    NetworkSettings: NO_NETWORK,
    Namespace: "",
    IsInfra: false,
    IsService: false,
    Config: inspectedConfig(input),
    HostConfig: inspectedHostConfig(input),
  };
}

function inspectedState({ row, state, spec, expected }: InspectInput): Record<string, unknown> {
  const isLiving = state === "running" || state === "paused" || state === "created";
  return {
    OciVersion: spec?.ociVersion ?? "1.0.2",
    Status: statusWord(state),
    Running: state === "running",
    Paused: state === "paused",
    Restarting: false,
    OOMKilled: row.oomKilled,
    Dead: false,
    Pid: isLiving ? row.pid : 0,
    ...(isLiving && row.monitorPid > 0 ? { ConmonPid: row.monitorPid } : {}),
    ExitCode: isLiving ? 0 : row.exitCode,
    Error: row.error,
    StartedAt: row.started || NEVER,
    FinishedAt: row.ended || NEVER,
    Health: { Status: "", FailingStreak: 0, Log: null },
    ...(isLiving && expected.cgroupPath !== null ? { CgroupPath: expected.cgroupPath } : {}),
    CheckpointedAt: NEVER,
    RestoredAt: NEVER,
  };
}

const NO_NETWORK: Readonly<Record<string, unknown>> = {
  EndpointID: "",
  Gateway: "",
  IPAddress: "",
  IPPrefixLen: 0,
  IPv6Gateway: "",
  GlobalIPv6Address: "",
  GlobalIPv6PrefixLen: 0,
  MacAddress: "",
  Bridge: "",
  SandboxID: "",
  HairpinMode: false,
  LinkLocalIPv6Address: "",
  LinkLocalIPv6PrefixLen: 0,
  Ports: {},
  SandboxKey: "",
};

/** Other containers whose namespaces this one joins. */
function dependencies({ record }: InspectInput): string[] {
  const { pid, ipc, uts, network, cgroupns } = record.resolved.request;
  const joined = [pid, ipc, uts, network, ...(cgroupns === undefined ? [] : [cgroupns])]
    .flatMap((mode) => mode.kind === "container" ? [mode.container] : []);
  return [...new Set(joined)];
}

/** Only binds and volumes, as in Podman: a tmpfs is in HostConfig. */
function inspectedMounts(input: InspectInput): Record<string, unknown>[] {
  const mounts = input.record.resolved.mounts.filter((mount) =>
    mount.type === "bind" || mount.type === "volume"
  );
  return mounts.map((mount) => {
    const options = bindOptions(mount);
    const isVolume = mount.type === "volume";
    return {
      Type: mount.type,
      ...(isVolume ? { Name: mount.source } : {}),
      Source: isVolume ? input.sources[mount.source] ?? "" : mount.source,
      Destination: mount.destination,
      Driver: isVolume ? "local" : "",
      Mode: relabelWord(mount),
      Options: options.filter((word) => !isPropagation(word) && word !== "rw" && word !== "ro"),
      RW: !options.includes("ro"),
      Propagation: options.find(isPropagation) ?? "",
    };
  });
}
