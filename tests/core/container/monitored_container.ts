/** A real container beside a real conmon, for the tests of attach and logs. */
import { mkdtempSync, rmSync } from "node:fs";
import { makeDirs } from "../../../core/sys/files.ts";
import { waitForFile } from "../../../core/sys/inotify.ts";
import { waitGone } from "../../../core/sys/process.ts";
import { driver as conmon } from "../../../drivers/monitor/conmon.ts";
import type { MonitorDriver, MonitorSpec } from "../../../drivers/monitor/driver.ts";
import { writeHostBundle } from "../../../drivers/host_bundle.ts";
import { driver as crun } from "../../../drivers/runtime/crun.ts";
import { driver as runc } from "../../../drivers/runtime/runc.ts";
import type { RuntimeDriver } from "../../../drivers/runtime/driver.ts";
import { skipUnless } from "../../skip_reason.ts";

const nowhere = { root: "/nonexistent", runroot: "/nonexistent", options: {} };

const usable = [crun, runc].find((driver) => driver.probe(nowhere).usable);

/** Why these tests cannot run here, printed; false when they can. */
export function skipContainers(): string | false {
  if (process.getuid?.() !== 0) return skipUnless({ root: true });
  const { usable: isUsable, reason } = conmon.probe(nowhere);
  const noRuntime = usable === undefined ? runc.probe(nowhere).reason : false;
  return skipUnless({ other: isUsable ? noRuntime : reason });
}

export interface MonitoredContainer {
  readonly spec: MonitorSpec;
  readonly monitor: MonitorDriver;
  readonly runtime: RuntimeDriver;
  /** A directory on the host, seen as /out. */
  readonly out: string;
  readonly exitFile: string;
  readonly monitorPid: number;
  start(): void;
  /** Waits for the exit file. */
  waitEnd(): void;
  /** Removes everything. */
  close(): void;
}

/** A created container that runs a shell script. */
export function createContainer(
  script: string,
  changes: Partial<MonitorSpec> = {},
): MonitoredContainer {
  const base = mkdtempSync("/tmp/container-");
  const id = crypto.randomUUID().replaceAll("-", "").padEnd(64, "0");
  const [dir, out, exits] = [`${base}/${id}`, `${base}/out`, `${base}/exits`];
  for (const path of [dir, out, exits]) makeDirs(path);
  const place = { root: base, runroot: base, options: {} };
  const [monitor, runtime] = [conmon.open(place), (usable ?? runc).open(place)];
  const command = ["/bin/sh", "-c", script];
  const cgroup = `conform-${id.slice(0, 12)}`;
  writeHostBundle(dir, { command, cgroup, out, terminal: changes.terminal ?? false });
  const spec: MonitorSpec = {
    id,
    name: "test",
    bundle: dir,
    dir,
    exits,
    log: { driver: "k8s-file", path: `${dir}/log` },
    terminal: false,
    stdin: false,
    exitCommand: [],
    environment: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    runtimeLog: `${dir}/runtime.log`,
    ...changes,
  };
  const { monitorPid } = monitor.create(spec, runtime);
  const exitFile = `${exits}/${id}`;
  return {
    spec,
    monitor,
    runtime,
    out,
    exitFile,
    monitorPid,
    start: () => runtime.start(id),
    waitEnd() {
      const found = waitForFile(exitFile, { timeoutMs: 10_000 });
      if (found !== "there") throw new Error("the container did not end");
    },
    close() {
      runtime.remove(id, { force: true });
      waitGone(monitorPid, 5_000);
      rmSync(base, { recursive: true, force: true });
    },
  };
}
