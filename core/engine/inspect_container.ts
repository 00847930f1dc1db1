/** `inspect` of a container: reads what is known of it and hands it to the pure description. */
import { capabilitySets } from "../container/capabilities.ts";
import { hostFacts } from "../container/host/facts.ts";
import { inspectContainer } from "../container/inspect.ts";
import { containerCgroup } from "../container/oci/linux.ts";
import type { OciSpec } from "../container/oci/spec.ts";
import { hostnameOf } from "../container/oci_config.ts";
import type { ContainerRecord } from "../container/record.ts";
import { resolveLimits } from "../container/rlimits.ts";
import { type ContainerRow, execsOf } from "../state/containers.ts";
import { layerChain } from "../state/layers.ts";
import { exists, readTextOrNull } from "../sys/files.ts";
import { isAlive } from "../sys/process.ts";
import { containerFiles } from "./container_files.ts";
import { containerSize } from "./container_size.ts";
import { exitTime, recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { listedContainer } from "./list_containers.ts";
import { volumeData } from "./volume_store.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

/** Podman's JSON of one container; sizes are measured when asked for. */
export function describeContainer(
  engine: Parts,
  row: ContainerRow,
  options: { readonly size?: boolean } = {},
): Record<string, unknown> {
  const { bundle } = containerFiles(engine.paths, row.id);
  const { state, exitCode, ended, record } = listedContainer(engine, row);
  const host = hostFacts();
  const fileOf = (name: string) => exists(`${bundle}/${name}`) ? `${bundle}/${name}` : "";
  return inspectContainer({
    row: {
      ...row,
      exitCode: state === "stopped" ? exitCode : row.exitCode,
      ended: state === "stopped" ? exitTime(engine, row) : ended || row.ended,
      runtime: row.runtime.split("@")[0] ?? "",
    },
    record,
    state,
    graphDriver: { name: engine.layers.driver.name, data: layerDirectories(engine, row) },
    spec: specOf(bundle),
    expected: expectedOf(row, record),
    files: {
      config: fileOf("config.json"),
      hosts: fileOf("hosts"),
      hostname: fileOf("hostname"),
      resolvConf: fileOf("resolv.conf"),
      pid: `${bundle}/pidfile`,
      monitorPid: `${bundle}/conmon.pid`,
    },
    sources: volumeSources(engine, row),
    execIds: execsOf(engine.db, row.id)
      .filter(({ pid, pidStart }) => pid > 0 && isAlive({ pid, start: pidStart }))
      .map(({ id }) => id),
    cgroupNamespace: host.cgroup === "v2" ? "private" : "host",
    ...(options.size ? { size: containerSize(engine, row) } : {}),
  });
}

/** The configuration of the last start while its bundle is there. */
function specOf(bundle: string): OciSpec | null {
  const text = readTextOrNull(`${bundle}/config.json`);
  return text === null ? null : JSON.parse(text);
}

/** What a start would give it, as far as that is known without mounting its root. */
function expectedOf(row: ContainerRow, record: ContainerRecord) {
  const { resolved } = record;
  const { request } = resolved;
  const host = hostFacts();
  const name = resolved.user.split(":")[0] ?? "";
  const isRoot = name === "" || name === "root" || name === "0";
  const sets = capabilitySets(request, { uid: isRoot ? 0 : 1 }, host.capabilities);
  return {
    bounding: sets.bounding,
    effective: sets.effective,
    hostname: hostnameOf(row.id, resolved, host.hostname),
    cgroupPath: containerCgroup(row.id, request),
    limits: resolveLimits(request.ulimits, host.limits).limits,
  };
}

/** Podman's names for the directories of an overlay; whatever the driver has. */
function layerDirectories(engine: Parts, row: ContainerRow): Record<string, string> {
  if (row.layer === null) return {};
  const layer = { id: row.layer, chain: layerChain(engine.db, row.layer) };
  const { driver } = engine.layers;
  const plan = driver.plan(layer, "rw");
  const full = (path: string) => path.startsWith("/") ? path : `${plan.base}/${path}`;
  return {
    ...(plan.lowers.length > 0 ? { LowerDir: plan.lowers.map(full).join(":") } : {}),
    ...(plan.type === "none" || driver.isMounted(layer) ? { MergedDir: full(plan.path) } : {}),
    ...(plan.upper === undefined ? {} : { UpperDir: full(plan.upper) }),
    ...(plan.work === undefined ? {} : { WorkDir: full(plan.work) }),
  };
}

function volumeSources(engine: Parts, row: ContainerRow): Record<string, string> {
  const volumes = recordOf(row).resolved.mounts.filter(({ type }) => type === "volume");
  return Object.fromEntries(
    volumes.map(({ source }) => [source, volumeData(engine.paths, source)]),
  );
}
