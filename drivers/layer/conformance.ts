/**
 * The proof that a layer driver keeps its contract: cases as data, the same for every driver, run
 * by the tests and by `coracle drivers check`. A case knows no driver by name; numbers in brackets
 * are the scenarios of the design.
 */
import { makeDirs, removeTree } from "../../core/sys/files.ts";
import type { LayerId, TreeSink } from "../../core/terms.ts";
import type { DriverModule, Kit } from "../module.ts";
import { ATTRIBUTE_CASES } from "./cases/attributes.ts";
import { CHAIN_CASES } from "./cases/chains.ts";
import { CRASH_CASES } from "./cases/crashes.ts";
import { DIFF_CASES } from "./cases/diffs.ts";
import { FILLING_CASES } from "./cases/filling.ts";
import { LIFE_CASES } from "./cases/life_cycle.ts";
import { LIMIT_CASES } from "./cases/limits.ts";
import { POSIX_CASES } from "./cases/posix.ts";
import { WHITEOUT_CASES } from "./cases/whiteouts.ts";
import type { LayerDriver, LayerKind, LayerRef, LayerStage, View } from "./driver.ts";

export interface Case {
  /** A promise, as a sentence. */
  readonly name: string;
  /** Numbers of the design's scenarios that it proves. */
  readonly scenarios: readonly number[];
  /** Why this driver cannot be asked for it, from its own `can` and `limits`; null when it can. */
  readonly needs?: (driver: LayerDriver) => string | null;
  /** Throws when the promise is broken. */
  run(fixture: Fixture): void;
}

export const CASES: readonly Case[] = [
  ...LIFE_CASES,
  ...CHAIN_CASES,
  ...WHITEOUT_CASES,
  ...POSIX_CASES,
  ...ATTRIBUTE_CASES,
  ...DIFF_CASES,
  ...FILLING_CASES,
  ...LIMIT_CASES,
  ...CRASH_CASES,
];

/** A driver in a fresh root, and as much of a layer store as the cases need. */
export interface Fixture {
  readonly driver: LayerDriver;
  /** The driver's directory in the store. */
  readonly root: string;
  /** An empty directory on the same file system, for the case's own files. */
  readonly scratch: string;
  /** The same place opened once more, as another process sees it. */
  open(): LayerDriver;
  newId(): LayerId;
  ref(id: LayerId): LayerRef;
  /** Begins a layer and remembers its parent; the layer is known from the start. */
  begin(
    parent: LayerId | null,
    kind: LayerKind,
  ): { readonly id: LayerId; readonly stage: LayerStage };
  /** A committed image layer with what `fill` sends. */
  image(parent: LayerId | null, fill: (sink: TreeSink) => void): LayerId;
  /** A writable layer. */
  container(parent: LayerId | null): LayerId;
  /** Mounts, works, unmounts. */
  mounted<T>(id: LayerId, view: View, work: (path: string) => T): T;
  /** A container that was changed through its mount, sealed, so that layers can build on it. */
  changed(parent: LayerId | null, work: (path: string) => void): LayerId;
  /** `isKnown` for `recover`. */
  isKnown(id: LayerId): boolean;
  forget(id: LayerId): void;
}

export interface CaseResult {
  readonly name: string;
  readonly scenarios: readonly number[];
  readonly outcome: "passed" | "failed" | "skipped";
  /** Why it was skipped, or what was broken. */
  readonly detail: string;
  readonly milliseconds: number;
}

export interface CheckOptions {
  /** Directory on the file system to prove the driver on; a fresh folder is made in it and removed. */
  readonly directory: string;
  readonly kit: Kit;
  /** The driver's table of the configuration. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Only cases whose name contains this text. */
  readonly only?: string;
}

/** Runs every case in a root of its own; never throws for a broken driver. */
export function checkLayerDriver(
  module: DriverModule<"layer">,
  options: CheckOptions,
): CaseResult[] {
  const cases = CASES.filter((each) => each.name.includes(options.only ?? ""));
  return cases.map((each) => runCase(module, each, options));
}

/** One case in a fresh root, which is gone afterwards, with all its mounts. */
export function runCase(
  module: DriverModule<"layer">,
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
  const milliseconds = performance.now() - began;
  return { name: each.name, scenarios: each.scenarios, outcome, detail, milliseconds };
}

interface OwnFixture extends Fixture {
  close(): void;
}

function openFixture(
  module: DriverModule<"layer">,
  base: string,
  options: CheckOptions,
): OwnFixture {
  const place = { root: `${base}/root`, runroot: `${base}/run`, options: options.options ?? {} };
  for (const path of [base, place.root, place.runroot, `${base}/scratch`]) makeDirs(path, 0o755);
  const open = () => module.open(place, options.kit);
  const driver = open();
  const parents = new Map<LayerId, LayerId | null>();
  const ref = (id: LayerId): LayerRef => {
    const chain: LayerId[] = [];
    for (let at = parents.get(id) ?? null; at !== null; at = parents.get(at) ?? null) {
      chain.push(at);
    }
    return { id, chain };
  };
  const newId = () => crypto.randomUUID().replaceAll("-", "").slice(0, 26) as LayerId;
  const begin: Fixture["begin"] = (parent, kind) => {
    const id = newId();
    parents.set(id, parent);
    return { id, stage: driver.begin({ ...ref(id), kind }) };
  };
  const mounted: Fixture["mounted"] = (id, view, work) => {
    const { path } = driver.mount(ref(id), { view });
    try {
      return work(path);
    } finally {
      driver.unmount(ref(id));
    }
  };
  const container: Fixture["container"] = (parent) => {
    const { id, stage } = begin(parent, "container");
    stage.commit();
    return id;
  };
  return {
    driver,
    root: place.root,
    scratch: `${base}/scratch`,
    open,
    newId,
    ref,
    begin,
    container,
    mounted,
    image(parent, fill) {
      const { id, stage } = begin(parent, "image");
      fill(stage);
      stage.end();
      stage.commit();
      driver.sync();
      return id;
    },
    changed(parent, work) {
      const id = container(parent);
      mounted(id, "rw", work);
      driver.seal(ref(id));
      return id;
    },
    isKnown: (id) => parents.has(id),
    forget: (id) => void parents.delete(id),
    close() {
      for (const id of driver.list()) driver.unmount({ id, chain: [] }, { detach: true });
    },
  };
}
