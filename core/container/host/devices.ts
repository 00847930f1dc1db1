/**
 * Device nodes of the host for `--device` and `--privileged`, looked up when a container is started.
 */
import { CoracleError, isErrno } from "../../errors.ts";
import { AT_FDCWD, close, listDir, lookAt, O, openAt, type Stat, statAt } from "../../sys/at.ts";
import { raw, text } from "../../terms.ts";
import type { ContainerDevices } from "../oci_config.ts";
import type { OciDevice } from "../oci/spec.ts";
import type { DeviceRequest, DeviceRule } from "../request.ts";

export interface DeviceWishes {
  readonly devices: readonly DeviceRequest[];
  readonly deviceRules: readonly DeviceRule[];
  readonly privileged: boolean;
}

/** Fails with `usage` when a device is not there or is none. */
export function lookUpDevices(wishes: DeviceWishes): ContainerDevices {
  const nodes = new Map<string, OciDevice>();
  const rules: DeviceRule[] = [];
  for (const request of wishes.devices) {
    for (const node of nodesOf(request)) {
      nodes.set(node.path, node);
      const { major, minor } = node;
      rules.push({ type: node.type === "b" ? "b" : "c", major, minor, access: request.access });
    }
  }
  if (wishes.privileged) {
    for (const node of nodesBelow("/dev", "/dev")) {
      if (!nodes.has(node.path)) nodes.set(node.path, node);
    }
  }
  return { nodes: [...nodes.values()], rules: [...rules, ...wishes.deviceRules] };
}

function nodesOf({ source, destination }: DeviceRequest): OciDevice[] {
  let stat: Stat;
  try {
    stat = statAt(AT_FDCWD, raw(source), { follow: true });
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw new CoracleError("notfound", `cannot use device ${JSON.stringify(source)}`, {
      why: `stat ${source}: no such file or directory`,
    });
  }
  if (stat.type === "dir") return nodesBelow(source, destination);
  const node = nodeOf(destination, stat);
  if (node !== null) return [node];
  throw new CoracleError("usage", `cannot use device ${JSON.stringify(source)}`, {
    why: `${source} is not a device node`,
  });
}

function nodeOf(path: string, stat: Stat): OciDevice | null {
  if (stat.type !== "char" && stat.type !== "block") return null;
  const { major, minor, mode, uid, gid } = stat;
  return { path, type: stat.type === "char" ? "c" : "b", major, minor, fileMode: mode, uid, gid };
}

/** Terminals and directories that the container has of its own. */
const OWN: readonly string[] = ["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"];

/** Every device node below a directory, links left out: their targets are found by themselves. */
function nodesBelow(source: string, destination: string): OciDevice[] {
  const found: OciDevice[] = [];
  const directory = openAt(AT_FDCWD, raw(source), O.RDONLY | O.DIRECTORY);
  try {
    for (const entry of listDir(directory)) {
      const name = text(entry.name);
      if (OWN.includes(name) || name === "console") continue;
      // A node may vanish while we look: a disk is pulled out.
      const stat = lookAt(directory, entry.name);
      if (stat?.type === "dir") {
        found.push(...nodesBelow(`${source}/${name}`, `${destination}/${name}`));
      }
      const node = stat === null ? null : nodeOf(`${destination}/${name}`, stat);
      if (node !== null) found.push(node);
    }
  } finally {
    close(directory);
  }
  return found.sort((a, b) => a.path < b.path ? -1 : 1);
}
