/** What every command is given besides its arguments: the engine, the output, the global flags. */
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
  /** `--config`, if given. */
  readonly configFile: string | undefined;
  /**
   * Flags that make another coracle process use the same store, drivers and configuration; put
   * them before its command (the monitor's exit command).
   */
  readonly forChildren: readonly string[];
}

export interface Context {
  readonly engine: Engine;
  readonly output: Output;
  readonly globals: Globals;
}
