/**
 * config.json for every group of flags, compared with golden files. `GOLDEN=update` writes them.
 * The profile has a test of its own and stands in the files as "default".
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { configText } from "../../../core/container/oci/spec.ts";
import { hostnameOf, ociConfig } from "../../../core/container/oci_config.ts";
import { type SampleChange, sampleInput } from "./sample.ts";
import { whyOf } from "./why_of.ts";

const FOLDER = `${import.meta.dirname}/../../golden/oci`;
const ALICE = { uid: 1000, gid: 1000, groups: [1000, 10], home: "/home/alice" };
const FUSE = {
  path: "/dev/fuse",
  type: "c",
  major: 10,
  minor: 229,
  fileMode: 0o600,
  uid: 0,
  gid: 0,
} as const;
const SECURITY = { noNewPrivileges: false, labels: [], mask: [], unmask: [], procOptions: [] };
const DISK = { nosuid: true, nodev: true, noexec: false };

const CASES: Readonly<Record<string, SampleChange>> = {
  plain: {},
  terminal: { request: { terminal: true, environment: ["TERM=screen", "A=b"] } },
  image: {
    image: {
      Env: ["PATH=/bin", "LANG=C"],
      Entrypoint: ["/entry"],
      Cmd: ["default"],
      WorkingDir: "/srv/",
      User: "alice",
      Volumes: { "/data": {}, "/var/lib/x": {} },
      Labels: { a: "1" },
      StopSignal: "SIGQUIT",
    },
    user: ALICE,
    request: { command: ["given"] },
    sources: { ["f".repeat(64)]: "/volumes/f" },
  },
  user: { user: ALICE, request: { user: "alice", umask: 0o77, workdir: "/tmp" } },
  user_capability: {
    user: ALICE,
    request: { user: "alice", capAdd: ["net_bind_service", "SYS_TIME"] },
  },
  capabilities: { request: { capAdd: ["CAP_NET_ADMIN"], capDrop: ["kill", "chown"] } },
  privileged: { request: { privileged: true }, devices: { nodes: [FUSE], rules: [] } },
  read_only: { request: { readOnly: true } },
  read_only_bare: { request: { readOnly: true, readOnlyTmpfs: false } },
  network_host: {
    request: { network: { kind: "host" } },
    paths: { rootfs: "/store/merged", resolvConf: "/run/b/resolv.conf" },
  },
  namespaces_host: {
    request: {
      pid: { kind: "host" },
      ipc: { kind: "host" },
      uts: { kind: "host" },
      cgroupns: { kind: "host" },
    },
  },
  namespaces_joined: {
    request: {
      pid: { kind: "container", container: "web" },
      ipc: { kind: "container", container: "web" },
      network: { kind: "path", path: "/run/netns/a" },
    },
    joins: { pid: "/proc/7/ns/pid", ipc: "/proc/7/ns/ipc", network: "/run/netns/a" },
    paths: { rootfs: "/store/merged", shm: "/store/web/shm" },
  },
  limits: {
    request: {
      resources: {
        memory: 536_870_912,
        memoryReservation: 104_857_600,
        cpus: 1.5,
        cpuShares: 33,
        cpusetCpus: "0",
        pidsLimit: 77,
        blkioWeight: 100,
      },
      shmSize: 1_048_576,
      oomScoreAdj: 5,
      ulimits: [
        { name: "nofile", soft: 512, hard: 50_000 },
        { name: "core", soft: 0, hard: -1 },
      ],
    },
  },
  limits_off: {
    request: {
      resources: {
        memory: 536_870_912,
        memorySwap: -1,
        memorySwappiness: 10,
        cpuQuota: 1000,
        cpuPeriod: 10_000,
        pidsLimit: -1,
      },
      ulimits: "host",
    },
  },
  mounts: {
    request: {
      mounts: [
        { type: "bind", source: "/src", destination: "/m", options: ["ro"] },
        {
          type: "bind",
          source: "/src",
          destination: "/a/b/c",
          options: ["rslave"],
          relabel: "private",
        },
        { type: "volume", source: "data", destination: "/v", options: [] },
        { type: "tmpfs", source: "", destination: "/t", options: ["size=1m", "mode=1777"] },
        { type: "bind", source: "/etc/my-hosts", destination: "/etc/hosts", options: ["rshared"] },
      ],
    },
    sources: { data: "/volumes/data" },
    sourceFlags: { "/src": DISK },
  },
  security: {
    request: {
      security: {
        ...SECURITY,
        noNewPrivileges: true,
        seccomp: "unconfined",
        mask: ["/tmp/x"],
        unmask: ["/proc/acpi", "/proc/s*"],
        procOptions: ["hidepid=2"],
      },
    },
  },
  unmask_all: { request: { security: { ...SECURITY, unmask: ["ALL"] } } },
  devices: {
    request: { deviceRules: [{ type: "c", major: 42, minor: null, access: "rwm" }] },
    devices: {
      nodes: [FUSE],
      rules: [
        { type: "c", major: 10, minor: 229, access: "rw" },
        { type: "c", major: 42, minor: null, access: "rwm" },
      ],
    },
  },
  cgroups: { request: { cgroupParent: "/foo/", cgroups: "no-conmon" } },
  cgroups_disabled: { request: { cgroups: "disabled" } },
  cgroup_v1: { host: { ...sampleInput().host, cgroup: "v1" } },
  init: {
    request: {
      init: true,
      sysctls: { "net.ipv4.ip_forward": "1" },
      annotations: { q: "w" },
      stopSignal: "USR1",
      rm: true,
    },
    paths: { rootfs: "/store/merged", init: "/usr/bin/tini" },
  },
};

for (const [name, change] of Object.entries(CASES)) {
  test(`config.json of "${name}" is as agreed`, () => {
    const { spec } = ociConfig(sampleInput(change));
    const { seccomp, ...linux } = spec.linux;
    const shown = {
      ...spec,
      linux: { ...linux, seccomp: seccomp === undefined ? "none" : "default" },
    };
    const actual = configText(shown, { indent: 2 }) + "\n";
    const file = `${FOLDER}/${name}.json`;
    if (process.env.GOLDEN === "update") writeFileSync(file, actual);
    assert.ok(existsSync(file), `${name}.json is missing: run with GOLDEN=update`);
    assert.equal(actual, readFileSync(file, "utf8"));
  });
}

test("no golden file is left over", () => {
  const names = readdirSync(FOLDER).map((name) => name.replace(/\.json$/, "")).sort();
  assert.deepEqual(names, Object.keys(CASES).sort());
});

test("a limit that is cut is said, a default that is cut is not", () => {
  assert.deepEqual(ociConfig(sampleInput()).notes, []);
  assert.deepEqual(ociConfig(sampleInput(CASES.limits)).notes, [
    "ulimit nofile=512:50000 was cut to 512:20000, the most this process may set",
  ]);
});

test("an unlimited limit is written as the kernel's number", () => {
  const { spec } = ociConfig(sampleInput(CASES.limits));
  assert.match(configText(spec), /"RLIMIT_CORE","hard":18446744073709551615,"soft":0/);
});

test("an apparmor profile needs a kernel with apparmor", () => {
  const request = { security: { ...SECURITY, apparmor: "strict" } };
  const host = sampleInput().host;
  assert.match(
    whyOf(() => ociConfig(sampleInput({ request })), "unsupported"),
    /apparmor profile "strict" specified, but Apparmor is not enabled on this system/,
  );
  const { spec } = ociConfig(sampleInput({ request, host: { ...host, hasApparmor: true } }));
  assert.equal(spec.process.apparmorProfile, "strict");
});

test("the host name is the user's, the host's with its network, else from the id", () => {
  const name = (request: SampleChange["request"]) =>
    hostnameOf("0123456789abcdef", sampleInput({ request }).resolved, "myhost");
  assert.equal(name({}), "0123456789ab");
  assert.equal(name({ hostname: "web" }), "web");
  assert.equal(name({ network: { kind: "host" } }), "myhost");
  assert.equal(name({ uts: { kind: "host" } }), "myhost");
});
