/**
 * What the host is, as far as a container's config depends on it; read once per command that makes
 * or starts a container.
 */
import { cgroupLayout } from "../../sys/cgroup.ts";
import { readTextOrNull } from "../../sys/files.ts";
import { architecture, hostName, kernelRelease } from "../../sys/host.ts";
import { namesOfMask } from "../capabilities.ts";
import { type HostLimits, parseProcLimits } from "../rlimits.ts";

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
  const status = readTextOrNull("/proc/self/status") ?? "";
  const mask = (name: string) =>
    new RegExp(`^${name}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0";
  return {
    architecture: architecture(),
    kernel: kernelRelease(),
    hostname: hostName(),
    capabilities: namesOfMask(mask("CapBnd")),
    cgroup: cgroupLayout(),
    limits: {
      own: parseProcLimits(readTextOrNull("/proc/self/limits") ?? ""),
      canRaise: namesOfMask(mask("CapEff")).includes("CAP_SYS_RESOURCE"),
      maxOpenFiles: Number(readTextOrNull("/proc/sys/fs/nr_open") ?? 1_048_576),
    },
    hasApparmor: readTextOrNull("/sys/module/apparmor/parameters/enabled")?.startsWith("Y") ??
      false,
  };
}
