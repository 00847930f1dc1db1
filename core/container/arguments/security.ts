/**
 * `--security-opt`, `--sysctl` and `--umask`.
 */
import type { NamespaceMode, SecurityRequest } from "../request.ts";
import { wrongValue } from "./wrong_value.ts";

/** All `--security-opt` words, merged. `=` and `:` both separate name and value, as in Podman. */
export function parseSecurityOptions(words: readonly string[]): SecurityRequest {
  let noNewPrivileges = false;
  let seccomp: string | undefined;
  let apparmor: string | undefined;
  const labels: string[] = [];
  const mask: string[] = [];
  const unmask: string[] = [];
  const procOptions: string[] = [];
  for (const word of words) {
    const [, name = word, value] = /^([^=:]+)[=:](.*)$/s.exec(word) ?? [];
    if (name === "no-new-privileges") noNewPrivileges = parseTruth(word, value ?? "true");
    else if (value === undefined) throw invalid(1, word);
    else if (name === "label") labels.push(value);
    else if (name === "apparmor") apparmor = value;
    else if (name === "seccomp") seccomp = value;
    else if (name === "mask") mask.push(...value.split(":").filter((path) => path !== ""));
    else if (name === "unmask") unmask.push(...value.split(":").filter((path) => path !== ""));
    else if (name === "proc-opts") procOptions.push(...value.split(","));
    else throw invalid(2, word);
  }
  return {
    noNewPrivileges,
    labels,
    mask,
    unmask,
    procOptions,
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(apparmor === undefined ? {} : { apparmor }),
  };
}

function parseTruth(word: string, value: string): boolean {
  if (value === "true") return true;
  if (value === "false") return false;
  throw invalid(2, word);
}

function invalid(kind: 1 | 2, word: string): Error {
  return wrongValue("--security-opt", `invalid --security-opt ${kind}: ${JSON.stringify(word)}`);
}

/** kernel.* sysctls that an ipc namespace has of its own. ipc_namespaces(7). */
const IPC_SYSCTLS: readonly string[] = [
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced",
];

/** `--sysctl KEY=VALUE`; only those that a namespace has of its own, all others change the host. */
export function parseSysctl(text: string): { readonly key: string; readonly value: string } {
  const equals = text.indexOf("=");
  if (equals < 1) {
    throw wrongValue(
      "--sysctl",
      `${text} is invalid, sysctl values must be in the form of KEY=VALUE`,
    );
  }
  const key = text.slice(0, equals);
  const isAllowed = IPC_SYSCTLS.includes(key) || key.startsWith("fs.mqueue.") ||
    key.startsWith("net.");
  // A path separator or ".." would reach a file outside of /proc/sys/net.
  if (!isAllowed || key.includes("/") || key.includes("..")) {
    throw wrongValue("--sysctl", `sysctl '${key}' is not allowed`);
  }
  return { key, value: text.slice(equals + 1) };
}

/** Refuses a sysctl whose namespace is the host's: it would change the host. */
export function checkSysctls(
  sysctls: Readonly<Record<string, string>>,
  namespaces: { readonly network: NamespaceMode; readonly ipc: NamespaceMode },
): void {
  for (const [key, value] of Object.entries(sysctls)) {
    const kind = key.startsWith("net.") ? "network" : "ipc";
    if (namespaces[kind].kind === "host") {
      const word = kind === "network" ? "Network" : "IPC";
      throw wrongValue(
        "--sysctl",
        `sysctl ${key}=${value} can't be set since Host ${word} Namespace Used`,
      );
    }
  }
}

/** `--umask 0022`: three or four octal digits or fewer. */
export function parseUmask(text: string): number {
  if (!/^[0-7]{1,4}$/.test(text)) {
    throw wrongValue(
      "--umask",
      `running container create option: invalid umask string ${text}: invalid argument`,
    );
  }
  return parseInt(text, 8);
}
