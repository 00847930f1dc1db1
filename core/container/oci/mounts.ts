/**
 * The `mounts` part of config.json: the kernel's own file systems, our files, and what the user and
 * the image asked for. runtime-spec config.md, "Mounts".
 */
import { CoracleError } from "../../errors.ts";
import { completeOptions, type SourceFlags } from "../arguments/mount_options.ts";
import { containerCgroup } from "./linux.ts";
import type { OciContext } from "../oci_config.ts";
import type { OciMount } from "./spec.ts";
import { INIT_PATH } from "./process.ts";
import type { ResolvedMount } from "../resolve.ts";

const HARDENED: readonly string[] = ["nosuid", "noexec", "nodev"];

/** Parents before children, as the runtime mounts them in this order; else in the order made. */
export function ociMounts(context: OciContext): OciMount[] {
  const wanted = context.resolved.mounts.map((mount) => userMount(mount, context));
  const taken = new Set(wanted.map((mount) => mount.destination));
  const mounts = [...kernelMounts(context), ...ownFiles(context)]
    .filter((mount) => !taken.has(mount.destination));
  const depth = (mount: OciMount) => mount.destination.split("/").filter((name) => name).length;
  return [...mounts, ...wanted].sort((a, b) => depth(a) - depth(b));
}

function kernelMounts(context: OciContext): OciMount[] {
  const { request } = context.resolved;
  const access = request.privileged ? "rw" : "ro";
  const propagation = request.privileged ? ["rprivate"] : [];
  const mounts: OciMount[] = [
    {
      destination: "/proc",
      type: "proc",
      source: "proc",
      options: [...HARDENED, ...request.security.procOptions],
    },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "noexec", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/sys",
      type: "sysfs",
      source: "sysfs",
      options: [...propagation, ...HARDENED, access],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: HARDENED },
    ...shmMount(context),
  ];
  if (context.host.cgroup !== "none" && containerCgroup(context.id, request) !== null) {
    mounts.push({
      destination: "/sys/fs/cgroup",
      type: "cgroup",
      source: "cgroup",
      options: ["rprivate", ...HARDENED, "relatime", access],
    });
  }
  return mounts;
}

/** /dev/shm belongs to the ipc namespace: its own, another container's, the host's, or none. */
function shmMount({ resolved, paths }: OciContext): OciMount[] {
  const { ipc, shmSize } = resolved.request;
  if (ipc.kind === "none") return [];
  const source = ipc.kind === "host" ? "/dev/shm" : paths.shm;
  const place = { destination: "/dev/shm" };
  if (source !== undefined) {
    return [{ ...place, type: "bind", source, options: ["bind", "rprivate", ...HARDENED] }];
  }
  // A size of 0 is tmpfs(5)'s word for "no limit", as it is in Podman.
  const options = [...HARDENED, "mode=1777", `size=${shmSize}`];
  return [{ ...place, type: "tmpfs", source: "shm", options }];
}

/** Files of the bundle that stand over the image's. */
function ownFiles({ resolved, paths }: OciContext): OciMount[] {
  const { request } = resolved;
  const options = ["bind", "rprivate", ...(request.readOnly ? ["ro", ...HARDENED] : [])];
  const files: [string, string | undefined][] = [
    ["/etc/hosts", paths.hosts],
    ["/etc/hostname", paths.hostname],
    ["/etc/resolv.conf", paths.resolvConf],
    ["/run/.containerenv", paths.containerEnv],
    ["/etc/localtime", paths.localtime],
  ];
  const mounts: OciMount[] = [];
  for (const [destination, source] of files) {
    if (source !== undefined) mounts.push({ destination, type: "bind", source, options });
  }
  if (request.init && paths.init !== undefined) {
    mounts.push({
      destination: INIT_PATH,
      type: "bind",
      source: paths.init,
      options: ["bind", "rprivate", "ro"],
    });
  }
  return mounts;
}

/** tmpfs(5) as Podman mounts it: nobody's set-uid files, no devices. */
const TMPFS_FLAGS: SourceFlags = { nosuid: true, nodev: true, noexec: false };
const NO_FLAGS: SourceFlags = { nosuid: false, nodev: false, noexec: false };

function userMount(mount: ResolvedMount, context: OciContext): OciMount {
  const { destination, type } = mount;
  if (type === "devpts") {
    return { destination, type, source: "devpts", options: mount.options };
  }
  if (type === "tmpfs") {
    return { destination, type, source: "tmpfs", options: tmpfsOptions(mount) };
  }
  const source = type === "bind" ? mount.source : context.sources[mount.source];
  if (source === undefined) {
    throw new CoracleError("failed", `cannot mount at ${JSON.stringify(destination)}`, {
      why: `nobody prepared ${type} ${JSON.stringify(mount.source)}`,
    });
  }
  const flags = context.sourceFlags[source];
  return { destination, type: "bind", source, options: bindOptions(mount, flags) };
}

/** Options of a bind or volume mount in full; a volume is always nosuid and nodev, as in Podman. */
export function bindOptions(mount: ResolvedMount, flags: SourceFlags = NO_FLAGS): string[] {
  const isVolume = mount.type === "volume";
  const source = isVolume ? { ...flags, nosuid: true, nodev: true } : flags;
  return completeOptions(mount.options, { isTmpfs: false, source });
}

export function tmpfsOptions(mount: ResolvedMount): string[] {
  return completeOptions(mount.options, { isTmpfs: true, source: TMPFS_FLAGS });
}
