/**
 * What the host is, as far as a container's config depends on it; read once per command that makes
 * or starts a container.
 */
import { cgroupLayout } from "../../sys/cgroup.ts";
import { readTextOrNull } from "../../sys/files.ts";
import { architecture, capabilities, hostName, kernelRelease, rlimits } from "../../sys/host.ts";
import type { HostLimits } from "../rlimits.ts";

export interface HostFacts {
  /** Go's name: `amd64`. */
  readonly architecture: string;
  /** `uname -r`. */
  readonly kernel: string;
  readonly hostname: string;
  /** This process's bounding set. */
  readonly capabilities: readonly string[];
  readonly cgroup: "v1" | "v2" | "hybrid" | "none";
  readonly limits: HostLimits;
  readonly hasApparmor: boolean;
}

export function hostFacts(): HostFacts {
  const apparmor = readTextOrNull("/sys/module/apparmor/parameters/enabled");
  return {
    architecture: architecture(),
    kernel: kernelRelease(),
    hostname: hostName(),
    capabilities: capabilities("bounding"),
    cgroup: cgroupLayout(),
    limits: {
      own: rlimits(),
      canRaise: capabilities("effective").includes("CAP_SYS_RESOURCE"),
      maxOpenFiles: Number(readTextOrNull("/proc/sys/fs/nr_open") ?? 1_048_576),
    },
    hasApparmor: apparmor?.startsWith("Y") ?? false,
  };
}
