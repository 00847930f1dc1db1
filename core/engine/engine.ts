/**
 * The engine: a record of opened parts without methods. `cli.ts` opens the parts that a command
 * says it needs; the verbs beside this file take the engine and do the work.
 */
import type { Config } from "../config.ts";
import type { LayerStore } from "../layer/store.ts";
import type { Database } from "../state/database.ts";
import type { MonitorDriver } from "../../drivers/monitor/driver.ts";
import type { RuntimeDriver } from "../../drivers/runtime/driver.ts";

/** Parts that cost something to open; a command names the ones it uses. */
export type EnginePart = "db" | "layers" | "runtime" | "monitor";

/** Every directory of a store; all made when it is first opened. */
export interface StorePaths {
  /** What survives a reboot. */
  readonly root: string;
  /** What a reboot may take; on tmpfs by default. */
  readonly runroot: string;
  /** Blobs by digest: manifests, configs and layers as they came. */
  readonly blobs: string;
  /** One directory per layer driver. */
  readonly layers: string;
  /** Per layer of images: how its tar comes back from its tree (`core/layer/recipe.ts`). */
  readonly recipes: string;
  /** What the database says of layers and images, once more, to rebuild it from. */
  readonly records: string;
  /** Per container: bundle, log, artifacts. */
  readonly containers: string;
  /** Per volume: its `_data`. */
  readonly volumes: string;
  /** What is being made; owned by a process, found by recovery when it is dead. */
  readonly staging: string;
  /** What is being removed. */
  readonly trash: string;
  /** Per container: pid files, fifos, attach socket (runroot). */
  readonly running: string;
  /** Exit files (runroot). */
  readonly exits: string;
  /** Lock files (runroot). */
  readonly locks: string;
}

export interface Engine {
  readonly config: Config;
  readonly paths: StorePaths;
  readonly db: Database;
  readonly layers: LayerStore;
  readonly runtime: RuntimeDriver;
  /** Another one, named as rows do (`container_runtime.ts`): for containers made with it. */
  readonly openRuntime: (text: string) => RuntimeDriver;
  readonly monitor: MonitorDriver;
}

export function storePaths(root: string, runroot: string): StorePaths {
  return {
    root,
    runroot,
    blobs: `${root}/blobs`,
    layers: `${root}/layers`,
    recipes: `${root}/recipes`,
    records: `${root}/records`,
    containers: `${root}/containers`,
    volumes: `${root}/volumes`,
    staging: `${root}/staging`,
    trash: `${root}/trash`,
    running: `${runroot}/containers`,
    exits: `${runroot}/exits`,
    locks: `${runroot}/locks`,
  };
}
