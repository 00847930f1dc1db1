/** Our config.json, profile and bundle with the real runtimes on the real kernel. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { type BundleFiles, bundlePaths, writeBundle } from "../../../core/container/bundle.ts";
import { sourceFlags } from "../../../core/container/host/bind_sources.ts";
import { lookUpDevices } from "../../../core/container/host/devices.ts";
import { hostFacts } from "../../../core/container/host/facts.ts";
import { ociConfig } from "../../../core/container/oci_config.ts";
import { resolveUser } from "../../../core/container/users.ts";
import { AT_FDCWD, close, O, openAt } from "../../../core/sys/at.ts";
import { raw } from "../../../core/terms.ts";
import { type SampleChange, sampleInput } from "./sample.ts";

const PARENT = `/coracle-test-${process.pid}`;
const FILES: BundleFiles = {
  hosts: "127.0.0.1\tlocalhost\n",
  hostname: "boat\n",
  containerEnv: "",
};

/** Why the tests cannot run here, or false. */
function missing(runtime: string): string | false {
  if (process.getuid?.() !== 0) return "needs root";
  return spawnSync(runtime, ["--version"]).status === 0 ? false : `${runtime} is not installed`;
}

/** A root with the host's /usr, so that perl and the C library are there. */
function makeRoot(): string {
  const dir = mkdtempSync("/tmp/container-run-");
  const root = `${dir}/root`;
  for (const name of ["etc", "usr", "tmp", "root", "home/alice", "var/tmp", "run"]) {
    mkdirSync(`${root}/${name}`, { recursive: true });
  }
  for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, `${root}/${name}`);
  writeFileSync(
    `${root}/etc/passwd`,
    "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n",
  );
  writeFileSync(`${root}/etc/group`, "root:x:0:\nalice:x:1000:\nwheel:x:10:alice\n");
  return dir;
}

interface Ran {
  readonly status: number | null;
  readonly out: string;
}

/** Runs a command in a container made from our config; everything is removed again. */
function runIn(runtime: string, command: readonly string[], change: SampleChange = {}): Ran {
  const dir = makeRoot();
  const id = `coracle-test-${process.pid}-${Math.random().toString(36).slice(2)}`;
  const host = hostFacts();
  const bundle = `${dir}/bundle`;
  const root = openAt(AT_FDCWD, raw(`${dir}/root`), O.RDONLY | O.DIRECTORY);
  const usr = { type: "bind", source: "/usr", destination: "/usr", options: ["ro"] } as const;
  const sample = sampleInput({
    host,
    ...change,
    request: {
      cgroupParent: PARENT,
      ...change.request,
      command,
      mounts: [usr, ...change.request?.mounts ?? []],
    },
  });
  const { request } = sample.resolved;
  const user = resolveUser(root, { user: sample.resolved.user, groupAdd: request.groupAdd });
  close(root);
  const { spec } = ociConfig({
    ...sample,
    id,
    user,
    paths: { rootfs: `${dir}/root`, ...bundlePaths(bundle, FILES) },
    sourceFlags: sourceFlags(["/usr"]),
    devices: lookUpDevices(request),
  });
  writeBundle(bundle, { spec, files: FILES });
  try {
    const state = ["--root", `${dir}/state`];
    const ran = spawnSync(runtime, [...state, "run", "--bundle", bundle, id], {
      encoding: "utf8",
      timeout: 60_000,
      stdio: ["ignore", "pipe", "pipe"],
    });
    spawnSync(runtime, [...state, "delete", "--force", id]);
    return { status: ran.status, out: ran.stdout + ran.stderr };
  } finally {
    rmSync(dir, { recursive: true, force: true });
    removeCgroups();
  }
}

function removeCgroups(): void {
  for (const name of ["", ...readdirSync("/sys/fs/cgroup")]) {
    for (const path of [`/sys/fs/cgroup/${name}${PARENT}`, `/sys/fs/cgroup/${name}/coracle-test`]) {
      try {
        rmdirSync(path);
      } catch {
        // Not a controller, or the runtime did not use it.
      }
    }
  }
}

/** Perl that makes system calls by number (amd64) and prints the errno of each. */
function calls(list: readonly (readonly [name: string, call: string])[]): string[] {
  const lines = list.map(([name, call]) =>
    `$!=0; my $r=syscall(${call}); print "${name}=",$r<0?$!+0:"ok","\\n";`
  );
  return ["perl", "-e", lines.join("")];
}

const PROBES = [
  ["mount", "165,0,0,0,0,0"],
  ["unshare", "272,0x10000000"],
  ["clone-newuser", "56,0x10000000|17,0,0,0,0"],
  ["clone3", "435,0,0"],
  ["bpf", "321,0,0,0"],
  ["keyctl", "250,0,0,0,0,0"],
  ["kexec", "246,0,0,0,0"],
  ["reboot", "169,0,0,0,0"],
  ["ptrace", "101,16,99999,0,0"],
  ["unknown", "470000,0"],
  ["io_uring_setup", "425,1,0"],
  ["socket-inet", "41,2,1,0"],
  ["socket-unix", "41,1,1,0"],
  ["socket-netlink", "41,16,3,0"],
  ["socket-audit", "41,16,3,9"],
  ["socket-vsock", "41,40,1,0"],
  ["socket-vsock-high", "41,40+(1<<32),1,0"],
  ["personality", "135,0xffffffff"],
  ["personality-norandom", "135,0x40000"],
] as const;

const EXPECTED: Readonly<Record<string, string>> = {
  mount: "1",
  unshare: "1",
  "clone-newuser": "1",
  clone3: "38",
  bpf: "1",
  keyctl: "1",
  kexec: "1",
  reboot: "1",
  ptrace: "3", // ESRCH: the kernel's answer, not the filter's
  unknown: "38",
  io_uring_setup: "38",
  "socket-inet": "ok",
  "socket-unix": "ok",
  "socket-netlink": "ok",
  "socket-audit": "22",
  "socket-vsock": "97",
  "socket-vsock-high": "97",
  personality: "ok",
  "personality-norandom": "38",
};

for (const runtime of ["crun", "runc"]) {
  const skip = missing(runtime);

  test(`${runtime} runs our bundle with our files, user, limits and rights`, { skip }, () => {
    const script = "id; cat /etc/hostname; hostname; grep -E 'CapBnd|CapEff|Seccomp:|NoNewPrivs' " +
      "/proc/self/status; ulimit -n; echo $HOME $container; ls -ld /dev/shm /proc/kcore; " +
      "grep -c . /sys/fs/cgroup/*/cgroup.procs 2>/dev/null | head -1; touch /proc/sys/x; exit 7";
    const { status, out } = runIn(runtime, ["sh", "-c", script], {
      request: { hostname: "boat", network: { kind: "none" } },
    });
    assert.equal(status, 7, out);
    assert.match(out, /uid=0\(root\) gid=0\(root\)/);
    assert.match(out, /boat\nboat\n/);
    assert.match(out, /Seccomp:\t2/);
    // The eleven default capabilities as bits.
    assert.match(out, /CapBnd:\t00000000800405fb/);
    assert.match(out, /\/root coracle/);
    assert.match(out, /drwxrwxrwt.*\/dev\/shm/);
    assert.match(out, /touch: .*\/proc\/sys\/x/);
  });

  test(`${runtime} runs as another user, with its groups and an added capability`, { skip }, () => {
    const { status, out } = runIn(runtime, ["sh", "-c", "id; grep CapAmb /proc/self/status; pwd"], {
      request: {
        user: "alice",
        capAdd: ["net_bind_service"],
        workdir: "/home/alice",
        groupAdd: ["77"],
      },
    });
    assert.equal(status, 0, out);
    assert.match(
      out,
      /uid=1000\(alice\) gid=1000\(alice\) groups=10\(wheel\),77,1000\(alice\)|uid=1000.*77/,
    );
    assert.match(out, /CapAmb:\t0000000000000400/);
    assert.match(out, /\/home\/alice/);
  });

  test(`${runtime} mounts a read-only root with writable scratch`, { skip }, () => {
    const script = "touch /x 2>&1; echo $?; touch /tmp/x /run/x /var/tmp/x /t/x; echo $?; " +
      "ls /run/.containerenv; grep ' /usr ' /proc/mounts; df -k /t | tail -1; ls -l /dev/zero2";
    const { status, out } = runIn(runtime, ["sh", "-c", script], {
      request: {
        readOnly: true,
        mounts: [{ type: "tmpfs", source: "", destination: "/t", options: ["size=1m"] }],
        devices: [{ source: "/dev/zero", destination: "/dev/zero2", access: "r" }],
      },
    });
    assert.equal(status, 0, out);
    assert.match(out, /Read-only file system[\s\S]*\n1\n0\n\/run\/.containerenv/);
    assert.match(out, / \/usr \S+ ro/);
    assert.match(out, /1024/);
    assert.match(out, /crw.* \/dev\/zero2/);
  });

  test(`${runtime} runs a privileged container`, { skip }, () => {
    const script =
      "grep -E 'Seccomp:|CapEff' /proc/self/status; mount -t tmpfs x /tmp && echo mounted; " +
      "ls -l /dev/null; touch /proc/sys/kernel/hostname && echo writable";
    const { status, out } = runIn(runtime, ["sh", "-c", script], { request: { privileged: true } });
    assert.equal(status, 0, out);
    assert.match(out, /Seccomp:\t0/);
    assert.match(out, /mounted/);
    assert.match(out, /writable/);
  });

  const wrongArch = process.arch === "x64" ? false : "numbers of system calls are amd64's";
  test(`${runtime}: the profile answers each call as it says`, { skip: skip || wrongArch }, () => {
    const { status, out } = runIn(runtime, calls(PROBES));
    assert.equal(status, 0, out);
    const answers = Object.fromEntries(out.trim().split("\n").map((line) => line.split("=")));
    assert.deepEqual(answers, EXPECTED);
  });

  test(`${runtime}: threads, forks, pipes, sockets and su work under the profile`, { skip }, () => {
    const script = `fork() or exit 3; wait; print $? >> 8, "\\n"; ` +
      `socketpair(A, B, 1, 1, 0) or die; syswrite(A, "hi"); sysread(B, $x, 2); print "$x\\n"; ` +
      `print \`echo sub; sort --parallel=2 /etc/group | head -1\`;`;
    const { status, out } = runIn(runtime, ["perl", "-e", script]);
    assert.equal(status, 0, out);
    assert.match(out, /3\nhi\nsub\nalice/);
    const limited = runIn(runtime, [
      "sh",
      "-c",
      "setpriv --reuid 1000 --regid 1000 --clear-groups id -u",
    ]);
    assert.equal(limited.out, "1000\n");
  });
}

test("the profile loads with all capabilities and opens their calls", {
  skip: missing("crun") || missing("runc"),
}, () => {
  for (const runtime of ["crun", "runc"]) {
    const { status, out } = runIn(runtime, [
      "sh",
      "-c",
      "unshare -m true && grep Seccomp: /proc/self/status",
    ], {
      request: { capAdd: ["all"] },
    });
    assert.equal(status, 0, out);
    assert.match(out, /Seccomp:\t2/);
  }
});

test("a container's limits reach its cgroup", { skip: missing("crun") }, () => {
  const v1 = readFileSync("/proc/mounts", "utf8").includes("cgroup/pids cgroup ");
  const path = v1 ? "/sys/fs/cgroup/pids/pids.max" : "/sys/fs/cgroup/pids.max";
  const { out } = runIn("crun", [
    "sh",
    "-c",
    `cat ${path} /sys/fs/cgroup/pids/*/*/pids.max 2>/dev/null`,
  ], {
    request: {
      resources: { pidsLimit: 77, memory: 64 * 1024 * 1024 },
      cgroupns: { kind: "private" },
    },
  });
  assert.match(out, /77/);
});
