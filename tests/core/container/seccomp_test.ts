import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSeccompProfile } from "../../../core/container/oci/seccomp_file.ts";
import {
  ARCHITECTURE_CALLS,
  GUARDED_CALLS,
  OPEN_CALLS,
  REFUSED_CALLS,
  TRACING_CALLS,
} from "../../../core/container/oci/seccomp_syscalls.ts";
import type { OciSeccomp } from "../../../core/container/oci/spec.ts";
import {
  defaultSeccomp,
  kernelAtLeast,
  type SeccompFacts,
  unequal,
} from "../../../core/container/seccomp.ts";
import { whyOf } from "./why_of.ts";

const FACTS: SeccompFacts = { architecture: "amd64", kernel: "6.1.0", capabilities: [] };

/** The action on a call that has no rule about its arguments. */
function answer(profile: OciSeccomp, name: string): string {
  const rule = profile.syscalls.find((one) => one.names.includes(name) && one.args === undefined);
  if (rule === undefined) return `default ${profile.defaultErrnoRet}`;
  return rule.action === "SCMP_ACT_ALLOW" ? "allow" : `errno ${rule.errnoRet}`;
}

test("unknown calls get ENOSYS, dangerous ones EPERM, common ones pass", () => {
  const profile = defaultSeccomp(FACTS);
  assert.equal(profile.defaultAction, "SCMP_ACT_ERRNO");
  const table: [string, string][] = [
    ["read", "allow"],
    ["openat2", "allow"],
    ["futex_waitv", "allow"],
    ["fchmodat2", "allow"],
    ["ptrace", "allow"],
    ["mount", "errno 1"],
    ["unshare", "errno 1"],
    ["bpf", "errno 1"],
    ["keyctl", "errno 1"],
    ["kexec_load", "errno 1"],
    ["clone3", "default 38"],
    ["io_uring_setup", "default 38"],
    ["a_call_of_2040", "default 38"],
  ];
  for (const [name, words] of table) assert.equal(answer(profile, name), words, name);
});

test("a capability opens its calls and no others", () => {
  const table: [string, string[], string][] = [
    ["CAP_SYS_ADMIN", ["mount", "unshare", "setns", "clone", "clone3", "bpf"], "reboot"],
    ["CAP_SYS_BOOT", ["reboot", "kexec_load"], "mount"],
    ["CAP_BPF", ["bpf"], "mount"],
    ["CAP_SYS_TIME", ["settimeofday", "clock_settime"], "reboot"],
    ["CAP_SYS_MODULE", ["finit_module"], "mount"],
    ["CAP_SYS_PTRACE", ["kcmp", "pidfd_getfd"], "mount"],
  ];
  for (const [capability, opened, closed] of table) {
    const profile = defaultSeccomp({ ...FACTS, capabilities: [capability] });
    for (const name of opened) assert.equal(answer(profile, name), "allow", name);
    assert.equal(answer(profile, closed), "errno 1");
  }
  assert.equal(answer(defaultSeccomp({ ...FACTS, capabilities: [] }), "chroot"), "errno 1");
});

test("tracing needs a capability before Linux 4.8", () => {
  const old = { ...FACTS, kernel: "4.7.10" };
  assert.equal(answer(defaultSeccomp(old), "ptrace"), "errno 1");
  const able = defaultSeccomp({ ...old, capabilities: ["CAP_SYS_PTRACE"] });
  assert.equal(answer(able, "ptrace"), "allow");
  assert.ok(kernelAtLeast("4.8.0-rc1", 4, 8) && !kernelAtLeast("4.7", 4, 8));
});

test("architectures bring the ones their kernel also runs", () => {
  assert.deepEqual(defaultSeccomp(FACTS).architectures, [
    "SCMP_ARCH_X86_64",
    "SCMP_ARCH_X86",
  ]);
  const arm = defaultSeccomp({ ...FACTS, architecture: "arm64" });
  assert.deepEqual(arm.architectures, ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
  assert.equal(answer(arm, "arch_prctl"), "default 38");
  assert.equal(answer(arm, "set_tls"), "allow");
  assert.equal(defaultSeccomp({ ...FACTS, architecture: "m68k" }).architectures, undefined);
});

test("no call is in two lists and none twice in one", () => {
  const all = [
    ...OPEN_CALLS,
    ...(ARCHITECTURE_CALLS.amd64 ?? []),
    ...GUARDED_CALLS.flatMap((group) => group.calls),
    ...TRACING_CALLS,
    ...REFUSED_CALLS,
    "clone",
    "clone3",
    "socket",
    "personality",
  ];
  const twice = all.filter((name, index) => all.indexOf(name) !== index);
  assert.deepEqual(twice, []);
});

test("masks match every number but the excepted ones", () => {
  for (const except of [[40], [16, 40], [9], [0, 63]]) {
    const masks = unequal(except, 6);
    for (let number = 0; number < 64; number++) {
      const isMatched = masks.some(({ mask, value }) => (number & mask) >>> 0 === value);
      assert.equal(isMatched, !except.includes(number), `${number} of ${except}`);
    }
    assert.ok(!masks.some(({ mask, value }) => ((64 + 40) & mask) >>> 0 === value));
  }
});

test("a profile file in docker's form is reduced to what holds here", () => {
  const file = {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 38,
    archMap: [
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] },
    ],
    syscalls: [
      { names: ["read"], action: "SCMP_ACT_ALLOW", args: [], includes: {}, excludes: {} },
      { name: "write", action: "SCMP_ACT_ALLOW" },
      { names: ["mount"], action: "SCMP_ACT_ALLOW", includes: { caps: ["CAP_SYS_ADMIN"] } },
      {
        names: ["mount"],
        action: "SCMP_ACT_ERRNO",
        errnoRet: 1,
        excludes: { caps: ["CAP_SYS_ADMIN"] },
      },
      { names: ["ptrace"], action: "SCMP_ACT_ALLOW", includes: { minKernel: "4.8" } },
      { names: ["x"], action: "SCMP_ACT_ALLOW", includes: { arches: ["arm64"] } },
      {
        names: ["socket"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }],
      },
    ],
  };
  const profile = parseSeccompProfile(JSON.stringify(file), { ...FACTS, path: "p.json" });
  assert.deepEqual(profile, {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: 38,
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    syscalls: [
      { names: ["read"], action: "SCMP_ACT_ALLOW" },
      { names: ["write"], action: "SCMP_ACT_ALLOW" },
      { names: ["mount"], action: "SCMP_ACT_ERRNO", errnoRet: 1 },
      { names: ["ptrace"], action: "SCMP_ACT_ALLOW" },
      {
        names: ["socket"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: 0, value: 1, op: "SCMP_CMP_EQ" }],
      },
    ],
  });
});

test("a profile file that is none is refused with its path", () => {
  const table: [string, RegExp][] = [
    ["root:x", /loading seccomp profile \(p.json\) failed: decoding seccomp profile failed/],
    ["[]", /not an object/],
    ["{}", /unknown default action/],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{}}', /"syscalls" is not a list/],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]}', /no name or no action/],
    ['{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[1]}', /not an object/],
  ];
  for (const [content, words] of table) {
    assert.match(whyOf(() => parseSeccompProfile(content, { ...FACTS, path: "p.json" })), words);
  }
});
