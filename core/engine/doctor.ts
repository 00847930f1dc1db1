/** `doctor`: each thing this host must or should have to run containers, and what to do about it. */
import { cgroupLayout, controllers } from "../sys/cgroup.ts";
import { exists } from "../sys/files.ts";
import { isRoot, kernelRelease } from "../sys/host.ts";
import { fsSpace, mountTable } from "../sys/mount.ts";
import { findProgram } from "../sys/spawn.ts";
import type { Config } from "../config.ts";

export interface Finding {
  readonly name: string;
  readonly met: boolean;
  /** Without it containers do not run; else something else is lost, which `detail` names. */
  readonly mandatory: boolean;
  /** What was found. */
  readonly detail: string;
  /** What to do; empty when met. */
  readonly remedy: string;
}

/** A driver as the drivers' own probes see it. */
export interface ProbedDriver {
  readonly kind: string;
  readonly name: string;
  readonly usable: boolean;
  readonly reason: string;
}

/** First kernel with openat2, which every path inside an image goes through (openat2(2)). */
const OLDEST_KERNEL = [5, 6] as const;
/** Less free space than this lets the first load fail, bytes. */
const LITTLE_SPACE = 1024 ** 3;

/** Looks at everything; nothing is changed. */
export function examineHost(config: Config, drivers: readonly ProbedDriver[]): Finding[] {
  return [
    root(),
    kernel(),
    ...["layer", "runtime", "monitor"].map((kind) => driverOf(kind, drivers)),
    bestLayerDriver(drivers),
    cgroups(),
    seccomp(),
    ...storeFolder(config.root),
    tool("xz", "xz-utils", "images with xz layers cannot be read"),
    tool("bzip2", "bzip2", "images with bzip2 layers cannot be read"),
  ];
}

function finding(
  name: string,
  met: boolean,
  more: { mandatory?: boolean; detail: string; remedy: string },
): Finding {
  return {
    name,
    met,
    mandatory: more.mandatory ?? true,
    detail: more.detail,
    remedy: met ? "" : more.remedy,
  };
}

function root(): Finding {
  const met = isRoot();
  return finding("root", met, {
    detail: met ? "runs as root" : "runs as an ordinary user",
    remedy: "run coracle as root, for example with sudo",
  });
}

function kernel(): Finding {
  const release = kernelRelease();
  const [major = 0, minor = 0] = release.split(".").map(Number);
  const met = major > OLDEST_KERNEL[0] || (major === OLDEST_KERNEL[0] && minor >= OLDEST_KERNEL[1]);
  return finding("kernel", met, {
    detail: `Linux ${release}`,
    remedy: `use Linux ${OLDEST_KERNEL.join(".")} or newer`,
  });
}

const PACKAGES: Readonly<Record<string, string>> = {
  runtime: "install the package crun or runc",
  monitor: "install the package conmon",
  layer: "put the store on another file system with --root",
};

function driverOf(kind: string, drivers: readonly ProbedDriver[]): Finding {
  const ofKind = drivers.filter((driver) => driver.kind === kind);
  const usable = ofKind.filter((driver) => driver.usable);
  return finding(`${kind} driver`, usable.length > 0, {
    detail: (usable.length > 0 ? usable : ofKind)
      .map((driver) => `${driver.name}: ${driver.reason}`).join("; "),
    remedy: PACKAGES[kind] ?? "see coracle drivers",
  });
}

function bestLayerDriver(drivers: readonly ProbedDriver[]): Finding {
  const overlay = drivers.find(({ kind, name }) => kind === "layer" && name === "overlay");
  return finding("overlay", overlay?.usable ?? false, {
    mandatory: false,
    detail: overlay?.reason ?? "there is no overlay driver",
    remedy: "without it every container takes a full copy of its image; see coracle drivers",
  });
}

function cgroups(): Finding {
  const layout = cgroupLayout();
  const names = layout === "none" ? [] : controllers();
  const missing = ["memory", "pids", "cpu"].filter((name) => !names.includes(name));
  return finding("cgroups", layout !== "none" && missing.length === 0, {
    mandatory: layout === "none",
    detail: layout === "none" ? "no cgroups are mounted" : `${layout}: ${names.join(", ")}`,
    remedy: layout === "none"
      ? "mount cgroups: mount -t cgroup2 none /sys/fs/cgroup"
      : `limits of ${missing.join(", ")} cannot be set; enable these controllers in the kernel`,
  });
}

function seccomp(): Finding {
  const met = exists("/proc/sys/kernel/seccomp/actions_avail");
  return finding("seccomp", met, {
    mandatory: false,
    detail: met ? "the kernel filters system calls" : "the kernel has no seccomp filters",
    remedy: "use a kernel with CONFIG_SECCOMP_FILTER; containers are less confined without it",
  });
}

function storeFolder(folder: string): Finding[] {
  const there = nearestFolder(folder);
  const mount =
    mountTable().filter(({ target }) =>
      there === target || target === "/" || there.startsWith(`${target}/`)
    ).sort((a, b) => b.target.length - a.target.length)[0];
  const harmful = (mount?.options ?? []).filter((option) =>
    ["ro", "noexec", "nosuid", "nodev"].includes(option)
  );
  const { bytes, free } = fsSpace(there);
  return [
    finding("store", harmful.length === 0, {
      mandatory: harmful.includes("ro") || harmful.includes("noexec"),
      detail: `${folder} on ${mount?.type ?? "an unknown file system"}${
        harmful.length === 0 ? "" : `, mounted ${harmful.join(", ")}`
      }`,
      remedy: `mount ${mount?.target ?? "it"} without ${harmful.join(", ")}, or use --root`,
    }),
    finding("space", free >= LITTLE_SPACE, {
      mandatory: false,
      detail: `${gigabytes(free)} GB of ${gigabytes(bytes)} GB free for ${folder}`,
      remedy: "free some space, or put the store elsewhere with --root",
    }),
  ];
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}

/** The folder itself, or the one it would be made in. */
function nearestFolder(folder: string): string {
  let there = folder;
  while (there !== "/" && !exists(there)) there = there.replace(/\/[^/]*$/, "") || "/";
  return there;
}

function tool(program: string, deb: string, loss: string): Finding {
  const path = findProgram(program);
  return finding(program, path !== null, {
    mandatory: false,
    detail: path ?? `program "${program}" was not found: ${loss}`,
    remedy: `install the package ${deb}`,
  });
}
