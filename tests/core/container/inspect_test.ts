import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { DEFAULT_CAPABILITIES } from "../../../core/container/capabilities.ts";
import { inspectContainer, type InspectInput } from "../../../core/container/inspect.ts";
import { ociConfig } from "../../../core/container/oci_config.ts";
import type { ContainerId } from "../../../core/terms.ts";
import { SAMPLE_ID, type SampleChange, sampleInput } from "./sample.ts";

const MOUNTS = [
  { type: "bind", source: "/tmp", destination: "/m", options: ["ro"], relabel: "private" },
  { type: "volume", source: "vol", destination: "/v", options: [] },
  { type: "tmpfs", source: "", destination: "/t", options: ["size=1m"] },
] as const;
const FULL: SampleChange = {
  request: {
    mounts: MOUNTS,
    devices: [{ source: "/dev/fuse", destination: "/dev/fuse", access: "rwm" }],
    createCommand: ["coracle", "create", "bb"],
    entrypoint: ["/bin/sh", "-c"],
    labels: { a: "b" },
    ulimits: [{ name: "nofile", soft: 1024, hard: 1024 }],
    resources: { memory: 104_857_600, cpus: 1.5 },
    capAdd: ["net_admin"],
  },
  sources: { vol: "/volumes/vol" },
};

function inputOf(change: SampleChange, more: Partial<InspectInput> = {}): InspectInput {
  const sample = sampleInput(change);
  return {
    row: {
      id: SAMPLE_ID as ContainerId,
      name: "sample",
      created: sample.created,
      pid: 42,
      monitorPid: 41,
      started: "2026-01-02T03:04:06Z",
      ended: "",
      exitCode: 9,
      oomKilled: false,
      error: "",
      restarts: 0,
      runtime: "crun",
    },
    record: {
      version: 1,
      resolved: sample.resolved,
      image: { name: "localhost/bb:latest", id: "i", digest: "sha256:d" },
      layerDriver: "overlay",
      dir: "/store/c",
      logPath: "/store/c/ctr.log",
      madeBy: "1",
    },
    state: "running",
    graphDriver: { name: "overlay", data: {} },
    spec: ociConfig(sample).spec,
    expected: {
      bounding: DEFAULT_CAPABILITIES,
      effective: DEFAULT_CAPABILITIES,
      hostname: "0123456789ab",
      cgroupPath: "/coracle/x",
      limits: [{ name: "nofile", soft: 1024, hard: Infinity }],
    },
    files: {
      config: "/run/config.json",
      hosts: "",
      hostname: "",
      resolvConf: "",
      pid: "",
      monitorPid: "",
    },
    sources: sample.sources,
    execIds: [],
    cgroupNamespace: "host",
    size: { writable: 1, whole: 2 },
    ...more,
  };
}

/** Dotted paths of all keys, list positions as `*`. */
function keyPaths(value: unknown, prefix = ""): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) => {
    const path = `${prefix}${Array.isArray(value) ? "*" : key}`;
    return [path, ...keyPaths(child, `${path}.`)];
  });
}

test("inspect has the keys of Podman 4.3 and no others", () => {
  const file = `${import.meta.dirname}/podman_inspect_keys.json`;
  const podman: string[] = JSON.parse(readFileSync(file, "utf8"));
  const isOpen = (path: string) =>
    !/^(GraphDriver\.Data|Config\.Annotations|Config\.Labels|HostConfig\.Tmpfs|HostConfig\.CapAdd)\./
      .test(path);
  const ours = new Set(keyPaths(inspectContainer(inputOf(FULL))).filter(isOpen));
  assert.deepEqual(podman.filter((path) => !ours.has(path)), []);
  assert.deepEqual([...ours].filter((path) => !podman.includes(path)), []);
});

test("inspect shows the container as Podman shows it", () => {
  const shown = inspectContainer(inputOf(FULL)) as Record<string, Record<string, unknown>>;
  assert.equal(shown.Path, "/bin/sh");
  assert.deepEqual(shown.Args, ["-c", "sleep", "100"]);
  assert.equal(shown.Config?.Entrypoint, "/bin/sh -c");
  assert.deepEqual(shown.Config?.Cmd, ["sleep", "100"]);
  assert.equal(shown.Config?.Umask, "0022");
  assert.deepEqual(shown.HostConfig?.Binds, [
    "/tmp:/m:Z,ro,rprivate,rbind",
    "vol:/v:rw,rprivate,nosuid,nodev,rbind",
  ]);
  assert.deepEqual(shown.HostConfig?.Tmpfs, { "/t": "size=1m,rw,rprivate,nosuid,nodev,tmpcopyup" });
  assert.deepEqual(shown.HostConfig?.CapAdd, ["CAP_NET_ADMIN"]);
  assert.deepEqual(shown.HostConfig?.CapDrop, ["CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_RAW"]);
  assert.equal(shown.HostConfig?.NanoCpus, 1_500_000_000);
  assert.equal(shown.HostConfig?.CpuQuota, 150_000);
  assert.equal(shown.HostConfig?.MemorySwap, 209_715_200);
  assert.equal(shown.HostConfig?.MemorySwappiness, -1);
  assert.deepEqual(shown.HostConfig?.Ulimits, [{ Name: "RLIMIT_NOFILE", Soft: 1024, Hard: -1 }]);
  assert.deepEqual(shown.Mounts?.[0], {
    Type: "bind",
    Source: "/tmp",
    Destination: "/m",
    Driver: "",
    Mode: "Z",
    Options: ["rbind"],
    RW: false,
    Propagation: "rprivate",
  });
});

test("a container that was never started has no process and no time", () => {
  const input = inputOf({}, { state: "configured", spec: null });
  const row = { ...input.row, pid: 0, monitorPid: 0, started: "", exitCode: 0 };
  const shown = inspectContainer({ ...input, row }) as Record<string, Record<string, unknown>>;
  assert.deepEqual(shown.State, {
    OciVersion: "1.0.2",
    Status: "created",
    Running: false,
    Paused: false,
    Restarting: false,
    OOMKilled: false,
    Dead: false,
    Pid: 0,
    ExitCode: 0,
    Error: "",
    StartedAt: "0001-01-01T00:00:00Z",
    FinishedAt: "0001-01-01T00:00:00Z",
    Health: { Status: "", FailingStreak: 0, Log: null },
    CheckpointedAt: "0001-01-01T00:00:00Z",
    RestoredAt: "0001-01-01T00:00:00Z",
  });
  assert.equal(shown.Config?.Labels, null);
  assert.equal(shown.Config?.Entrypoint, "");
});
