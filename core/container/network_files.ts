/**
 * Texts of the small files a container gets: hosts(5), resolv.conf(5), hostname(5), containerenv.
 * Pure.
 */
import { CoracleError } from "../errors.ts";
import type { CreateRequest } from "./request.ts";

export interface HostsInput {
  readonly request: Pick<CreateRequest, "addHosts" | "network">;
  /** The container's host name and its name. */
  readonly hostname: string;
  readonly name: string;
  /** The host's /etc/hosts. */
  readonly base: string;
}

/** What was added comes first and wins, then the host's entries, then the container itself. */
export function hostsText({ request, hostname, name, base }: HostsInput): string {
  const lines = request.addHosts.map((entry) => {
    const colon = entry.indexOf(":");
    const address = entry.slice(colon + 1);
    if (address === "host-gateway") {
      throw new CoracleError("unsupported", `cannot add host ${JSON.stringify(entry)}`, {
        why: `unable to replace "host-gateway" of host entry ${JSON.stringify(entry)}: ` +
          "this network has no gateway",
      });
    }
    return `${address}\t${entry.slice(0, colon)}`;
  });
  const known = new Set<string>();
  for (const line of base.split("\n")) {
    const [address, ...names] = (line.split("#", 1)[0] ?? "").trim().split(/\s+/);
    if (!address || names.length === 0) continue;
    for (const one of names) known.add(one);
    lines.push(`${address}\t${names.join(" ")}`);
  }
  if (!known.has("localhost")) lines.push("127.0.0.1\tlocalhost", "::1\tlocalhost");
  const own = [...new Set([hostname, name])].filter((one) => !known.has(one));
  if (request.network.kind !== "host" && own.length > 0) lines.push(`127.0.0.1\t${own.join(" ")}`);
  return lines.join("\n") + "\n";
}

export interface ResolvConfInput {
  readonly request: Pick<CreateRequest, "dns" | "dnsSearch" | "dnsOptions" | "network">;
  /** The host's /etc/resolv.conf. */
  readonly base: string;
}

/** Does the container get a resolv.conf of ours? Not without a network, as in Podman. */
export function hasResolvConf(request: Pick<CreateRequest, "dns" | "network">): boolean {
  return request.network.kind !== "none" && !request.dns.includes("none");
}

/** The host's words, each replaced by the user's where he gives any. */
export function resolvConfText({ request, base }: ResolvConfInput): string {
  const words = (keyword: string): string[] =>
    base.split("\n").map((line) => line.trim().split(/\s+/))
      .filter(([first]) => first === keyword).flatMap(([, ...rest]) => rest);
  // A resolver on the host's loopback does not answer in another network namespace.
  const isReachable = (address: string) =>
    request.network.kind === "host" || !/^(127\.|::1$)/.test(address);
  const servers = request.dns.length > 0 ? request.dns : words("nameserver").filter(isReachable);
  // A single "." means: no search domains.
  const search = request.dnsSearch.length > 0
    ? request.dnsSearch.filter((domain) => domain !== ".")
    : words("search");
  const options = request.dnsOptions.length > 0 ? request.dnsOptions : words("options");
  const lines = [
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
    ...servers.map((address) => `nameserver ${address}`),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

export interface ContainerEnvInput {
  readonly version: string;
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly isPrivileged: boolean;
}

/** /run/.containerenv: says what made the container, to a privileged one in detail, as in Podman. */
export function containerEnvText(input: ContainerEnvInput): string {
  if (!input.isPrivileged) return "";
  return [
    `engine="coracle-${input.version}"`,
    `name=${JSON.stringify(input.name)}`,
    `id="${input.id}"`,
    `image=${JSON.stringify(input.image)}`,
    `imageid="${input.imageId}"`,
    "rootless=0",
    "",
  ].join("\n");
}
