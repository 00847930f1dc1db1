/** Many processes at one store: nothing is lost, nothing stays [60]. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { recoverLayers } from "../../../core/layer/recover.ts";
import {
  commitLayers,
  createWritable,
  mountLayer,
  stageLayer,
  unmountLayer,
} from "../../../core/layer/store.ts";
import { listLayers } from "../../../core/state/layers.ts";
import { type FreshStore, freshStore, needsRoot } from "./fresh_store.ts";

const PROCESSES = 16;
const ROUNDS = 16;

const root = (path: string) => new URL(`../../../${path}`, import.meta.url).pathname;

function script(base: string, work: string): string {
  return `
    import { writeFileSync } from "node:fs";
    import { openDatabase } from "${root("core/state/database.ts")}";
    import { driver } from "${root("drivers/layer/overlay.ts")}";
    import { bootId } from "${root("core/sys/process.ts")}";
    import * as layers from "${root("core/layer/store.ts")}";
    import * as recovery from "${root("core/layer/recover.ts")}";
    const base = ${JSON.stringify(base)};
    const place = { root: base + "/layers", runroot: base + "/run", options: {} };
    const store = { db: openDatabase(base + "/state.db", bootId()), driver: driver.open(place),
      locks: base + "/locks", holders: base + "/holders", records: base + "/records" };
    ${work}
  `;
}

function run(file: string): Promise<{ code: number | null; signal: string | null; said: string }> {
  const args = "Bun" in globalThis ? ["run", file] : ["run", "-A", "--no-check", file];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  child.stderr.on("data", (bytes) => said += bytes);
  return new Promise((resolve) =>
    child.on("close", (code, signal) => resolve({ code, signal, said }))
  );
}

function base(store: FreshStore): string {
  const layer = stageLayer(store, { chain: [] });
  layer.stage.end();
  const [id] = commitLayers(store, [{ layer }]);
  return id as string;
}

function assertClean(store: FreshStore, layers: number): void {
  recoverLayers(store);
  assert.equal(listLayers(store.db).length, layers);
  assert.equal(store.driver.list().length, layers);
  for (const folder of ["stages", "trash", "mnt"]) {
    assert.deepEqual(readdirSync(`${store.base}/layers/${folder}`), [], folder);
  }
  assert.equal(readdirSync(`${store.base}/layers/l`).length, layers);
}

test(`${PROCESSES} processes create, mount, write, unmount and remove ${ROUNDS} layers each [60]`, {
  skip: needsRoot,
}, async () => {
  const store = freshStore();
  try {
    const parent = base(store);
    const file = `${store.base}/worker.ts`;
    writeFileSync(
      file,
      script(
        store.base,
        `
      for (let i = 0; i < ${ROUNDS}; i++) {
        const id = layers.createWritable(store, "${parent}", { volatile: i % 2 === 0 });
        const path = layers.mountLayer(store, id, layers.processHolder());
        writeFileSync(path + "/x", "content");
        layers.unmountLayer(store, id, layers.processHolder());
        if (i % 4 === 0) recovery.recoverLayers(store);
        layers.removeLayer(store, id);
      }
    `,
      ),
    );
    const ends = await Promise.all(Array.from({ length: PROCESSES }, () => run(file)));
    for (const { code, said } of ends) assert.equal(code, 0, said);
    assertClean(store, 1);
  } finally {
    store.close();
  }
});

test("processes killed at any moment leave nothing that the next one does not clear [62]", {
  skip: needsRoot,
}, async () => {
  const store = freshStore();
  try {
    const parent = base(store);
    const file = `${store.base}/victim.ts`;
    writeFileSync(
      file,
      script(
        store.base,
        `
      setTimeout(() => process.kill(process.pid, "SIGKILL"), 0);
      const end = performance.now() + 5 + Math.random() * 40;
      const plain = { mode: 0o644, uid: 0, gid: 0, mtime: 0n };
      for (let i = 0;; i++) {
        if (performance.now() > end) process.kill(process.pid, "SIGKILL");
        const staged = layers.stageLayer(store, { chain: ["${parent}"] });
        staged.stage.entry({ path: "f", type: "file", size: 1, ...plain });
        if (performance.now() > end) process.kill(process.pid, "SIGKILL");
        staged.stage.write(new Uint8Array(1));
        staged.stage.end();
        if (i % 3 === 0) staged.stage.commit();
        if (performance.now() > end) process.kill(process.pid, "SIGKILL");
        staged.stage.abort();
        const id = layers.createWritable(store, "${parent}");
        if (performance.now() > end) process.kill(process.pid, "SIGKILL");
        layers.mountLayer(store, id, layers.processHolder());
        if (performance.now() > end) process.kill(process.pid, "SIGKILL");
        layers.unmountLayer(store, id, layers.processHolder());
        layers.removeLayer(store, id);
      }
    `,
      ),
    );
    const ends = await Promise.all(Array.from({ length: 12 }, () => run(file)));
    for (const { signal, said } of ends) assert.equal(signal, "SIGKILL", said);
    recoverLayers(store);
    for (const { id, kind } of listLayers(store.db)) {
      assert.ok(store.driver.list().includes(id), `the tree of ${id} is gone`);
      if (kind === "container") unmountLayer(store, id, "nobody");
    }
    const known = listLayers(store.db).length;
    assert.equal(store.driver.list().length, known);
    for (const folder of ["stages", "trash"]) {
      assert.deepEqual(readdirSync(`${store.base}/layers/${folder}`), [], folder);
    }
    const id = createWritable(store, listLayers(store.db).at(-1)?.id ?? null);
    assert.deepEqual(readdirSync(mountLayer(store, id, "container:x")), []);
  } finally {
    store.close();
  }
});
