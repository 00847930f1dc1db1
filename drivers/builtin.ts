/**
 * The one list of built-in drivers, in the order `auto` tries them. Imports are lazy: a command
 * loads the files of the drivers it uses and no others.
 */
import type { DriverKind, DriverModule } from "./module.ts";

export interface BuiltinDriver {
  readonly name: string;
  load(): Promise<DriverModule>;
}

export const BUILTIN: Readonly<Record<DriverKind, readonly BuiltinDriver[]>> = {
  layer: [
    { name: "overlay", load: async () => (await import("./layer/overlay.ts")).driver },
    { name: "aufs", load: async () => (await import("./layer/aufs.ts")).driver },
    { name: "copy", load: async () => (await import("./layer/copy.ts")).driver },
  ],
  runtime: [
    { name: "crun", load: async () => (await import("./runtime/crun.ts")).driver },
    { name: "runc", load: async () => (await import("./runtime/runc.ts")).driver },
  ],
  monitor: [
    { name: "conmon", load: async () => (await import("./monitor/conmon.ts")).driver },
  ],
};

export const DRIVER_KINDS = Object.keys(BUILTIN) as DriverKind[];
