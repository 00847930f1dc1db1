/** A small, deterministic container for golden files and runtime tests. */
import { type OciInput } from "../../../core/container/oci_config.ts";
import type { HostFacts } from "../../../core/container/host/facts.ts";
import { type CreateRequest, defaultRequest } from "../../../core/container/request.ts";
import { type ResolveOptions, resolveRequest } from "../../../core/container/resolve.ts";
import { CAPABILITIES } from "../../../core/container/capabilities.ts";
import type { ImageRunConfig } from "../../../core/terms.ts";

export const SAMPLE_ID = "0123456789abcdef".repeat(4);

export const SAMPLE_HOST: HostFacts = {
  architecture: "amd64",
  kernel: "6.1.0-13-amd64",
  hostname: "myhost",
  capabilities: CAPABILITIES,
  cgroup: "v2",
  limits: {
    own: {
      RLIMIT_NOFILE: { soft: 1024, hard: 20_000 },
      RLIMIT_NPROC: { soft: 100, hard: Infinity },
    },
    canRaise: false,
    maxOpenFiles: 1_048_576,
  },
  hasApparmor: false,
};

const SIGNALS: Readonly<Record<string, number>> = {
  USR1: 10,
  SIGUSR1: 10,
  TERM: 15,
  QUIT: 3,
  SIGQUIT: 3,
};

export const SAMPLE_OPTIONS: ResolveOptions = {
  newVolumeName: () => "f".repeat(64),
  signalNumber: (text) => SIGNALS[text] ?? (/^\d+$/.test(text) ? Number(text) : null),
  hostCapabilities: CAPABILITIES,
};

export type SampleChange = Partial<Omit<OciInput, "resolved">> & {
  readonly request?: Partial<CreateRequest>;
  readonly image?: ImageRunConfig | null;
};

/** What `ociConfig` gets for `sleep 100` with some wishes. */
export function sampleInput({ request, image = null, ...rest }: SampleChange = {}): OciInput {
  const asked: CreateRequest = {
    ...defaultRequest("busybox"),
    command: ["sleep", "100"],
    ...request,
  };
  return {
    id: SAMPLE_ID,
    name: "sample",
    created: "2026-01-02T03:04:05.678901234Z",
    resolved: resolveRequest(asked, image, SAMPLE_OPTIONS),
    user: { uid: 0, gid: 0, groups: [], home: "/root" },
    host: SAMPLE_HOST,
    paths: {
      rootfs: "/store/merged",
      hosts: "/run/b/hosts",
      hostname: "/run/b/hostname",
      containerEnv: "/run/b/containerenv",
    },
    sources: {},
    sourceFlags: {},
    joins: {},
    devices: { nodes: [], rules: [] },
    ...rest,
  };
}
