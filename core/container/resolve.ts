/**
 * What the user asked for and what the image says, made into one: the description of the container
 * that is stored with it and from which each start makes the runtime's config. Pure.
 */
import { CoracleError } from "../errors.ts";
import type { ImageRunConfig } from "../terms.ts";
import { mergeEnvironment } from "./arguments/environment.ts";
import { checkResources } from "./arguments/resources.ts";
import { checkSysctls } from "./arguments/security.ts";
import { cleanPath } from "./arguments/volume.ts";
import { boundingSet } from "./capabilities.ts";
import { resolveCommand } from "./command.ts";
import type { CreateRequest, MountRequest } from "./request.ts";

export interface ResolvedMount extends MountRequest {
  /** A volume without a name of its own, removed with the container by `rm --volumes`. */
  readonly isAnonymous?: boolean;
}

export interface ResolvedContainer {
  /** As it was asked for. */
  readonly request: CreateRequest;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** Image and user, without HOME and HOSTNAME, which each start adds. */
  readonly environment: readonly string[];
  readonly workdir: string;
  /** The working directory comes from the image and is made when it is missing. */
  readonly isImageWorkdir: boolean;
  /** "" when neither the user nor the image names one: root. */
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Number. */
  readonly stopSignal: number;
  /** In mount order as asked; anonymous volumes have their names. */
  readonly mounts: readonly ResolvedMount[];
}

export interface ResolveOptions {
  /** A new name for an anonymous volume: 64 hex digits. */
  readonly newVolumeName: () => string;
  /** Number of a signal's name (`TERM`, `SIGTERM`, `15`), or null. */
  readonly signalNumber: (text: string) => number | null;
  /** This process's bounding capabilities. */
  readonly hostCapabilities: readonly string[];
}

/** Always there, and overridden by image and user. `container` is read by systemd and others. */
const BASE_ENVIRONMENT: readonly string[] = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "TERM=xterm",
  "container=coracle",
];

/** SIGTERM. */
const DEFAULT_STOP_SIGNAL = 15;
/** What `--read-only` leaves writable, in memory. */
const SCRATCH: readonly string[] = ["/run", "/tmp", "/var/tmp"];

/** Fails with `usage` when the wishes do not fit one another; nothing has been made then. */
export function resolveRequest(
  request: CreateRequest,
  image: ImageRunConfig | null,
  options: ResolveOptions,
): ResolvedContainer {
  checkResources(request.resources);
  checkSysctls(request.sysctls, request);
  boundingSet(request, options.hostCapabilities);
  const workdir = request.workdir || image?.WorkingDir || "/";
  return {
    request,
    ...resolveCommand(request, image),
    environment: resolveEnvironment(request, image),
    workdir: cleanPath(workdir),
    isImageWorkdir: !request.workdir,
    user: request.user || image?.User || "",
    labels: { ...image?.Labels, ...request.labels },
    annotations: request.annotations,
    stopSignal: resolveStopSignal(request.stopSignal ?? image?.StopSignal, options),
    mounts: resolveMounts(request, image, options),
  };
}

function resolveEnvironment(request: CreateRequest, image: ImageRunConfig | null): string[] {
  const isUnset = (word: string) => request.unsetEnvironment.includes(word.split("=", 1)[0] ?? "");
  const given = request.unsetEnvironmentAll
    ? []
    : mergeEnvironment(BASE_ENVIRONMENT, image?.Env ?? []).filter((word) => !isUnset(word));
  return mergeEnvironment(given, request.environment);
}

function resolveStopSignal(text: string | undefined, options: ResolveOptions): number {
  if (text === undefined || text === "") return DEFAULT_STOP_SIGNAL;
  const number = options.signalNumber(text);
  if (number !== null && number >= 1 && number <= 64) return number;
  const why = /^[0-9]+$/.test(text) ? "valid signals are 1 through 64" : `invalid signal: ${text}`;
  throw new CoracleError("usage", `cannot use stop signal ${JSON.stringify(text)}`, { why });
}

function resolveMounts(
  request: CreateRequest,
  image: ImageRunConfig | null,
  options: ResolveOptions,
): ResolvedMount[] {
  const mounts = new Map<string, ResolvedMount>();
  for (const mount of request.mounts) {
    const earlier = mounts.get(mount.destination);
    if (earlier !== undefined && !isSameMount(earlier, mount)) {
      throw new CoracleError("usage", `cannot mount at ${JSON.stringify(mount.destination)}`, {
        why: `${mount.destination}: duplicate mount destination`,
      });
    }
    mounts.set(mount.destination, mount);
  }
  for (const path of Object.keys(image?.Volumes ?? {})) {
    const destination = cleanPath(path);
    if (mounts.has(destination) || request.imageVolumes === "ignore") continue;
    const type = request.imageVolumes === "tmpfs" ? "tmpfs" : "volume";
    mounts.set(destination, { type, source: "", destination, options: [] });
  }
  if (request.readOnly && request.readOnlyTmpfs) {
    for (const destination of SCRATCH) {
      if (mounts.has(destination)) continue;
      mounts.set(destination, { type: "tmpfs", source: "", destination, options: [] });
    }
  }
  return [...mounts.values()].map((mount) =>
    mount.type === "volume" && mount.source === ""
      ? { ...mount, source: options.newVolumeName(), isAnonymous: true }
      : mount
  );
}

/** The same mount asked for twice is no mistake. */
function isSameMount(a: MountRequest, b: MountRequest): boolean {
  return a.type === b.type && a.source === b.source && a.options.join() === b.options.join();
}
