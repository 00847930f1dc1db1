/** Reading a layer while a container changes it: nothing crashes, what stays is all there [54]. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Recorder } from "../../../drivers/layer/cases/trees.ts";
import { driver as copy } from "../../../drivers/layer/copy.ts";
import { driver as overlay } from "../../../drivers/layer/overlay.ts";
import type { LayerId } from "../../../core/terms.ts";

const CHURN = `
  while :; do
    mkdir d e; for i in 1 2 3 4 5 6 7 8 9; do echo $i > d/$i; ln d/$i e/$i; ln -s $i d/l$i; done
    rm -r low; mkdir low; echo x > low/x
    rm -r d; echo file > d; rm d; mv e d; rm -r d
  done`;

for (const module of [overlay, copy]) {
  test(`a layer of ${module.name} can be read while its container works [54]`, {
    skip: process.getuid?.() === 0 ? false : "needs root",
  }, () => {
    const base = mkdtempSync("/dev/shm/layer-running-");
    const place = { root: `${base}/root`, runroot: `${base}/run`, options: {} };
    mkdirSync(place.root);
    mkdirSync(place.runroot);
    const driver = module.open(place);
    const low = { id: "low".padEnd(26, "x") as LayerId, chain: [] };
    const stage = driver.begin({ ...low, kind: "container" });
    stage.commit();
    const lowPath = driver.mount(low, { view: "rw" }).path;
    mkdirSync(`${lowPath}/low`);
    for (let i = 0; i < 50; i++) writeFileSync(`${lowPath}/low/${i}`, "x");
    driver.unmount(low);
    driver.seal(low);
    const layer = { id: "top".padEnd(26, "x") as LayerId, chain: [low.id] };
    driver.begin({ ...layer, kind: "container" }).commit();
    const { path } = driver.mount(layer, { view: "rw" });
    for (let i = 0; i < 20; i++) writeFileSync(`${path}/kept-${i}`, `${i}`);
    const churn = spawn("sh", ["-c", CHURN], { cwd: path, stdio: "ignore" });
    try {
      const end = performance.now() + 700;
      for (let round = 0; performance.now() < end || round < 20; round++) {
        for (const whole of [false, true]) {
          const sent = new Recorder();
          driver.entries(layer, sent, { whole });
          const kept = sent.outline().filter((line) => line.startsWith("file kept-"));
          assert.equal(kept.length, 20);
        }
        assert.ok(driver.changes(layer).length >= 20);
        assert.ok(driver.usage(layer).bytes > 0);
      }
    } finally {
      churn.kill("SIGKILL");
      driver.unmount(layer, { detach: true });
      rmSync(base, { recursive: true, force: true, maxRetries: 3 });
    }
  });
}
