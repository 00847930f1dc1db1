/**
 * Capabilities: their names, the default set, and what adding and dropping makes of it.
 * capabilities(7).
 */
import { wrongValue } from "./arguments/wrong_value.ts";

/** All of them, in the order of their numbers. */
export const CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
];

/** What a container has when nothing is said; Podman's set. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

/** `net_admin`, `CAP_NET_ADMIN` -> `CAP_NET_ADMIN`; `all` -> `ALL`. */
export function capabilityName(flag: string, text: string): string {
  const upper = text.toUpperCase();
  if (upper === "ALL" || upper === "CAP_ALL") return "ALL";
  const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
  if (!CAPABILITIES.includes(name)) {
    throw wrongValue(flag, `${JSON.stringify(name)}: unknown capability`);
  }
  return name;
}

export interface CapabilityWishes {
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly privileged?: boolean;
}

/**
 * The bounding set, in byte order. `host` is this process's own bounding set: nobody can give what
 * he has not. With both ALL and names, the names are exceptions. Asking for one by name that the
 * host has not is left to the runtime to refuse, with the name.
 */
export function boundingSet(wishes: CapabilityWishes, host: readonly string[]): string[] {
  const added = wishes.capAdd.map((text) => capabilityName("--cap-add", text));
  const dropped = wishes.capDrop.map((text) => capabilityName("--cap-drop", text));
  const both = added.find((name) => dropped.includes(name));
  if (both === "ALL") {
    throw wrongValue("--cap-add", "adding all caps and removing all caps not allowed");
  }
  if (both !== undefined) {
    throw wrongValue(
      "--cap-add",
      `capability ${JSON.stringify(both)} cannot be dropped and added`,
    );
  }
  const everything = wishes.privileged || added.includes("ALL");
  const start = dropped.includes("ALL") ? [] : everything ? host : DEFAULT_CAPABILITIES;
  const names = new Set([...start, ...added.filter((name) => name !== "ALL")]);
  for (const name of dropped) names.delete(name);
  return [...names].sort();
}

export interface CapabilitySets {
  readonly bounding: readonly string[];
  readonly effective: readonly string[];
  readonly permitted: readonly string[];
  readonly inheritable?: readonly string[];
  readonly ambient?: readonly string[];
}

/**
 * The five sets for a user. Root gets everything. Anyone else gets nothing but what was added by
 * name, as ambient capabilities, so that it survives the execve (capabilities(7), "Transformation
 * of capabilities during execve"). The inheritable set stays empty otherwise (CVE-2022-24769).
 */
export function capabilitySets(
  wishes: CapabilityWishes,
  user: { readonly uid: number },
  host: readonly string[],
): CapabilitySets {
  const bounding = boundingSet(wishes, host);
  if (user.uid === 0) return { bounding, effective: bounding, permitted: bounding };
  const added = wishes.capAdd.map((text) => capabilityName("--cap-add", text));
  const wanted = added.includes("ALL") ? bounding : bounding.filter((name) => added.includes(name));
  if (wanted.length === 0) return { bounding, effective: [], permitted: [] };
  return {
    bounding,
    effective: wanted,
    permitted: wanted,
    inheritable: wanted,
    ambient: wanted,
  };
}
