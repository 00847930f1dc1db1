/**
 * An OCI bundle for the conformance suites: its root shows the host's own programs, read-only, so
 * that a suite needs no image and runs on any host that has a shell.
 */
import { AT_FDCWD, lookAt, readlinkAt, symlinkAt } from "../core/sys/at.ts";
import { makeDirs, writeAtomic } from "../core/sys/files.ts";
import { raw } from "../core/terms.ts";

export interface BundleOptions {
  readonly command: readonly string[];
  /** Name below the root of every cgroup hierarchy; the runtime makes it and removes it. */
  readonly cgroup: string;
  readonly terminal?: boolean;
  readonly workdir?: string;
  /** Host directory seen as /out in the container, writable. */
  readonly out: string;
}

/** Where programs and their libraries are; a link (merged /usr) is made again as a link. */
const SHOWN = ["bin", "sbin", "lib", "lib32", "lib64", "usr", "etc"];

/** Writes `config.json` and the root below `dir`, which is made. runtime-spec, config.md. */
export function writeHostBundle(dir: string, options: BundleOptions): void {
  const root = `${dir}/rootfs`;
  for (const name of ["proc", "dev", "sys", "tmp", "out"]) makeDirs(`${root}/${name}`);
  const binds = SHOWN.filter((name) => showHostDirectory(root, name));
  const config = {
    ociVersion: "1.0.2",
    process: processObject(options),
    root: { path: root, readonly: false },
    hostname: "conform",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
      { destination: "/dev/pts", type: "devpts", source: "devpts", options: ["newinstance"] },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"] },
      { destination: "/out", type: "bind", source: options.out, options: ["rbind", "rw"] },
      ...binds.map((name) => ({
        destination: `/${name}`,
        type: "bind",
        source: `/${name}`,
        options: ["rbind", "ro"],
      })),
    ],
    linux: {
      cgroupsPath: `/${options.cgroup}`,
      namespaces: ["pid", "mount", "ipc", "uts", "network"].map((type) => ({ type })),
    },
  };
  writeAtomic(`${dir}/config.json`, JSON.stringify(config));
}

/** The runtime-spec's `process`, which `exec` takes in a file of its own. */
export function processObject(
  options: Pick<BundleOptions, "command" | "terminal" | "workdir">,
): Record<string, unknown> {
  const capabilities = ["CAP_KILL", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE", "CAP_CHOWN"];
  return {
    terminal: options.terminal ?? false,
    user: { uid: 0, gid: 0 },
    args: options.command,
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"],
    cwd: options.workdir ?? "/",
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    noNewPrivileges: true,
  };
}

/** Prepares the place of one host directory; true when it is to be mounted there. */
function showHostDirectory(root: string, name: string): boolean {
  const found = lookAt(AT_FDCWD, raw(`/${name}`));
  if (found === null) return false;
  const place = `${root}/${name}`;
  if (found.type === "symlink") {
    if (lookAt(AT_FDCWD, raw(place)) === null) {
      symlinkAt(readlinkAt(AT_FDCWD, raw(`/${name}`)), AT_FDCWD, raw(place));
    }
    return false;
  }
  makeDirs(place);
  return true;
}
