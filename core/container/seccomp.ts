/**
 * The seccomp profile of a container: an allow-list of our own. What the list does not know gets
 * ENOSYS, so that a C library newer than the list falls back to older calls; what it knows to be
 * dangerous gets EPERM unless the container has the capability for it. seccomp(2),
 * runtime-spec config-linux.md "Seccomp".
 */
import type { OciSeccomp, OciSeccompArgument, OciSeccompRule } from "./oci/spec.ts";
import {
  ARCHITECTURE_CALLS,
  GUARDED_CALLS,
  OPEN_CALLS,
  REFUSED_CALLS,
  TRACING_CALLS,
} from "./oci/seccomp_syscalls.ts";

export interface SeccompFacts {
  /** Go's name: `amd64`. */
  readonly architecture: string;
  /** `uname -r`. */
  readonly kernel: string;
  /** The container's bounding set. */
  readonly capabilities: readonly string[];
}

const EPERM = 1;
const EINVAL = 22;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/**
 * The architecture itself and those whose programs people run on it. Not x32 on amd64, which no
 * distribution enables: a runtime spends 8 ms of each start on a third architecture (crun 1.8, and
 * 9 ms on the other two), and a call of an architecture that is not listed ends the process.
 */
export const SECCOMP_ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  amd64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
  "386": ["SCMP_ARCH_X86"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
  arm: ["SCMP_ARCH_ARM"],
  riscv64: ["SCMP_ARCH_RISCV64"],
  ppc64le: ["SCMP_ARCH_PPC64LE"],
  s390x: ["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
};

export function defaultSeccomp(facts: SeccompFacts): OciSeccomp {
  const has = (names: readonly string[]) => names.some((name) => facts.capabilities.includes(name));
  const allowed = [...OPEN_CALLS, ...(ARCHITECTURE_CALLS[facts.architecture] ?? [])];
  const refused = [...REFUSED_CALLS];
  for (const { capabilities, calls } of GUARDED_CALLS) {
    (has(capabilities) ? allowed : refused).push(...calls);
  }
  const isTracingSafe = kernelAtLeast(facts.kernel, 4, 8) || has(["CAP_SYS_PTRACE"]);
  (isTracingSafe ? allowed : refused).push(...TRACING_CALLS);
  const isAdmin = has(["CAP_SYS_ADMIN"]);
  if (isAdmin) allowed.push("clone", "clone3");
  const architectures = SECCOMP_ARCHITECTURES[facts.architecture];
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: ENOSYS,
    ...(architectures === undefined ? {} : { architectures }),
    syscalls: [
      { names: [...new Set(allowed)].sort(), action: "SCMP_ACT_ALLOW" },
      { names: [...new Set(refused)].sort(), action: "SCMP_ACT_ERRNO", errnoRet: EPERM },
      ...(isAdmin ? [] : cloneRules(facts.architecture)),
      ...personalityRules(),
      ...socketRules({ canAudit: has(["CAP_AUDIT_WRITE"]) }),
    ],
  };
}

/** True when release text such as `6.1.0-13-amd64` is at least major.minor. */
export function kernelAtLeast(release: string, major: number, minor: number): boolean {
  const [, first = "0", second = "0"] = /^(\d+)\.(\d+)/.exec(release) ?? [];
  return Number(first) > major || (Number(first) === major && Number(second) >= minor);
}

/** `argument & mask == value`; libseccomp calls the mask "value" and the value "valueTwo". */
function masked(index: number, mask: number, value: number): OciSeccompArgument {
  return { index, value: mask, valueTwo: value, op: "SCMP_CMP_MASKED_EQ" };
}

/** CLONE_NEW* of clone(2), without NEWTIME, which clone cannot ask for. */
const NAMESPACE_FLAGS: readonly number[] = [
  0x0002_0000, // NEWNS
  0x0200_0000, // NEWCGROUP
  0x0400_0000, // NEWUTS
  0x0800_0000, // NEWIPC
  0x1000_0000, // NEWUSER
  0x2000_0000, // NEWPID
  0x4000_0000, // NEWNET
];

/**
 * clone without a new namespace is for everyone. clone3 has its flags in memory, where a filter
 * cannot look: it stays at ENOSYS, and the C libraries then use clone.
 */
function cloneRules(architecture: string): OciSeccompRule[] {
  const index = architecture === "s390x" ? 1 : 0;
  const all = NAMESPACE_FLAGS.reduce((sum, flag) => sum + flag, 0);
  return [
    { names: ["clone"], action: "SCMP_ACT_ALLOW", args: [masked(index, all, 0)] },
    ...NAMESPACE_FLAGS.map((flag): OciSeccompRule => ({
      names: ["clone"],
      action: "SCMP_ACT_ERRNO",
      errnoRet: EPERM,
      args: [masked(index, flag, flag)],
    })),
  ];
}

/**
 * personality(2): Linux, 32-bit Linux, each with the 2.6 version number, and the question.
 * Executable data pages and a fixed address layout, which help an attacker, are not among them.
 */
function personalityRules(): OciSeccompRule[] {
  return [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff].map((value) => ({
    names: ["personality"],
    action: "SCMP_ACT_ALLOW",
    args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
  }));
}

const AF_NETLINK = 16;
const AF_VSOCK = 40;
const NETLINK_AUDIT = 9;
/** Families are numbered below 64; AF_MAX of socket.h. */
const FAMILY_BITS = 6;
/** All 32 bits of a C int: the kernel ignores the upper half of the register, so must the filter. */
const INT = 0xffff_ffff;

/**
 * socket(2) of every family but AF_VSOCK, which reaches the hypervisor past the network namespace;
 * and netlink without the audit protocol, so that programs built with libaudit (su, useradd) see a
 * kernel without audit instead of a refusal. "Not AF_VSOCK" must be said in masks of an int, as a
 * plain comparison sees 64 bits and lets 2^32+40 pass; for the protocol, which guards nothing, the
 * plain one will do. Each rule costs a runtime a quarter of a millisecond.
 *
 * Rules with arguments stand behind the two lists: in front of them libseccomp 2.5 refuses the
 * list with EEXIST once 32-bit x86, where socket is a part of socketcall, is among the
 * architectures.
 */
function socketRules(options: { readonly canAudit: boolean }): OciSeccompRule[] {
  const allow = (...args: OciSeccompArgument[]): OciSeccompRule => ({
    names: ["socket"],
    action: "SCMP_ACT_ALLOW",
    args,
  });
  const families = options.canAudit ? [AF_VSOCK] : [AF_VSOCK, AF_NETLINK];
  const rules = unequal(families, FAMILY_BITS).map(({ mask, value }) =>
    allow(masked(0, mask, value))
  );
  rules.push(refuseSocket(EAFNOSUPPORT, masked(0, INT, AF_VSOCK)));
  if (options.canAudit) return rules;
  const netlink = masked(0, INT, AF_NETLINK);
  rules.push(
    allow(netlink, { index: 2, value: NETLINK_AUDIT, op: "SCMP_CMP_NE" }),
    refuseSocket(EINVAL, netlink, { index: 2, value: NETLINK_AUDIT, op: "SCMP_CMP_EQ" }),
  );
  return rules;
}

function refuseSocket(errnoRet: number, ...args: OciSeccompArgument[]): OciSeccompRule {
  return { names: ["socket"], action: "SCMP_ACT_ERRNO", errnoRet, args };
}

/**
 * Masks and values that together match every number of `bits` bits but those in `except`: the
 * number line is halved until a half holds none of them. Bits above must be zero.
 */
export function unequal(
  except: readonly number[],
  bits: number,
): { readonly mask: number; readonly value: number }[] {
  const found: { mask: number; value: number }[] = [];
  const halve = (value: number, free: number): void => {
    const size = 2 ** free;
    if (!except.some((one) => one >= value && one < value + size)) {
      found.push({ mask: INT - (size - 1), value });
    } else if (free > 0) {
      halve(value, free - 1);
      halve(value + size / 2, free - 1);
    }
  };
  halve(0, bits);
  return found;
}
