/** What overlay finds on a host: strange roots, nested overlays, probes. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { test } from "node:test";
import { checkLayerDriver } from "../../../drivers/layer/conformance.ts";
import { driver as copy } from "../../../drivers/layer/copy.ts";
import { driver as overlay } from "../../../drivers/layer/overlay.ts";
import { hasCode } from "../../../core/errors.ts";
import type { LayerId } from "../../../core/terms.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";
const kit = undefined as never;

function inFolder(work: (base: string) => void): () => void {
  return () => {
    const base = mkdtempSync("/dev/shm/layer-host-");
    try {
      work(base);
    } finally {
      spawnSync("umount", ["-l", `${base}/merged`], { stdio: "ignore" });
      rmSync(base, { recursive: true });
    }
  };
}

function placeIn(base: string): { root: string; runroot: string; options: Record<string, never> } {
  const place = { root: `${base}/root`, runroot: `${base}/run`, options: {} };
  mkdirSync(place.root);
  mkdirSync(place.runroot);
  return place;
}

const STRANGE = [
  "long-".padEnd(230, "x"),
  "with space, comma:colon=equals\\back\"quote'#hash",
  "new\nline\ttab",
  "ünï-日本",
];

for (const name of STRANGE) {
  test(
    `layers work in a root named ${JSON.stringify(name.slice(0, 50))} [17]`,
    { skip },
    inFolder((base) => {
      const directory = `${base}/${name}`;
      mkdirSync(directory);
      for (const module of [overlay, copy]) {
        for (const only of ["[20]", "[21]", "[23]", "[50] [52]"]) {
          const results = checkLayerDriver(module, { directory, kit, only });
          assert.ok(results.length > 0);
          for (const each of results) assert.equal(each.outcome, "passed", each.detail);
        }
      }
    }),
  );
}

test(
  "the options of 500 layers fit into one page, in names that need no escaping [15] [16]",
  { skip },
  inFolder((base) => {
    const driver = overlay.open(placeIn(base));
    const chain: LayerId[] = [];
    for (let i = 0; i < 500; i++) {
      const id = `layer${i}`.padEnd(26, "x") as LayerId;
      driver.begin({ id, chain: chain.slice(0, 1), kind: "image" }).commit();
      chain.unshift(id);
    }
    const id = "top".padEnd(26, "x") as LayerId;
    driver.begin({ id, chain, kind: "container" }).commit();
    const plan = driver.plan({ id, chain }, "rw");
    assert.equal(plan.lowers.length, 500);
    assert.ok(plan.options.join(",").length < 3700, `${plan.options.join(",").length} bytes`);
    for (const lower of plan.lowers) assert.match(lower, /^l\/[0-9a-z]{3,4}$/);
    assert.ok(plan.options.includes("index=off") && plan.options.includes("metacopy=off"));
    assert.ok(plan.options.some((option) => option.startsWith("redirect_dir=")));
  }),
);

test(
  "on an overlay it says why it cannot be used, and copy can",
  { skip },
  inFolder((base) => {
    for (const name of ["lower", "upper", "work", "merged"]) mkdirSync(`${base}/${name}`);
    const data = `lowerdir=${base}/lower,upperdir=${base}/upper,workdir=${base}/work`;
    const mounted = spawnSync("mount", ["-t", "overlay", "overlay", "-o", data, `${base}/merged`]);
    assert.equal(mounted.status, 0, `${mounted.stderr}`);
    const place = placeIn(`${base}/merged`);
    const probe = overlay.probe(place);
    assert.equal(probe.usable, false);
    assert.match(probe.reason, /overlay cannot write on overlay/);
    assert.throws(() => overlay.open(place), (error) => hasCode(error, "unsupported"));
    assert.equal(copy.probe(place).usable, true);
    const results = checkLayerDriver(copy, { directory: `${base}/merged`, kit, only: "[50]" });
    for (const each of results) assert.equal(each.outcome, "passed", each.detail);
  }),
);

test(
  "a probe takes less than 10 ms, leaves nothing in the root and is remembered",
  { skip },
  inFolder((base) => {
    for (const module of [overlay, copy]) {
      const home = `${base}/${module.name}`;
      mkdirSync(home);
      const place = placeIn(home);
      const times = Array.from({ length: 5 }, () => {
        rmSync(`${place.runroot}/${module.name}-probe`, { force: true });
        const began = performance.now();
        assert.equal(module.probe(place).usable, true);
        return performance.now() - began;
      });
      assert.ok(Math.min(...times) < 10, `${times}`);
      assert.deepEqual(readdirSync(place.root), []);
      assert.deepEqual(readdirSync(place.runroot), [`${module.name}-probe`]);
    }
  }),
);

test(
  "options of the configuration are in every mount, and a wrong one is told by the probe",
  { skip },
  inFolder((base) => {
    const place = placeIn(base);
    const wrong = overlay.probe({ ...place, options: { mount_options: ["no_such_option"] } });
    assert.equal(wrong.usable, false);
    assert.match(wrong.reason, /no_such_option/);
  }),
);

test(
  "a layer mounted in another mount namespace is removed all the same, and its data is gone [23]",
  { skip },
  inFolder((base) => {
    const driver = overlay.open(placeIn(base));
    const [low, id] = ["low", "top"].map((name) => name.padEnd(26, "x") as LayerId) as [
      LayerId,
      LayerId,
    ];
    const stage = driver.begin({ id: low, chain: [], kind: "image" });
    stage.end();
    stage.commit();
    const layer = { id, chain: [low] };
    driver.begin({ ...layer, kind: "container" }).commit();
    driver.mount(layer, { view: "rw" });
    const pidFile = `${base}/pid`;
    spawnSync("unshare", [
      "-m",
      "--propagation",
      "private",
      "sh",
      "-c",
      `sleep 5 & echo $! > ${pidFile}`,
    ], {
      stdio: "ignore",
    });
    driver.unmount(layer);
    driver.remove(id);
    assert.deepEqual(driver.list(), [low]);
    assert.deepEqual(readdirSync(`${base}/root/trash`), []);
    spawnSync("sh", ["-c", `kill $(cat ${pidFile})`]);
  }),
);
