/**
 * Layer drivers in one process against the kernel's own cost: create, mount, unmount and remove a
 * container layer, against the same two mount calls on ready directories; and the probe.
 *
 *     bun run bench/layers.ts [--quick] [--json]
 *
 * On a tmpfs, where the disk does not hide what we do. Needs root.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { mountRelative, unmount } from "../core/sys/mount.ts";
import { type LayerId, raw } from "../core/terms.ts";
import { driver as copy } from "../drivers/layer/copy.ts";
import type { LayerDriver } from "../drivers/layer/driver.ts";
import { driver as overlay } from "../drivers/layer/overlay.ts";
import type { DriverModule } from "../drivers/module.ts";
import { type Comparison, isQuick, median, note, report } from "./measure.ts";

const ROUNDS = isQuick ? 60 : 300;

interface Timed {
  readonly name: string;
  /** One round, already warm. */
  readonly work: () => void;
}

/** Interleaved rounds in this process; times in milliseconds. */
function compareHere(title: string, timed: readonly Timed[], limit: number): Comparison {
  note(`${title}: ${ROUNDS} rounds of ${timed.length} …`);
  const samples = timed.map((): number[] => []);
  for (let round = -20; round < ROUNDS; round++) {
    timed.forEach(({ work }, i) => {
      const began = performance.now();
      work();
      if (round >= 0) samples[i]?.push(performance.now() - began);
    });
  }
  const figures = timed.map(({ name }, i) => {
    const all = samples[i] ?? [];
    const [min, max] = [Math.min(...all), Math.max(...all)];
    return { name, median: median(all), min, max, rounds: ROUNDS };
  });
  const [ours, peer] = figures;
  if (ours === undefined || peer === undefined) return { title, figures, ratios: [] };
  const ratio = ours.median / peer.median;
  const ratios = [{ ours: ours.name, peer: peer.name, limit, ratio, held: ratio <= limit }];
  return { title, figures, ratios };
}

function open(module: DriverModule<"layer">, base: string): LayerDriver {
  const place = {
    root: `${base}/${module.name}`,
    runroot: `${base}/${module.name}-run`,
    options: {},
  };
  mkdirSync(place.root);
  mkdirSync(place.runroot);
  return module.open(place, undefined as never);
}

/** Image layers of one file each; returns their ids, nearest first. */
function tower(driver: LayerDriver, count: number): LayerId[] {
  const chain: LayerId[] = [];
  for (let i = 0; i < count; i++) {
    const id = `${driver.name.slice(0, 2)}${count}x${i}`.padEnd(26, "y") as LayerId;
    const stage = driver.begin({ id, chain: [...chain], kind: "image" });
    const plain = { mode: 0o644, uid: 0, gid: 0, mtime: 0n };
    stage.entry({ path: raw(`file-${i}`), type: "file", size: 1, ...plain });
    stage.write(new Uint8Array(1));
    stage.end();
    stage.commit();
    chain.unshift(id);
  }
  return chain;
}

let made = 0;

function lifeOf(driver: LayerDriver, chain: readonly LayerId[], volatile: boolean): void {
  const id = `c${made++}`.padEnd(26, "z") as LayerId;
  driver.begin({ id, chain, kind: "container", ...(volatile ? { volatile } : {}) }).commit();
  driver.mount({ id, chain }, { view: "rw", ...(volatile ? { volatile } : {}) });
  driver.unmount({ id, chain });
  driver.remove(id);
}

/** The same mount by hand, with nothing around it. */
function floor(base: string, count: number): () => void {
  const home = `${base}/floor-${count}`;
  const lowers = Array.from({ length: count }, (_, i) => `l${i}`);
  for (const name of ["", "/m", "/u", "/w", ...lowers.map((each) => `/${each}`)]) {
    mkdirSync(home + name);
  }
  for (const lower of lowers) writeFileSync(`${home}/${lower}/file-${lower}`, "x");
  const data = `lowerdir=${lowers.join(":")},upperdir=u,workdir=w,index=off,metacopy=off`;
  return () => {
    mountRelative(home, { source: "overlay", target: "m", type: "overlay", data });
    unmount(`${home}/m`);
  };
}

const base = mkdtempSync("/dev/shm/layer-bench-");
try {
  const layers = open(overlay, base);
  const copies = open(copy, base);
  const rows = [1, 10, 60].map((count) => {
    const chain = tower(layers, count);
    const copied = tower(copies, count);
    return compareHere(`${count} lower layers, in process`, [
      { name: "overlay: create, mount, unmount, remove", work: () => lifeOf(layers, chain, false) },
      { name: "mount(2), umount(2)", work: floor(base, count) },
      { name: "overlay, volatile", work: () => lifeOf(layers, chain, true) },
      { name: "copy, of as many small files", work: () => lifeOf(copies, copied, false) },
    ], 3);
  });
  mkdirSync(`${base}/probe`);
  const place = { root: `${base}/probe`, runroot: `${base}/probe`, options: {} };
  const probe = (module: DriverModule<"layer">) => () => {
    rmSync(`${base}/probe/${module.name}-probe`, { force: true });
    module.probe(place, undefined as never);
  };
  const probes = compareHere("probe, nothing cached", [
    { name: "overlay", work: probe(overlay) },
    { name: "copy", work: probe(copy) },
  ], 100);
  report([...rows, { ...probes, ratios: [] }]);
} finally {
  rmSync(base, { recursive: true });
}
