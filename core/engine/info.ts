/** `info`: facts about this host and this store, with Podman's key names. */
import { cgroupLayout, controllers } from "../sys/cgroup.ts";
import { readTextOrNull } from "../sys/files.ts";
import {
  architecture,
  capabilities,
  cpuCount,
  hostName,
  isRoot,
  kernelRelease,
  memoryTotal,
} from "../sys/host.ts";
import { fsMagic, fsName, fsSpace } from "../sys/mount.ts";
import { listContainers } from "../state/containers.ts";
import { listImages } from "../state/images.ts";
import type { State } from "../terms.ts";
import { stateOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";

/** Sizes in bytes, time in seconds as text ("0h 42m 58.00s"). */
export function hostReport() {
  const memory = memoryFacts();
  const layout = cgroupLayout();
  return {
    arch: architecture(),
    cgroupManager: "cgroupfs",
    // On a hybrid host the controllers, which is what is asked for, are those of v1.
    cgroupVersion: layout === "hybrid" ? "v1" : layout,
    cgroupLayout: layout,
    cgroupControllers: controllers(),
    cpus: cpuCount(),
    distribution: distribution(),
    hostname: hostName(),
    idMappings: { gidmap: null, uidmap: null },
    kernel: kernelRelease(),
    memFree: memory.MemFree ?? 0,
    memTotal: memoryTotal(),
    os: "linux",
    security: {
      apparmorEnabled: readTextOrNull("/sys/module/apparmor/parameters/enabled")?.trim() === "Y",
      capabilities: [...capabilities()].join(","),
      rootless: !isRoot(),
      seccompEnabled: readTextOrNull("/proc/sys/kernel/seccomp/actions_avail") !== null,
      seccompProfilePath: "",
      selinuxEnabled: readTextOrNull("/sys/fs/selinux/enforce") !== null,
    },
    serviceIsRemote: false,
    swapFree: memory.SwapFree ?? 0,
    swapTotal: memory.SwapTotal ?? 0,
    uptime: uptime(),
  };
}

/** What the store has and where it is. `layerDriver` is the one in use. */
export function storeReport(engine: Pick<Engine, "config" | "paths" | "db">, layerDriver: string) {
  const { config, paths, db } = engine;
  const states = listContainers(db).map((row) => stateOf(engine, row));
  const count = (...wanted: State[]) => states.filter((state) => wanted.includes(state)).length;
  const running = count("running");
  const paused = count("paused");
  const space = fsSpace(paths.root);
  return {
    configFile: config.files.at(-1) ?? "",
    configFiles: config.files,
    containerStore: {
      number: states.length,
      paused,
      running,
      stopped: states.length - running - paused,
    },
    graphDriverName: layerDriver,
    graphOptions: config.layer.options[layerDriver] ?? {},
    graphRoot: paths.root,
    graphRootAllocated: space.bytes,
    graphRootUsed: space.bytes - space.free,
    graphStatus: { "Backing Filesystem": fsName(fsMagic(paths.root)) },
    imageStore: { number: listImages(db).length },
    runRoot: paths.runroot,
    volumePath: paths.volumes,
  };
}

/** /proc/meminfo in bytes (proc(5)). */
function memoryFacts(): Readonly<Record<string, number>> {
  const facts: Record<string, number> = {};
  for (const line of (readTextOrNull("/proc/meminfo") ?? "").split("\n")) {
    const match = /^(\w+):\s+(\d+) kB$/.exec(line);
    if (match !== null) facts[match[1] ?? ""] = Number(match[2]) * 1024;
  }
  return facts;
}

/** os-release(5). */
function distribution(): { distribution: string; version: string; codename: string } {
  const text = readTextOrNull("/etc/os-release") ?? readTextOrNull("/usr/lib/os-release") ?? "";
  const field = (name: string): string => {
    const value = new RegExp(`^${name}=(.*)$`, "m").exec(text)?.[1] ?? "";
    return value.replace(/^(["'])(.*)\1$/, "$2");
  };
  return {
    distribution: field("ID") || "unknown",
    version: field("VERSION_ID") || "unknown",
    codename: field("VERSION_CODENAME"),
  };
}

function uptime(): string {
  const seconds = Number((readTextOrNull("/proc/uptime") ?? "0").split(" ")[0]);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  return `${hours}h ${minutes}m ${(seconds % 60).toFixed(2)}s`;
}
