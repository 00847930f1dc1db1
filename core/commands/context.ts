/** What every command is given besides its arguments: the engine, the output, the global flags. */
import type { LayerDriver } from "../../drivers/layer/driver.ts";
import type { DriverKind } from "../../drivers/module.ts";
import type { Engine } from "../engine/engine.ts";
import type { Output } from "./output.ts";

export type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "panic";
export type LogFormat = "text" | "json";

/** The global flags after defaults and `CORACLE_*`; paths and drivers are in `engine.config`. */
export interface Globals {
  readonly logLevel: LogLevel;
  readonly logFormat: LogFormat;
  /** Standard output is thrown away (`--noout`). */
  readonly noOut: boolean;
  /** `--config` or `CORACLE_CONFIG`, if given. */
  readonly configFile: string | undefined;
}

/** What is known of one driver on this host. */
export interface DriverReport {
  readonly kind: DriverKind;
  readonly name: string;
  readonly summary: string;
  readonly usable: boolean;
  /** What is missing, or a short note (version, path) when usable. */
  readonly reason: string;
  readonly facts: Readonly<Record<string, string | number | boolean>>;
  /** This store and configuration would use it now. */
  readonly inUse: boolean;
  /** "built-in" or the plugin's path. */
  readonly source: string;
}

/** One promise of a contract, tried on a driver. */
export interface CheckResult {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it failed or was skipped. */
  readonly detail: string;
}

/** What commands may ask about drivers; made by `cli.ts`. */
export interface DriverDesk {
  /** Every driver, probed now. */
  list(): Promise<DriverReport[]>;
  /** Opens another layer driver over this store. Fails with `unsupported` when it cannot be used. */
  openLayers(name: string): Promise<LayerDriver>;
  /** Runs the contract's conformance suite; `report` is called as each case ends. */
  check(
    driver: { readonly kind?: DriverKind; readonly name: string; readonly only?: string },
    report: (result: CheckResult) => void,
  ): Promise<void>;
}

export interface Context {
  readonly engine: Engine;
  readonly output: Output;
  readonly globals: Globals;
  /**
   * Global flags that make another coracle process use the same store, drivers and configuration,
   * wherever it starts; put them before its command (the monitor's exit command).
   */
  readonly forChildren: readonly string[];
  /** For `drivers`, `info` and `doctor`. */
  readonly drivers: DriverDesk;
}
