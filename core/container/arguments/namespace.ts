/**
 * Values of --pid, --ipc, --uts, --cgroupns and --network: how a namespace is made or joined.
 */
import type { CgroupsMode, NamespaceMode } from "../request.ts";
import { wrongValue } from "./wrong_value.ts";

type NamespaceFlag = "--pid" | "--ipc" | "--uts" | "--cgroupns" | "--network";

const WORDS: Readonly<Record<NamespaceFlag, readonly string[]>> = {
  "--pid": ["host", "private"],
  "--ipc": ["host", "private", "shareable", "none"],
  "--uts": ["host", "private"],
  "--cgroupns": ["host", "private"],
  "--network": ["host", "private", "none"],
};

export function parseNamespace(flag: NamespaceFlag, text: string): NamespaceMode {
  if (text === "") return { kind: flag === "--ipc" ? "shareable" : "private" };
  const colon = text.indexOf(":");
  const word = colon < 0 ? text : text.slice(0, colon);
  const value = colon < 0 ? "" : text.slice(colon + 1);
  if (word === "container" || word === "ns") {
    if (value === "") {
      throw wrongValue(
        flag,
        `invalid config provided: namespace mode ${word === "ns" ? "path" : word} requires a value`,
      );
    }
    return word === "ns" ? { kind: "path", path: value } : { kind: "container", container: value };
  }
  if (colon >= 0 || !WORDS[flag].includes(text)) {
    throw flag === "--network" ? wrongNetwork(text) : wrongValue(
      flag,
      `unrecognized namespace mode ${text} passed`,
    );
  }
  return { kind: text as "host" | "private" | "shareable" | "none" };
}

function wrongNetwork(text: string): Error {
  if (/^(bridge|slirp4netns|pasta)(:|$)/.test(text)) {
    return wrongValue(
      "--network",
      `${text} is not supported, use none, host, private, container:ID or ns:PATH`,
    );
  }
  return wrongValue(
    "--network",
    `unable to find network with name or ID ${text}: network not found`,
  );
}

export function parseCgroups(text: string): CgroupsMode {
  if (text === "enabled" || text === "disabled" || text === "no-conmon" || text === "split") {
    return text;
  }
  throw wrongValue(
    "--cgroups",
    `running container create option: invalid cgroup mode ${JSON.stringify(text)}: ` +
      "invalid argument",
  );
}

/** As `inspect` and the flags write it. */
export function namespaceText(mode: NamespaceMode): string {
  if (mode.kind === "container") return `container:${mode.container}`;
  if (mode.kind === "path") return `ns:${mode.path}`;
  return mode.kind;
}
