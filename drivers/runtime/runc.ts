/**
 * runc(8): the reference OCI runtime. On disk: `<runroot>/state/<id>/` with `state.json` and, until
 * the container is started, `exec.fifo`.
 */
import { cgroupLayout } from "../../core/sys/cgroup.ts";
import type { DriverModule, DriverPlace } from "../module.ts";
import type { Probe } from "../../core/terms.ts";
import type { RuntimeDriver } from "./driver.ts";
import { ociCommand, programVersion, runtimeProgram } from "./oci_command.ts";

export const driver = {
  api: 1,
  kind: "runtime",
  name: "runc",
  summary: "the reference OCI runtime",
  options: {
    path: { type: "string", description: 'program to run instead of "runc" in the search path' },
  },

  probe(place: DriverPlace): Probe {
    const path = runtimeProgram("runc", place.options);
    if (path === null) {
      return { usable: false, reason: 'program "runc" was not found; install the package "runc"' };
    }
    const version = programVersion(path);
    if (version === null) return { usable: false, reason: `"${path} --version" fails` };
    const layout = cgroupLayout();
    const facts = { path, version, cgroups: layout };
    if (layout === "none") return { usable: false, reason: "no cgroups are mounted", facts };
    return { usable: true, reason: `${version} at ${path}`, facts };
  },

  open(place: DriverPlace): RuntimeDriver {
    return ociCommand({
      name: "runc",
      path: runtimeProgram("runc", place.options),
      stateRoot: `${place.runroot}/state`,
      stateFile: "state.json",
      can: {
        pause: true,
        update: true,
        preserveFds: true,
        seccomp: true,
        cgroups: ["v1", "v2", "hybrid"],
      },
      explain: {
        missing: [
          /exec: .*: executable file not found in \$PATH/i,
          /exec: .*: (stat .*: )?no such file or directory/i,
        ],
        notExecutable: [/exec: .*: (permission denied|is a directory)/i],
      },
    });
  },
} satisfies DriverModule<"runtime">;
