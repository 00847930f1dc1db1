/** Many processes and sudden deaths: one copy, nothing lost, nothing left. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { lookForImage } from "../../../core/engine/images.ts";
import { loadImages } from "../../../core/engine/load.ts";
import { recoverImages } from "../../../core/engine/recover_images.ts";
import { removeImage } from "../../../core/engine/remove_image.ts";
import { recoverLayers } from "../../../core/layer/recover.ts";
import { listBlobs } from "../../../core/image/blobs.ts";
import { listImages, usedBlobs } from "../../../core/state/images.ts";
import { listLayers } from "../../../core/state/layers.ts";
import { dockerFiles, handMade, tarOf } from "./image_files.ts";
import { newStore, type TestStore } from "./image_store.ts";

const skip = process.getuid?.() === 0 ? {} : { skip: "needs root" };
const one = handMade();
const two = handMade("two");

const root = (path: string) => new URL(`../../../${path}`, import.meta.url).pathname;

/** A process that works on the store of the test; `work` sees `engine`. */
function script(store: TestStore, name: string, work: string): string {
  const path = join(store.folder, `${name}.ts`);
  writeFileSync(
    path,
    `
    import { openStore } from "${root("tests/core/engine/image_store.ts")}";
    import { loadImages } from "${root("core/engine/load.ts")}";
    import { removeImage } from "${root("core/engine/remove_image.ts")}";
    const engine = openStore(${JSON.stringify(store.folder)});
    console.log("ready");
    ${work}
  `,
  );
  return path;
}

interface Child {
  readonly done: Promise<{ status: number | null; said: string }>;
  readonly ready: Promise<void>;
  kill(): void;
}

function start(path: string): Child {
  const args = "Bun" in globalThis ? ["run", path] : ["run", "-A", "--no-check", path];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (bytes) => said += bytes);
  return {
    ready: new Promise((resolve) => child.stdout.once("data", () => resolve())),
    done: new Promise((resolve) => child.on("close", (status) => resolve({ status, said }))),
    kill: () => void child.kill("SIGKILL"),
  };
}

function archive(store: TestStore, name: string, images: readonly (typeof one)[]): string {
  const path = join(store.folder, name);
  const list = images.map((image, i) => ({ image, tags: [`localhost/${name}-${i}:1`] }));
  writeFileSync(path, tarOf(dockerFiles(list)));
  return path;
}

/** After recovery the disk holds what the records name, and nothing else. */
function assertTidy(store: TestStore): void {
  const { engine, paths } = store;
  recoverImages(engine);
  recoverLayers(engine.layers);
  const layers = listLayers(engine.db).map(({ id }) => id).sort();
  assert.deepEqual(engine.layers.driver.list().sort(), layers);
  assert.deepEqual(listBlobs(paths).sort(), [...usedBlobs(engine.db)].sort());
  assert.deepEqual(readdirSync(paths.staging), []);
  if (listImages(engine.db).length === 0) assert.deepEqual(layers, []);
}

test(
  "processes that load the same and shared images at once all succeed, with one copy",
  skip,
  async () => {
    using store = newStore();
    const forward = archive(store, "forward", [one, two]);
    const backward = archive(store, "backward", [two, one]);
    const children = [forward, backward, forward, backward].map((path, i) =>
      start(
        script(store, `load${i}`, `await loadImages(engine, { path: ${JSON.stringify(path)} });`),
      )
    );
    for (const { done } of children) {
      const { status, said } = await done;
      assert.equal(status, 0, said);
    }
    assert.equal(listImages(store.engine.db).length, 2);
    assert.equal(listLayers(store.engine.db).length, 4);
    assertTidy(store);
  },
);

test(
  "a load beside a removal of the same image ends with a whole image or none",
  skip,
  async () => {
    using store = newStore();
    const path = archive(store, "same", [one]);
    const loads = start(script(
      store,
      "loads",
      `for (let i = 0; i < 15; i++) {
       try { await loadImages(engine, { path: ${JSON.stringify(path)} }); }
       catch (error) { if (error.code !== "busy") throw error; }
     }`,
    ));
    const removes = start(script(
      store,
      "removes",
      `for (let i = 0; i < 40; i++) {
       try { removeImage(engine, "same-0:1"); }
       catch (error) { if (error.code !== "notfound" && error.code !== "busy") throw error; }
       await new Promise((done) => setTimeout(done, 3));
     }`,
    ));
    for (const { done } of [loads, removes]) {
      const { status, said } = await done;
      assert.equal(status, 0, said);
    }
    assertTidy(store);
    await loadImages(store.engine, { path });
    assert.ok(lookForImage(store.engine.db, "same-0:1"));
    assertTidy(store);
  },
);

test(
  "kill -9 at any moment of load and rmi leaves a whole image or none, and no space",
  skip,
  async () => {
    using store = newStore();
    const before = archive(store, "before", [two]);
    await loadImages(store.engine, { path: before });
    const path = archive(store, "victim", [one]);
    const load = script(
      store,
      "victim",
      `await loadImages(engine, { path: ${JSON.stringify(path)} });`,
    );
    const remove = script(store, "remover", `removeImage(engine, "victim-0:1");`);
    for (let i = 0; i < 14; i++) {
      const isRemoval = i % 2 === 1;
      // By another process: recovery trusts the maker of a layer as long as that one lives.
      if (isRemoval) await start(load).done;
      const child = start(isRemoval ? remove : load);
      await child.ready;
      await sleep(Math.random() * 25);
      child.kill();
      await child.done;
      assertTidy(store);
      assert.ok(lookForImage(store.engine.db, "before-0:1"), "what was there before is there");
      const found = lookForImage(store.engine.db, "victim-0:1");
      if (found === undefined) continue;
      for (const blob of usedBlobs(store.engine.db)) {
        assert.ok(
          listBlobs(store.paths).includes(blob),
        );
      }
      if (!isRemoval) removeImage(store.engine, "victim-0:1");
    }
    assertTidy(store);
  },
);
