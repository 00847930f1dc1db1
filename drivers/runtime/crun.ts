/**
 * crun(1): the small OCI runtime in C. On disk: `<runroot>/state/<id>/` with `status`, `config.json`
 * and, until the container is started, `exec.fifo`; `<runroot>/copies/` for copies of itself.
 */
import { cgroupLayout } from "../../core/sys/cgroup.ts";
import { readTextOrNull } from "../../core/sys/files.ts";
import type { DriverModule, DriverPlace } from "../module.ts";
import type { Probe } from "../../core/terms.ts";
import { crunFilters } from "./crun_filters.ts";
import type { RuntimeDriver } from "./driver.ts";
import { ociCommand, programVersion, runtimeProgram } from "./oci_command.ts";

export const driver = {
  api: 1,
  kind: "runtime",
  name: "crun",
  summary: "OCI runtime in C: small and quick",
  options: {
    path: { type: "string", description: 'program to run instead of "crun" in the search path' },
  },

  probe(place: DriverPlace): Probe {
    const path = runtimeProgram("crun", place.options);
    if (path === null) {
      return { usable: false, reason: 'program "crun" was not found; install the package "crun"' };
    }
    const version = programVersion(path);
    if (version === null) return { usable: false, reason: `"${path} --version" fails` };
    const layout = cgroupLayout();
    const facts = { path, version, cgroups: layout };
    if (layout === "none") return { usable: false, reason: "no cgroups are mounted", facts };
    const held = readTextOrNull("/sys/fs/cgroup/unified/cgroup.controllers") ?? "";
    const refused = layout === "hybrid" ? hybridRefusal(held) : null;
    if (refused !== null) return { usable: false, reason: refused, facts };
    return { usable: true, reason: `${version} at ${path}`, facts };
  },

  open(place: DriverPlace): RuntimeDriver {
    const stateRoot = `${place.runroot}/state`;
    const shared = ociCommand({
      name: "crun",
      path: runtimeProgram("crun", place.options),
      stateRoot,
      globalArguments: ["--cgroup-manager", "cgroupfs"],
      // Else it copies itself in /tmp, which a killed crun leaves there, mounted.
      copies: { variable: "_LIBCONTAINER_STATEDIR", directory: `${place.runroot}/copies` },
      stateFile: "status",
      can: {
        pause: true,
        update: true,
        preserveFds: true,
        seccomp: true,
        cgroups: ["v1", "v2", "hybrid"],
      },
      explain: {
        missing: [/executable file .* not found/i],
        // "Operation not permitted" is crun's word for a directory and for an empty command.
        notExecutable: [/open executable: (permission denied|operation not permitted)/i],
      },
    });
    // Object.assign would call the getter of the version, which takes a spawn.
    return Object.defineProperty(shared, "filters", {
      value: crunFilters(`${place.runroot}/filters`, stateRoot),
      enumerable: true,
    });
  },
} satisfies DriverModule<"runtime">;

/**
 * crun refuses a hybrid layout in which the cgroup2 hierarchy holds controllers ("cgroups in hybrid
 * mode not supported, drop all controllers from cgroupv2"): says which and how to take them out.
 * `held` is that hierarchy's `cgroup.controllers`; null when crun can run.
 */
export function hybridRefusal(held: string): string | null {
  const names = held.split(/\s+/).filter((name) => name !== "");
  if (names.length === 0) return null;
  const commands = names.map((name) => {
    const target = `/sys/fs/cgroup/${name}`;
    return `mkdir -p ${target} && mount -t cgroup -o ${name} ${name} ${target}`;
  });
  return `crun does not run on a hybrid layout whose cgroup2 hierarchy holds controllers ` +
    `(${names.join(", ")}); move them to cgroup v1 with "${commands.join(" && ")}", or use runc`;
}
