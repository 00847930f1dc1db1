/** Runs a contract's conformance suite on one driver of this host: `coracle drivers check`. */
import { CoracleError } from "../core/errors.ts";
import { makeDirs, removeTree } from "../core/sys/files.ts";
import { DRIVER_KINDS } from "./builtin.ts";
import { candidatesOf, type DriverConfig, loadKit, placeOf, probeOf } from "./candidates.ts";
import { findDriver } from "./load.ts";
import type { DriverKind, DriverModule } from "./module.ts";

/** One promise and what became of it. */
export interface CheckedCase {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  readonly detail: string;
}

export interface CheckRequest {
  readonly name: string;
  /** Needed when drivers of two kinds have the name. */
  readonly kind?: DriverKind;
  /** Only cases whose name contains this text. */
  readonly only?: string;
}

/**
 * Runs the cases one after the other, each in a fresh folder of the store's file system, which is
 * removed at the end. Fails with `notfound` (no such driver) and `unsupported` (this host cannot run
 * it, in the probe's words).
 */
export async function checkDriver(
  config: DriverConfig,
  request: CheckRequest,
  report: (result: CheckedCase) => void,
): Promise<void> {
  const { module, source } = await moduleOf(config, request);
  const probe = await probeOf(module, source, config);
  if (!probe.usable) {
    throw new CoracleError(
      "unsupported",
      `cannot check the ${module.kind} driver "${module.name}"`,
      {
        why: probe.reason,
      },
    );
  }
  const base = module.kind === "layer" ? config.root : config.runroot;
  const directory = `${base}/check-${crypto.randomUUID().slice(0, 8)}`;
  makeDirs(directory, 0o755);
  try {
    await runSuite(module, request, { directory, config, report });
  } finally {
    removeTree(directory);
  }
}

async function moduleOf(config: DriverConfig, { name, kind }: CheckRequest) {
  const found: { module: DriverModule; source: string }[] = [];
  for (const each of kind === undefined ? DRIVER_KINDS : [kind]) {
    const candidates = await candidatesOf(each, config);
    const candidate = candidates.find((known) => known.name === name);
    if (candidate === undefined) continue;
    found.push({ module: await candidate.load() as DriverModule, source: candidate.source });
  }
  const [first, second] = found;
  if (first === undefined) {
    throw new CoracleError("notfound", `cannot find a driver with the name "${name}"`, {
      hint: "coracle drivers",
    });
  }
  if (second !== undefined) {
    throw new CoracleError("usage", `cannot choose the driver "${name}"`, {
      why: `there is a ${first.module.kind} and a ${second.module.kind} driver of that name`,
      hint: `coracle drivers check --kind ${first.module.kind} ${name}`,
    });
  }
  return first;
}

interface SuiteSetting {
  readonly directory: string;
  readonly config: DriverConfig;
  report(result: CheckedCase): void;
}

async function runSuite(
  module: DriverModule,
  { only }: CheckRequest,
  setting: SuiteSetting,
): Promise<void> {
  const options = {
    directory: setting.directory,
    kit: await loadKit(),
    options: placeOf(module, setting.config).options,
  };
  const isWanted = (each: { readonly name: string }) => each.name.includes(only ?? "");
  if (module.kind === "layer") {
    const { CASES, runCase } = await import("./layer/conformance.ts");
    for (const each of CASES.filter(isWanted)) {
      setting.report(runCase(module as DriverModule<"layer">, each, options));
    }
    return;
  }
  if (module.kind === "runtime") {
    const { CASES, runCase } = await import("./runtime/conformance.ts");
    for (const each of CASES.filter(isWanted)) {
      setting.report(runCase(module as DriverModule<"runtime">, each, options));
    }
    return;
  }
  const { CASES, runCase } = await import("./monitor/conformance.ts");
  // A monitor is proved with the runtime that would be used now.
  const runtime = (await findDriver("runtime", setting.config)).module;
  const runtimeOptions = placeOf(runtime as DriverModule, setting.config).options;
  for (const each of CASES.filter(isWanted)) {
    const monitor = { ...options, runtime, runtimeOptions };
    setting.report(runCase(module as DriverModule<"monitor">, each, monitor));
  }
}
