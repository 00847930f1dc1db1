/** Whatever is done to a tree, every driver writes the same layer: property-based, seed printed. */
import assert from "node:assert/strict";
import { appendFileSync, chmodSync, existsSync, linkSync, lstatSync, type Stats } from "node:fs";
import { lutimesSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { TarWriter } from "../../../core/archive/tar_writer.ts";
import { makeDirs } from "../../../core/sys/files.ts";
import type { LayerId } from "../../../core/terms.ts";
import { describeTree, Recorder } from "../../../drivers/layer/cases/trees.ts";
import { driver as copy } from "../../../drivers/layer/copy.ts";
import type { LayerDriver, LayerRef } from "../../../drivers/layer/driver.ts";
import { driver as overlay } from "../../../drivers/layer/overlay.ts";

const NAMES = ["a", "b", "c.x", "d", "e"];
const path = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/"));
const step = fc.record({
  act: fc.constantFrom(
    "write",
    "append",
    "mkdir",
    "remove",
    "chmod",
    "link",
    "symlink",
    "move",
    "touch",
  ),
  path,
  other: path,
  value: fc.integer({ min: 0, max: 9 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/**
 * One change. Left out is what drivers are allowed to differ in: directories that come from below
 * are not renamed (overlay: EXDEV), files with two names below are only removed.
 */
function apply(root: string, { act, path, other, value }: Step, paired: ReadonlySet<string>): void {
  const target = `${root}/${path}`;
  const from = `${root}/${other}`;
  if (act !== "remove" && (paired.has(path) || paired.has(other))) return;
  const isFile = (name: string) => existsSync(name) && lstatSync(name).isFile();
  try {
    if (["write", "link", "symlink", "move"].includes(act)) {
      mkdirSync(target.slice(0, target.lastIndexOf("/")), { recursive: true });
    }
    if (act === "write") writeFileSync(target, "x".repeat(value));
    else if (act === "append" && isFile(target)) appendFileSync(target, `${value}`);
    else if (act === "mkdir") mkdirSync(target, { recursive: true });
    else if (act === "remove") rmSync(target, { recursive: true, force: true });
    else if (act === "chmod" && !lstatSync(target).isSymbolicLink()) {
      chmodSync(target, 0o700 + value);
    } else if (act === "link" && isFile(from) && value < 3) linkSync(from, target);
    else if (act === "symlink") symlinkSync(`${value}`, target);
    else if (act === "move" && isFile(from)) renameSync(from, target);
    else if (act === "touch") lutimesSync(target, value, value);
  } catch {
    // Steps that make no sense here fail the same way everywhere.
  }
}

/** Files that have several names when the layer begins. */
function pairedFiles(root: string): Set<string> {
  const names = describeTree(root).map((line) =>
    line.slice(1, line.search(/ (file|dir|symlink) /))
  );
  return new Set(names.filter((name) => name !== "" && isPaired(lstatSync(`${root}/${name}`))));
}

function isPaired(stat: Stats): boolean {
  return !stat.isDirectory() && stat.nlink > 1;
}

/** Times come from the clock: all are set to one, so that two runs can be compared. */
function settle(root: string): void {
  for (const line of describeTree(root)) {
    const name = line.slice(0, line.search(/ (file|dir|symlink) /));
    const stat = lstatSync(root + name);
    if (stat.mtimeMs > 1e9) lutimesSync(root + name, 1234, 1234);
  }
}

interface Place {
  readonly driver: LayerDriver;
  readonly layers: LayerRef[];
}

let count = 0;

function addLayer(place: Place, steps: readonly Step[]): void {
  const below = place.layers.at(-1);
  const chain = below === undefined ? [] : [below.id, ...below.chain];
  const layer = { id: `layer${count++}`.padEnd(8, "x") as LayerId, chain };
  place.driver.begin({ ...layer, kind: "container" }).commit();
  const { path } = place.driver.mount(layer, { view: "rw" });
  try {
    const paired = pairedFiles(path);
    for (const each of steps) apply(path, each, paired);
    settle(path);
  } finally {
    place.driver.unmount(layer);
  }
  place.layers.push(layer);
}

function tarOf(place: Place, layer: LayerRef): string {
  const pieces: Buffer[] = [];
  const writer = new TarWriter({ write: (bytes) => void pieces.push(Buffer.from(bytes)) }, {
    whiteouts: "oci",
  });
  place.driver.entries(layer, writer);
  return Buffer.concat(pieces).toString("latin1");
}

function linesOf(place: Place, layer: LayerRef): string[] {
  const sent = new Recorder();
  place.driver.entries(layer, sent);
  return sent.lines();
}

/** The tree of `layer`, sent to the other driver as layers of images, shows the same. */
function carryOver(from: Place, to: LayerDriver): string[] {
  let chain: LayerId[] = [];
  for (const layer of from.layers) {
    const id = `copy${count++}`.padEnd(8, "y") as LayerId;
    const stage = to.begin({ id, chain, kind: "image" });
    from.driver.entries(layer, stage);
    stage.commit();
    chain = [id, ...chain];
  }
  const [id, ...rest] = chain as [LayerId, ...LayerId[]];
  const { path } = to.mount({ id, chain: rest }, { view: "ro" });
  try {
    return describeTree(path);
  } finally {
    to.unmount({ id, chain: rest });
  }
}

const skip = process.getuid?.() === 0 ? false : "needs root";

test(
  "two hundred generated layers have the same bytes under overlay and copy, and arrive whole [51]",
  { skip },
  () => {
    const base = mkdtempSync("/dev/shm/layer-same-");
    const open = (module: typeof overlay | typeof copy): LayerDriver => {
      const place = {
        root: `${base}/${module.name}`,
        runroot: `${base}/run-${module.name}`,
        options: {},
      };
      makeDirs(place.root);
      makeDirs(place.runroot);
      return module.open(place);
    };
    const [first, second] = [open(overlay), open(copy)];
    const layers = fc.array(fc.array(step, { minLength: 5, maxLength: 25, size: "max" }), {
      minLength: 2,
      maxLength: 4,
      size: "max",
    });
    try {
      fc.assert(
        fc.property(layers, (all) => {
          const places = [{ driver: first, layers: [] }, { driver: second, layers: [] }] as [
            Place,
            Place,
          ];
          for (const steps of all) {
            for (const place of places) {
              addLayer(place, steps);
            }
            const [a, b] = places.map((place) => place.layers.at(-1)) as [LayerRef, LayerRef];
            assert.deepEqual(linesOf(places[1], b), linesOf(places[0], a));
            assert.equal(tarOf(places[1], b), tarOf(places[0], a));
            assert.deepEqual(second.changes(b), first.changes(a));
            for (const { driver, layers } of places) driver.seal(layers.at(-1) as LayerRef);
            assert.deepEqual(linesOf(places[1], b), linesOf(places[0], a));
          }
          assert.deepEqual(carryOver(places[0], second), carryOver(places[1], first));
          for (const driver of [first, second]) for (const id of driver.list()) driver.remove(id);
        }),
        { numRuns: 70, verbose: false },
      );
    } finally {
      for (const driver of [first, second]) {
        for (const id of driver.list()) driver.unmount({ id, chain: [] }, { detach: true });
      }
      rmSync(base, { recursive: true });
    }
  },
);
