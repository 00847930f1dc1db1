/**
 * The runtime's config.json of a container: pure, from values that were read before. What differs
 * from Podman 4.3's config and why:
 *
 * - `container=coracle` in the environment: it names who made the container.
 * - HOME is always set: runtimes disagree on the default they would put in.
 * - /dev/shm is a tmpfs of the runtime's unless another container may join: no mount to clean up.
 * - /run/.containerenv is mounted with `--read-only` too: programs look for it.
 * - clone3, mounts, namespaces and keyrings need a capability in the seccomp profile (as docker's).
 * - limits are cut to what may be set, where Podman fails.
 */
import type { CapabilitySets } from "./capabilities.ts";
import { capabilitySets } from "./capabilities.ts";
import type { HostFacts } from "./host/facts.ts";
import { linuxPart } from "./oci/linux.ts";
import { ociMounts } from "./oci/mounts.ts";
import type { NamespaceType, OciDevice, OciSeccomp, OciSpec } from "./oci/spec.ts";
import { ociProcess } from "./oci/process.ts";
import type { ResolvedContainer } from "./resolve.ts";
import { type Limits, resolveLimits } from "./rlimits.ts";
import type { DeviceRule } from "./request.ts";
import type { SourceFlags } from "./arguments/mount_options.ts";
import type { ResolvedUser } from "./users.ts";

/** Where things of the container are on the host. A file that is absent is not mounted. */
export interface ContainerPaths {
  /** The mounted root file system. */
  readonly rootfs: string;
  readonly hosts?: string;
  readonly hostname?: string;
  readonly resolvConf?: string;
  readonly containerEnv?: string;
  readonly localtime?: string;
  /** A tmpfs of our own for /dev/shm, so that other containers can join; the owner's when joining. */
  readonly shm?: string;
  /** The init program for `--init`. */
  readonly init?: string;
}

/** Device nodes and rules, looked up on the host (`host/devices.ts`). */
export interface ContainerDevices {
  readonly nodes: readonly OciDevice[];
  readonly rules: readonly DeviceRule[];
}

export interface OciInput {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  /** RFC 3339. */
  readonly created: string;
  readonly resolved: ResolvedContainer;
  readonly user: ResolvedUser;
  readonly host: HostFacts;
  readonly paths: ContainerPaths;
  /** Directories of volumes by name and of image mounts by reference. */
  readonly sources: Readonly<Record<string, string>>;
  /** Flags of the file systems that bind mounts and volumes come from, by source directory. */
  readonly sourceFlags: Readonly<Record<string, SourceFlags>>;
  /** Namespaces of other containers or paths, by type, for `container:` and `ns:`. */
  readonly joins: Readonly<Partial<Record<NamespaceType, string>>>;
  readonly devices: ContainerDevices;
  /** `null`: no filter. Absent: our own profile. */
  readonly seccomp?: OciSeccomp | null;
}

export interface OciConfig {
  readonly spec: OciSpec;
  /** Sentences for the user: what he asked for and did not get in full. */
  readonly notes: readonly string[];
}

/** What the parts of the config share. */
export interface OciContext extends OciInput {
  readonly capabilities: CapabilitySets;
  readonly limits: Limits;
  /** The name in the container's uts namespace. */
  readonly hostnameInside: string;
}

/** The first 12 digits of the id, unless the user named one or it is the host's. */
export function hostnameOf(id: string, resolved: ResolvedContainer, host: string): string {
  const { hostname, uts, network } = resolved.request;
  if (hostname !== undefined && hostname !== "") return hostname;
  // Podman: with the host's network the container answers to the host's name.
  return uts.kind === "host" || network.kind === "host" ? host : id.slice(0, 12);
}

export function ociConfig(input: OciInput): OciConfig {
  const { request } = input.resolved;
  const context: OciContext = {
    ...input,
    capabilities: capabilitySets(request, input.user, input.host.capabilities),
    limits: resolveLimits(request.ulimits, input.host.limits),
    hostnameInside: hostnameOf(input.id, input.resolved, input.host.hostname),
  };
  const hasUts = request.uts.kind === "private";
  const spec: OciSpec = {
    ociVersion: "1.0.2",
    process: ociProcess(context),
    root: { path: input.paths.rootfs, ...(request.readOnly ? { readonly: true } : {}) },
    ...(hasUts ? { hostname: context.hostnameInside } : {}),
    mounts: ociMounts(context),
    annotations: annotationsOf(input),
    linux: linuxPart(context),
  };
  return { spec, notes: context.limits.notes };
}

/** The keys that Podman, CRI-O and hooks read. */
function annotationsOf({ created, resolved }: OciInput): Record<string, string> {
  const { request } = resolved;
  const flag = (value: boolean) => value ? "TRUE" : "FALSE";
  return {
    "io.container.manager": "coracle",
    "io.kubernetes.cri-o.Created": created,
    "io.kubernetes.cri-o.TTY": String(request.terminal),
    "io.podman.annotations.autoremove": flag(request.rm),
    "io.podman.annotations.init": flag(request.init),
    "io.podman.annotations.privileged": flag(request.privileged),
    "io.podman.annotations.publish-all": "FALSE",
    "org.opencontainers.image.stopSignal": String(resolved.stopSignal),
    ...resolved.annotations,
  };
}
