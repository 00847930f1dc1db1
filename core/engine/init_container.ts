/**
 * Makes a container ready to run (C1): its root is mounted, its bundle written, and the monitor has
 * had the runtime create it. Whatever fails, all of it is undone.
 */
import { consoleSize } from "../container/attach.ts";
import { type BundleFiles, bundlePaths, writeBundle } from "../container/bundle.ts";
import { sourceFlags } from "../container/host/bind_sources.ts";
import { lookUpDevices } from "../container/host/devices.ts";
import { hostFacts } from "../container/host/facts.ts";
import {
  containerEnvText,
  hasResolvConf,
  hostsText,
  resolvConfText,
} from "../container/network_files.ts";
import { hostnameOf, ociConfig } from "../container/oci_config.ts";
import { seccompProfile } from "../container/host/seccomp_profile.ts";
import { resolveUser } from "../container/users.ts";
import { timeZone } from "../container/host/time_zone.ts";
import { prepareWorkdir } from "../container/host/workdir.ts";
import { CoracleError } from "../errors.ts";
import { containerHolder, mountLayer } from "../layer/store.ts";
import { changeContainer, type ContainerRow } from "../state/containers.ts";
import { close, O } from "../sys/at.ts";
import { environment, selfCommand } from "../sys/environment.ts";
import { makeDirs, openText, readTextOrNull, writeAtomic } from "../sys/files.ts";
import { mount } from "../sys/mount.ts";
import { processStart } from "../sys/process.ts";
import { findProgram } from "../sys/spawn.ts";
import { VERSION } from "../version.ts";
import { containerFiles } from "./container_files.ts";
import { freshRow } from "./container_lock.ts";
import { runtimeOf } from "./container_runtime.ts";
import { derived, recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { joinNamespaces } from "./join_namespaces.ts";
import { mountSources } from "./mount_sources.ts";
import { releaseLeftovers, releaseRun } from "./release_container.ts";

export interface InitOptions {
  /** Global flags that make another process of ours use this store. */
  readonly forChildren: readonly string[];
  /**
   * The caller stays until the container has ended and cleans up itself; the monitor's exit command
   * does it only when the caller has died.
   */
  readonly isAttended?: boolean;
  /** Our ends, for the size of its terminal. */
  readonly streams?: Parameters<typeof consoleSize>[0];
  /** Who is going to start it at once (`container_owner.ts`). */
  readonly owner?: string;
  /** Sentences for the user. */
  readonly onNote?: (note: string) => void;
}

/** With the lock held, from `configured` or `exited`. Returns the row in phase `created`. */
export function initLocked(engine: Engine, row: ContainerRow, options: InitOptions): ContainerRow {
  const { state } = derived(engine, row);
  if (state !== "configured" && state !== "exited") {
    throw new CoracleError("state", `cannot initialize container "${row.name}"`, {
      why: `container ${row.id} has already been created in runtime: container state improper`,
    });
  }
  releaseLeftovers(engine, row);
  try {
    const started = create(engine, row, options);
    changeContainer(engine.db, row.id, {
      phase: "created",
      pid: started.pid,
      pidStart: processStart(started.pid) ?? "",
      monitorPid: started.monitorPid,
      error: "",
      owner: options.owner ?? "",
    });
    writePidfiles(row, started);
  } catch (error) {
    releaseRun(engine, row);
    const why = error instanceof Error ? error.message : String(error);
    changeContainer(engine.db, row.id, { phase: row.phase, pid: 0, monitorPid: 0, error: why });
    throw error;
  }
  return freshRow(engine, row.id);
}

function create(engine: Engine, row: ContainerRow, options: InitOptions) {
  const files = containerFiles(engine.paths, row.id);
  const { resolved, logPath } = recordOf(row);
  const { request } = resolved;
  makeDirs(files.bundle, 0o700);
  makeDirs(files.data, 0o700);
  const rootfs = mountRoot(engine, row);
  const { spec, files: texts, notes } = describe(engine, row, rootfs);
  for (const note of notes) options.onNote?.(note);
  const runtime = runtimeOf(engine, row);
  const profile = spec.linux.seccomp === undefined ? null : JSON.stringify(spec.linux.seccomp);
  const ready = profile === null ? {} : runtime.filters?.annotations(profile) ?? {};
  const annotations = { ...spec.annotations, ...ready };
  const size = request.terminal ? consoleSize(options.streams ?? null) : {};
  const sized = { ...spec, process: { ...spec.process, ...size } };
  writeBundle(files.bundle, { spec: { ...sized, annotations }, files: texts });
  const started = engine.monitor.create({
    id: row.id,
    name: row.name,
    bundle: files.bundle,
    dir: files.bundle,
    exits: engine.paths.exits,
    log: {
      driver: request.log.driver === "none" ? "none" : "k8s-file",
      path: logPath,
      ...(request.log.maxSize === undefined ? {} : { maxBytes: request.log.maxSize }),
    },
    terminal: request.terminal,
    stdin: request.interactive,
    leaveStdinOpen: request.interactive && request.detach,
    exitCommand: exitCommand(row, options),
    timeout: request.timeout,
    preserveFds: request.preserveFds,
    environment: environment(),
    // A detached container must outlive the cgroup of whoever started it (a CI job, a service).
    ...(request.cgroups === "enabled" && !options.isAttended ? { cgroup: "/coracle" } : {}),
    runtimeLog: files.runtimeLog,
  }, runtime);
  if (profile !== null && Object.keys(ready).length === 0) runtime.filters?.keep(row.id, profile);
  return started;
}

/**
 * What the monitor runs at the end. With a caller that stays, a shell asks whether it is still
 * there first: that is a fraction of the cost of our own start, and both would only do the same.
 */
function exitCommand(row: ContainerRow, options: InitOptions): string[] {
  const cleanup = [...selfCommand(), ...options.forChildren, "container", "cleanup", row.id];
  if (!options.isAttended) return cleanup;
  const script = 'kill -0 "$0" 2>/dev/null || exec "$@"';
  return ["/bin/sh", "-c", script, String(process.pid), ...cleanup];
}

/** The directory of the container's root: the layer's mount, or the user's own directory. */
function mountRoot(engine: Engine, row: ContainerRow): string {
  const { request } = recordOf(row).resolved;
  if (row.layer === null) return request.rootfs ?? "";
  return mountLayer(engine.layers, row.layer, containerHolder(row.id));
}

/** Reads what only the mounted root can tell, and makes the runtime's configuration. */
function describe(engine: Engine, row: ContainerRow, rootfs: string) {
  const { bundle } = containerFiles(engine.paths, row.id);
  const { resolved, image } = recordOf(row);
  const { request } = resolved;
  const host = hostFacts();
  const root = openText(rootfs, O.RDONLY | O.DIRECTORY);
  try {
    const user = resolveUser(root, { user: resolved.user, groupAdd: request.groupAdd });
    const sources = mountSources(engine, row, { root, user });
    prepareWorkdir(root, {
      path: resolved.workdir,
      isImageWorkdir: resolved.isImageWorkdir,
      container: row.id,
    });
    const hostname = hostnameOf(row.id, resolved, host.hostname);
    const texts: BundleFiles = {
      ...(request.manageHosts
        ? {
          hosts: hostsText({
            request,
            hostname,
            name: row.name,
            base: readTextOrNull("/etc/hosts") ?? "",
          }),
        }
        : {}),
      hostname: `${hostname}\n`,
      ...(hasResolvConf(request)
        ? {
          resolvConf: resolvConfText({ request, base: readTextOrNull("/etc/resolv.conf") ?? "" }),
        }
        : {}),
      ...(request.timezone === undefined ? {} : { localtime: timeZone(request.timezone) }),
      containerEnv: containerEnvText({
        version: VERSION,
        id: row.id,
        name: row.name,
        image: image?.name ?? "",
        imageId: image?.id ?? "",
        isPrivileged: request.privileged,
      }),
    };
    const shm = request.ipc.kind === "shareable" ? mountShm(bundle, request.shmSize) : undefined;
    const joins = joinNamespaces(engine, request);
    const seccomp = seccompProfile(request, host);
    const config = ociConfig({
      id: row.id,
      name: row.name,
      created: row.created,
      resolved,
      user,
      host,
      paths: {
        rootfs,
        ...bundlePaths(bundle, texts),
        ...(shm === undefined ? {} : { shm }),
        ...(request.init ? { init: findInit(request.initPath) } : {}),
      },
      sources,
      sourceFlags: sourceFlags(
        resolved.mounts.filter((one) => one.type === "bind").map((one) => one.source),
      ),
      joins,
      devices: lookUpDevices({
        devices: request.devices,
        deviceRules: request.deviceRules,
        privileged: request.privileged,
      }),
      ...(seccomp === undefined ? {} : { seccomp }),
    });
    return { ...config, files: texts };
  } finally {
    close(root);
  }
}

/** Where distributions put the init programs that Podman and Docker use. */
const INITS = ["/usr/libexec/podman/catatonit", "catatonit", "docker-init", "tini-static", "tini"];

/** The program for `--init`. Fails with `unsupported` when the host has none. */
function findInit(path: string | undefined): string {
  for (const candidate of path === undefined ? INITS : [path]) {
    const found = findProgram(candidate);
    if (found !== null) return found;
  }
  throw new CoracleError("unsupported", 'cannot use "--init"', {
    why: path === undefined
      ? "container-init binary not found on the host"
      : `no program "${path}"`,
    hint: 'install the package "catatonit" or "tini", or name one with "--init-path"',
  });
}

/** Shared memory of the container's own, outside of it, so that `--ipc container:` can join it. */
function mountShm(bundle: string, bytes: number): string {
  const target = `${bundle}/shm`;
  makeDirs(target, 0o700);
  mount({
    source: "shm",
    target,
    type: "tmpfs",
    flags: ["nosuid", "nodev", "noexec"],
    data: `mode=1777,size=${bytes}`,
  });
  return target;
}

function writePidfiles(row: ContainerRow, started: { pid: number; monitorPid: number }): void {
  const { pidfile, monitorPidfile } = recordOf(row).resolved.request;
  if (pidfile !== undefined) writeAtomic(pidfile, String(started.pid));
  if (monitorPidfile !== undefined) writeAtomic(monitorPidfile, String(started.monitorPid));
}
