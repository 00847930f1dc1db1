import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { createHash } from "node:crypto";
import { chainIds } from "../../../core/layer/chain.ts";
import { layerChanges } from "../../../core/layer/read.ts";
import { recoverLayers } from "../../../core/layer/recover.ts";
import {
  chainOf,
  commitLayers,
  createWritable,
  isLayerMounted,
  layerHolders,
  type LayerStore,
  mountLayer,
  newLayerId,
  processHolder,
  removeLayer,
  sealLayer,
  stageLayer,
  unmountLayer,
} from "../../../core/layer/store.ts";
import { layerById, listLayers } from "../../../core/state/layers.ts";
import { hasCode } from "../../../core/errors.ts";
import { bootId } from "../../../core/sys/process.ts";
import { type DiffId, type LayerId, raw, type TreeSink } from "../../../core/terms.ts";
import { type FreshStore, freshStore, needsRoot } from "./fresh_store.ts";

const DIFFS = ["a", "b", "c"].map((digit) => `sha256:${digit.repeat(64)}` as DiffId);

function sendFile(sink: TreeSink, path: string, content: string): void {
  const plain = { mode: 0o644, uid: 0, gid: 0, mtime: 1n };
  sink.entry({ path: raw(path), type: "file", size: content.length, ...plain });
  sink.write(Buffer.from(content));
}

/** Stages one layer per diff id and commits them; bottom first. */
function load(store: LayerStore, diffIds: readonly DiffId[] = DIFFS): LayerId[] {
  const chain: LayerId[] = [];
  const staged = diffIds.map((diffId, i) => {
    const layer = stageLayer(store, { chain: [...chain] });
    sendFile(layer.stage, `file-${i}`, diffId);
    layer.stage.end();
    chain.unshift(layer.id);
    return { layer, diffId, chainId: chainIds(diffIds)[i]! };
  });
  return commitLayers(store, staged);
}

function withStore(work: (store: FreshStore) => void): () => void {
  return () => {
    const store = freshStore();
    try {
      work(store);
    } finally {
      store.close();
    }
  };
}

const rooted = { skip: needsRoot };

test("chain ids are those of the OCI image specification", () => {
  const [first, second] = chainIds(DIFFS);
  assert.equal(first, DIFFS[0]);
  const expected = createHash("sha256").update(`${DIFFS[0]} ${DIFFS[1]}`).digest("hex");
  assert.equal(second, `sha256:${expected}`);
});

test("ids are 26 letters and digits and never the same", () => {
  const ids = new Set(Array.from({ length: 1000 }, newLayerId));
  assert.equal(ids.size, 1000);
  for (const id of ids) assert.match(id, /^[a-z0-9]{26}$/);
});

test(
  "a load of three layers is known at once, in a chain, with sizes",
  rooted,
  withStore((store) => {
    const ids = load(store);
    assert.deepEqual(chainOf(store, ids[2]!), [ids[1], ids[0]]);
    assert.deepEqual(ids.map((id) => layerById(store.db, id)?.size), [71, 71, 71]);
    const id = createWritable(store, ids[2]!);
    const path = mountLayer(store, id, processHolder());
    assert.deepEqual(readdirSync(path).sort(), ["file-0", "file-1", "file-2"]);
    unmountLayer(store, id, processHolder());
  }),
);

test(
  "the same layers loaded twice are kept once, and layers on top follow",
  rooted,
  withStore((store) => {
    const first = load(store, DIFFS.slice(0, 2));
    const again = load(store, DIFFS);
    assert.deepEqual(again.slice(0, 2), first);
    assert.deepEqual(chainOf(store, again[2]!), [first[1], first[0]]);
    assert.equal(store.driver.list().length, 3);
    const path = mountLayer(store, createWritable(store, again[2]!), processHolder());
    assert.equal(readdirSync(path).length, 3);
  }),
);

test(
  "a failed commit leaves nothing known and nothing on disk",
  rooted,
  withStore((store) => {
    const [base] = load(store, DIFFS.slice(0, 1));
    const good = stageLayer(store, { chain: [base!] });
    good.stage.end();
    const orphan = { ...stageLayer(store, { chain: [base!] }), chain: [newLayerId()] };
    orphan.stage.end();
    assert.throws(() => commitLayers(store, [{ layer: good }, { layer: orphan }]));
    assert.deepEqual(store.driver.list(), [base]);
    assert.equal(listLayers(store.db).length, 1);
  }),
);

test(
  "a layer with children or holders is not removed, and both are named [6]",
  rooted,
  withStore((store) => {
    const [base] = load(store, DIFFS.slice(0, 1));
    const id = createWritable(store, base!);
    assert.throws(
      () => removeLayer(store, base!),
      (error: Error) => hasCode(error, "busy") && error.message.includes(id),
    );
    mountLayer(store, id, "container:abc");
    assert.throws(
      () => removeLayer(store, id),
      (error: Error) => hasCode(error, "busy") && error.message.includes("container:abc"),
    );
    unmountLayer(store, id, "container:abc");
    removeLayer(store, id);
    removeLayer(store, id);
    removeLayer(store, base!);
    assert.deepEqual(store.driver.list(), []);
  }),
);

test(
  "mounts are counted by holder, across processes: the last one unmounts [21]",
  rooted,
  withStore((store) => {
    const id = createWritable(store, null);
    const other = store.reopen();
    const path = mountLayer(store, id, "container:a");
    assert.equal(mountLayer(other, id, processHolder()), path);
    assert.deepEqual(layerHolders(store, id).sort(), ["container:a", processHolder()].sort());
    assert.deepEqual(unmountLayer(store, id, "container:a"), { last: false, ended: true });
    assert.ok(isLayerMounted(store, id));
    assert.deepEqual(unmountLayer(other, id, processHolder()), { last: true, ended: true });
    assert.ok(!isLayerMounted(store, id));
    assert.deepEqual(unmountLayer(store, id, "container:a"), { last: true, ended: false });
  }),
);

test(
  "dead processes hold nothing, and recovery unmounts what only they held [25]",
  rooted,
  withStore((store) => {
    const id = createWritable(store, null);
    mountLayer(store, id, "4194999-1");
    assert.deepEqual(layerHolders(store, id), []);
    mountLayer(store, id, "4194999-1");
    recoverLayers(store);
    assert.ok(!isLayerMounted(store, id));
    assert.deepEqual(readdirSync(`${store.holders}/${bootId()}`), []);
    mountLayer(store, id, "4194999-1");
    removeLayer(store, id);
    assert.deepEqual(store.driver.list(), []);
  }),
);

test(
  "holders of an earlier boot mean nothing and go [25]",
  rooted,
  withStore((store) => {
    const id = createWritable(store, null);
    mkdirSync(`${store.holders}/another-boot`, { recursive: true });
    writeFileSync(`${store.holders}/another-boot/${id}@container:x`, "");
    assert.deepEqual(layerHolders(store, id), []);
    recoverLayers(store);
    assert.ok(!existsSync(`${store.holders}/another-boot`));
  }),
);

test(
  "only a committed layer can be built on; committing keeps the id [5]",
  rooted,
  withStore((store) => {
    const id = createWritable(store, null, { name: "mine" });
    const path = mountLayer(store, id, processHolder());
    writeFileSync(`${path}/x`, "12345");
    assert.throws(() => createWritable(store, id), (error) => hasCode(error, "state"));
    assert.throws(() => sealLayer(store, id), (error) => hasCode(error, "busy"));
    unmountLayer(store, id, processHolder());
    sealLayer(store, id);
    sealLayer(store, id);
    assert.deepEqual([layerById(store.db, id)?.writable, layerById(store.db, id)?.size], [
      false,
      5,
    ]);
    const child = createWritable(store, id);
    assert.equal(readFileSync(`${mountLayer(store, child, processHolder())}/x`, "utf8"), "12345");
    assert.deepEqual(layerChanges(store, id).map(({ path }) => path), ["x"]);
  }),
);

test(
  "what a killed process leaves at any step is gone after recovery, known layers stay [62]",
  rooted,
  withStore((store) => {
    const [base] = load(store, DIFFS.slice(0, 1));
    const script = `
      import { openDatabase } from "${root("core/state/database.ts")}";
      import { driver } from "${root("drivers/layer/overlay.ts")}";
      import { bootId } from "${root("core/sys/process.ts")}";
      import * as layers from "${root("core/layer/store.ts")}";
      const base = ${JSON.stringify(store.base)};
      const place = { root: base + "/layers", runroot: base + "/run", options: {} };
      const store = { db: openDatabase(base + "/state.db", bootId()), driver: driver.open(place),
        locks: base + "/locks", holders: base + "/holders", records: base + "/records" };
      const staged = layers.stageLayer(store, { chain: ["${base}"] });
      staged.stage.entry({ path: "big", type: "file", size: 9, mode: 420, uid: 0, gid: 0, mtime: 0n });
      staged.stage.write(new Uint8Array(4));
      const done = layers.stageLayer(store, { chain: ["${base}"] });
      done.stage.end();
      done.stage.commit();
      const id = layers.createWritable(store, "${base}");
      layers.mountLayer(store, id, layers.processHolder());
      process.kill(process.pid, "SIGKILL");
    `;
    writeFileSync(`${store.base}/victim.ts`, script);
    const command = "Bun" in globalThis
      ? [process.execPath, "run", `${store.base}/victim.ts`]
      : [process.execPath, "run", "-A", "--no-check", `${store.base}/victim.ts`];
    const ended = spawnSync(command[0]!, command.slice(1), { encoding: "utf8" });
    assert.equal(ended.signal, "SIGKILL", ended.stderr);
    assert.equal(store.driver.list().length, 3);
    const report = recoverLayers(store);
    assert.equal(report.removed.length, 2);
    const left = store.driver.list();
    assert.equal(left.length, 2);
    assert.ok(left.includes(base!));
    for (const id of left) assert.ok(!isLayerMounted(store, id));
    assert.deepEqual(readdirSync(`${store.base}/layers/stages`), []);
    assert.deepEqual(readdirSync(`${store.base}/layers/trash`), []);
    assert.equal(readdirSync(`${store.base}/layers/l`).length, 2);
  }),
);

function root(path: string): string {
  return new URL(`../../../${path}`, import.meta.url).pathname;
}
