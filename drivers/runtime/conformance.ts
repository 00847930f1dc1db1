/**
 * The proof that a runtime driver keeps its contract: cases as data, the same for every driver, run
 * by the tests and by `coracle drivers check`. Each case has a fresh root; a case knows no driver by
 * name. Containers show the host's programs (host_bundle.ts), so the suite needs root and a shell.
 */
import { close, O } from "../../core/sys/at.ts";
import {
  makeDirs,
  openText,
  readTextOrNull,
  removeTree,
  writeAtomic,
} from "../../core/sys/files.ts";
import { waitForFile } from "../../core/sys/inotify.ts";
import { env } from "../../core/sys/environment.ts";
import {
  isAlive,
  type ProcessIdentity,
  processStart,
  sendSignal,
  SIGNALS,
} from "../../core/sys/process.ts";
import { run } from "../../core/sys/spawn.ts";
import type { DriverModule, Kit } from "../module.ts";
import { EXPLAIN_CASES } from "./cases/explain.ts";
import { LIFE_CASES } from "./cases/life_cycle.ts";
import { LIMIT_CASES } from "./cases/limits.ts";
import type { RuntimeDriver } from "./driver.ts";
import { type BundleOptions, processObject, writeHostBundle } from "../host_bundle.ts";

export interface Case {
  /** A promise, as a sentence. */
  readonly name: string;
  /** Why this driver cannot be asked for it, from its own `can`; null when it can. */
  readonly needs?: (driver: RuntimeDriver) => string | null;
  /** Throws when the promise is broken. */
  run(fixture: Fixture): void;
}

export const CASES: readonly Case[] = [...LIFE_CASES, ...EXPLAIN_CASES, ...LIMIT_CASES];

/** How long a container may take to write a file. */
const TOLD_MS = 4_000;

/** A driver in a fresh root, and as much of a monitor as the cases need. */
export interface Fixture {
  readonly driver: RuntimeDriver;
  /** Seen as /out in every container. */
  readonly out: string;
  /** The same place opened once more, as another process sees it. */
  open(): RuntimeDriver;
  /** A driver with a state directory of its own. */
  openElsewhere(): RuntimeDriver;
  newId(): string;
  /** A bundle on disk; gives its directory. */
  bundle(id: string, options: Partial<BundleOptions>): string;
  /** For the programs of the driver: the search path and what the driver asks for. */
  readonly environment: Readonly<Record<string, string>>;
  /** The words that create a container, for cases that want to break off. */
  createCommand(id: string, bundle: string): string[];
  /** Creates the container of a bundle; fails as a monitor would. Gives the pid. */
  create(id: string, bundle: string): number;
  /** A created container with this shell script. */
  created(script: string): { readonly id: string; readonly pid: number };
  /** The same, started. */
  running(script: string): { readonly id: string; readonly pid: number };
  /** Runs a command in a container; fails as a monitor would. */
  exec(id: string, command: readonly string[], workdir?: string): void;
  /** Waits for a file that a container makes below /out; its content. */
  told(name: string): string;
}

export interface CaseResult {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it was skipped, or what was broken. */
  readonly detail: string;
  readonly milliseconds: number;
}

export interface CheckOptions {
  /** A fresh folder is made in it for every case and removed. */
  readonly directory: string;
  readonly kit: Kit;
  /** The driver's table of the configuration. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Only cases whose name contains this text. */
  readonly only?: string;
}

/** Runs every case in a root of its own; never throws for a broken driver. */
export function checkRuntimeDriver(
  module: DriverModule<"runtime">,
  options: CheckOptions,
): CaseResult[] {
  const cases = CASES.filter((each) => each.name.includes(options.only ?? ""));
  return cases.map((each) => runCase(module, each, options));
}

/** One case in a fresh root, which is gone afterwards, with all its containers. */
export function runCase(
  module: DriverModule<"runtime">,
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
    const reason = each.needs?.(fixture.driver) ?? null;
    if (reason === null) each.run(fixture);
    else [outcome, detail] = ["skipped", reason];
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

interface OwnFixture extends Fixture {
  close(): void;
}

function openFixture(
  module: DriverModule<"runtime">,
  base: string,
  options: CheckOptions,
): OwnFixture {
  const out = `${base}/out`;
  const openAt = (runroot: string) => {
    const place = { root: `${base}/root`, runroot, options: options.options ?? {} };
    for (const path of [place.root, runroot, out, `${base}/bundles`]) makeDirs(path);
    return module.open(place, options.kit);
  };
  const driver = openAt(`${base}/run`);
  const environment = { PATH: env("PATH") ?? "/usr/sbin:/usr/bin", ...driver.environment };
  const ids: string[] = [];
  const processes: ProcessIdentity[] = [];
  const newId = () => {
    const id = crypto.randomUUID().replaceAll("-", "").padEnd(64, "0");
    ids.push(id);
    return id;
  };
  const bundle: Fixture["bundle"] = (id, wanted) => {
    const dir = `${base}/bundles/${id}`;
    const cgroup = `conform-${id.slice(0, 12)}`;
    writeHostBundle(dir, { command: ["/bin/sh"], cgroup, out, ...wanted });
    return dir;
  };
  const createCommand: Fixture["createCommand"] = (id, dir) => [
    ...[driver.path, ...driver.globalArguments, "create"],
    ...["--bundle", dir, "--pid-file", `${dir}/pid`, id],
  ];
  const create: Fixture["create"] = (id, dir) => {
    const said = runQuietly(createCommand(id, dir), `${dir}/said`, environment);
    if (said !== null) throw driver.explain(said, `cannot create container "${id}"`);
    const pid = Number(readTextOrNull(`${dir}/pid`));
    processes.push({ pid, start: processStart(pid) ?? "" });
    return pid;
  };
  const created: Fixture["created"] = (script) => {
    const id = newId();
    return { id, pid: create(id, bundle(id, { command: ["/bin/sh", "-c", script] })) };
  };
  return {
    driver,
    out,
    environment,
    open: () => openAt(`${base}/run`),
    openElsewhere: () => openAt(`${base}/elsewhere`),
    newId,
    bundle,
    createCommand,
    create,
    created,
    running(script) {
      const container = created(script);
      driver.start(container.id);
      return container;
    },
    exec(id, command, workdir = "/") {
      const dir = `${base}/bundles/${id}`;
      writeAtomic(`${dir}/process.json`, JSON.stringify(processObject({ command, workdir })));
      const words = ["exec", "--process", `${dir}/process.json`, "--detach", id];
      const line = [driver.path, ...driver.globalArguments, ...words];
      const said = runQuietly(line, `${dir}/said`, environment);
      if (said !== null) throw driver.explain(said, `cannot exec in container "${id}"`);
    },
    told(name) {
      const found = waitForFile(`${out}/${name}`, { timeoutMs: TOLD_MS });
      if (found !== "there") throw new Error(`the container did not write "${name}"`);
      return (readTextOrNull(`${out}/${name}`) ?? "").trim();
    },
    close() {
      for (const id of ids) driver.remove(id, { force: true });
      // A broken driver may have removed nothing.
      for (const one of processes) if (isAlive(one)) sendSignal(one.pid, SIGNALS.KILL ?? 9);
    },
  };
}

/**
 * Runs a command whose children keep its output open (a container does): output goes to a file.
 * Gives what was said when it failed, else null.
 */
function runQuietly(
  command: readonly string[],
  file: string,
  environment: Readonly<Record<string, string>>,
): string | null {
  const fd = openText(file, O.WRONLY | O.CREAT | O.TRUNC, 0o600);
  try {
    const end = run([...command], { stdin: "ignore", stdout: fd, stderr: fd, env: environment });
    return end.status === 0 ? null : readTextOrNull(file) ?? "";
  } finally {
    close(fd);
  }
}
