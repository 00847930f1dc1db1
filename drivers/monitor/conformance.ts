/**
 * The proof that a monitor driver keeps its contract: cases as data, the same for every driver, run
 * by the tests and by `coracle drivers check`. Each case has a fresh root and a runtime driver that
 * keeps its own contract. Containers show the host's programs (host_bundle.ts).
 */
import { makeDirs, readTextOrNull, removeTree, writeAtomic } from "../../core/sys/files.ts";
import { waitForFile } from "../../core/sys/inotify.ts";
import {
  isAlive,
  type ProcessIdentity,
  processStart,
  sendSignal,
  SIGNALS,
  waitGone,
} from "../../core/sys/process.ts";
import { env } from "../../core/sys/environment.ts";
import type { DriverModule, Kit } from "../module.ts";
import type { RuntimeDriver } from "../runtime/driver.ts";
import { processObject, writeHostBundle } from "../host_bundle.ts";
import { ATTACH_CASES } from "./cases/attach.ts";
import { EXEC_CASES } from "./cases/exec.ts";
import { EXIT_CASES } from "./cases/exit.ts";
import { LOG_CASES } from "./cases/log.ts";
import { TERMINAL_CASES } from "./cases/terminal.ts";
import type { ExecSpec, MonitorDriver, MonitorSpec, Started } from "./driver.ts";

export interface Case {
  /** A promise, as a sentence. */
  readonly name: string;
  /** Throws when the promise is broken. */
  run(fixture: Fixture): void;
}

export const CASES: readonly Case[] = [
  ...EXIT_CASES,
  ...LOG_CASES,
  ...ATTACH_CASES,
  ...TERMINAL_CASES,
  ...EXEC_CASES,
];

export interface LogLine {
  readonly time: string;
  readonly stream: string;
  readonly tag: string;
  readonly text: string;
}

/** A monitor and a runtime in a fresh root. */
export interface Fixture {
  readonly monitor: MonitorDriver;
  readonly runtime: RuntimeDriver;
  /** A directory for the case's own files, seen as /out in every container. */
  readonly out: string;
  /** A container that runs this shell script (or command), described and with its bundle on disk. */
  spec(script: string | readonly string[], changes?: Partial<MonitorSpec>): MonitorSpec;
  create(spec: MonitorSpec): Started;
  /** Creates and starts. */
  start(spec: MonitorSpec): Started;
  /** Waits for the exit file; its content. */
  exitOf(spec: MonitorSpec): string;
  /** Creates, starts, waits. */
  run(spec: MonitorSpec): string;
  /** The log, line by line. */
  log(spec: MonitorSpec): LogLine[];
  /** A process in a container, described and with its process file on disk. */
  execSpec(
    container: MonitorSpec,
    command: readonly string[],
    changes?: Partial<ExecSpec>,
  ): ExecSpec;
  /** Waits for a file below `out`; its content. */
  told(name: string): string;
}

export interface CaseResult {
  readonly name: string;
  readonly outcome: "passed" | "failed";
  /** What was broken. */
  readonly detail: string;
  readonly milliseconds: number;
}

export interface CheckOptions {
  /** A fresh folder is made in it for every case and removed. */
  readonly directory: string;
  readonly kit: Kit;
  /** The runtime the monitor is proved with, and its options. */
  readonly runtime: DriverModule<"runtime">;
  readonly runtimeOptions?: Readonly<Record<string, unknown>>;
  /** The driver's table of the configuration. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Only cases whose name contains this text. */
  readonly only?: string;
}

/** Runs every case in a root of its own; never throws for a broken driver. */
export function checkMonitorDriver(
  module: DriverModule<"monitor">,
  options: CheckOptions,
): CaseResult[] {
  const cases = CASES.filter((each) => each.name.includes(options.only ?? ""));
  return cases.map((each) => runCase(module, each, options));
}

/** One case in a fresh root, which is gone afterwards, with all its containers and monitors. */
export function runCase(
  module: DriverModule<"monitor">,
  each: Case,
  options: CheckOptions,
): CaseResult {
  const began = performance.now();
  const base = `${options.directory}/conform-${crypto.randomUUID().slice(0, 8)}`;
  let outcome: CaseResult["outcome"] = "passed";
  let detail = "";
  let fixture: OwnFixture | undefined;
  try {
    fixture = openFixture(module, base, options);
    each.run(fixture);
  } catch (error) {
    outcome = "failed";
    detail = error instanceof Error ? error.stack ?? error.message : String(error);
  }
  try {
    fixture?.close();
    removeTree(base);
  } catch (error) {
    outcome = "failed";
    detail += `\nand it cannot be cleaned up: ${error}`;
  }
  return { name: each.name, outcome, detail, milliseconds: performance.now() - began };
}

/** How long a container may take to write a file or to end. */
const PATIENCE_MS = 4_000;

interface OwnFixture extends Fixture {
  close(): void;
}

function openFixture(
  module: DriverModule<"monitor">,
  base: string,
  options: CheckOptions,
): OwnFixture {
  const [out, exits] = [`${base}/out`, `${base}/exits`];
  for (const path of [out, exits, `${base}/root`, `${base}/run`]) makeDirs(path);
  const place = { root: `${base}/root`, runroot: `${base}/run` };
  const monitor = module.open({ ...place, options: options.options ?? {} }, options.kit);
  const runtime = options.runtime.open(
    { ...place, options: options.runtimeOptions ?? {} },
    options.kit,
  );
  const processes: ProcessIdentity[] = [];
  const ids: string[] = [];
  const remember = ({ pid, monitorPid }: Started): Started => {
    for (const one of [monitorPid, pid]) {
      processes.push({ pid: one, start: processStart(one) ?? "" });
    }
    return { pid, monitorPid };
  };
  const watched: MonitorDriver = {
    name: monitor.name,
    path: monitor.path,
    version: monitor.version,
    create: (spec, driver) => remember(monitor.create(spec, driver)),
    exec: (spec, driver, attached) => remember(monitor.exec(spec, driver, attached)),
    resize: (dir, size) => monitor.resize(dir, size),
    reopenLog: (dir) => monitor.reopenLog(dir),
  };
  const create: Fixture["create"] = (spec) => watched.create(spec, runtime);
  const start: Fixture["start"] = (spec) => {
    const started = create(spec);
    runtime.start(spec.id);
    return started;
  };
  const exitOf: Fixture["exitOf"] = (spec) => waitFor(`${exits}/${spec.id}`);
  return {
    monitor: watched,
    runtime,
    out,
    create,
    start,
    exitOf,
    run(spec) {
      start(spec);
      return exitOf(spec);
    },
    spec(script, changes = {}) {
      const id = crypto.randomUUID().replaceAll("-", "").padEnd(64, "0");
      ids.push(id);
      const dir = changes.dir ?? `${base}/containers/${id}`;
      makeDirs(dir);
      const command = typeof script === "string" ? ["/bin/sh", "-c", script] : script;
      const cgroup = `conform-${id.slice(0, 12)}`;
      const bundle = changes.bundle ?? dir;
      writeHostBundle(bundle, { command, cgroup, out, terminal: changes.terminal ?? false });
      return {
        ...common(id, dir),
        bundle,
        exits,
        log: { driver: "k8s-file", path: `${dir}/log` },
        ...changes,
      };
    },
    log: (spec) => readLog(spec.log.path),
    execSpec(container, command, changes = {}) {
      const session = crypto.randomUUID().replaceAll("-", "").padEnd(64, "1");
      const dir = `${container.dir}/${session}`;
      makeDirs(dir);
      const processFile = `${dir}/process.json`;
      const terminal = changes.terminal ?? false;
      writeAtomic(processFile, JSON.stringify(processObject({ command, terminal })));
      return {
        ...common(container.id, dir),
        session,
        processFile,
        attach: false,
        ...changes,
      };
    },
    told: (name) => waitFor(`${out}/${name}`),
    close() {
      for (const id of ids) runtime.remove(id, { force: true });
      for (const one of processes) {
        if (!isAlive(one) || waitGone(one.pid, PATIENCE_MS)) continue;
        sendSignal(one.pid, SIGNALS.KILL ?? 9);
        throw new Error(`process ${one.pid} was still there`);
      }
    },
  };
}

/** What containers and sessions have in common here. */
function common(id: string, dir: string) {
  return {
    id,
    dir,
    name: `conform-${id.slice(0, 8)}`,
    terminal: false,
    stdin: false,
    exitCommand: [],
    environment: { PATH: env("PATH") ?? "/usr/sbin:/usr/bin:/sbin:/bin" },
    runtimeLog: `${dir}/runtime.log`,
  };
}

function waitFor(path: string): string {
  const found = waitForFile(path, { timeoutMs: PATIENCE_MS });
  if (found !== "there") throw new Error(`${path} did not appear`);
  return (readTextOrNull(path) ?? "").trim();
}

function readLog(path: string): LogLine[] {
  const lines = (readTextOrNull(path) ?? "").split("\n").slice(0, -1);
  return lines.map((line) => {
    const [time = "", stream = "", tag = "", ...words] = line.split(" ");
    return { time, stream, tag, text: words.join(" ") };
  });
}
