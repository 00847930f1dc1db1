import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { packLayer } from "../../../core/layer/pack.ts";
import {
  chainOf,
  commitLayers,
  createWritable,
  type LayerStore,
  mountLayer,
  processHolder,
  stageLayer,
  unmountLayer,
} from "../../../core/layer/store.ts";
import { unpackLayer, unpackLayerNow } from "../../../core/layer/unpack.ts";
import { hasCode } from "../../../core/errors.ts";
import { type DiffId, type LayerId, text } from "../../../core/terms.ts";
import { driver as copy } from "../../../drivers/layer/copy.ts";
import { driver as overlay } from "../../../drivers/layer/overlay.ts";
import { freshStore, needsRoot } from "./fresh_store.ts";

function digest(bytes: Uint8Array): DiffId {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}` as DiffId;
}

function pack(store: LayerStore, id: LayerId, options = {}): Buffer {
  const pieces: Buffer[] = [];
  packLayer(store, id, { write: (bytes) => void pieces.push(Buffer.from(bytes)) }, options);
  return Buffer.concat(pieces);
}

function unpack(store: LayerStore, tar: Uint8Array, chain: LayerId[] = []): LayerId {
  const layer = stageLayer(store, { chain });
  const { bytes, diffId } = unpackLayerNow([tar], { into: layer.stage, diffId: digest(tar) });
  return commitLayers(store, [{ layer, diffId, size: bytes }])[0] as LayerId;
}

/** A tar made by GNU tar. */
function gnuTar(base: string): Buffer {
  mkdirSync(`${base}/tree/etc`, { recursive: true });
  writeFileSync(`${base}/tree/etc/a`, "old a");
  writeFileSync(`${base}/tree/etc/b`, "old b");
  return execFileSync("tar", ["-c", "--format=pax", "-C", `${base}/tree`, "."]);
}

const withRoot = { skip: needsRoot };

for (const module of [overlay, copy]) {
  test(
    `a layer packed under ${module.name} is a tar that GNU tar reads, with whiteouts [49]`,
    withRoot,
    () => {
      const store = freshStore(module);
      try {
        const base = unpack(store, gnuTar(store.base));
        const id = createWritable(store, base);
        const path = mountLayer(store, id, processHolder());
        rmSync(`${path}/etc/a`);
        writeFileSync(`${path}/etc/c`, "new c");
        unmountLayer(store, id, processHolder());
        const tar = pack(store, id, { latest: 0 });
        const listed = execFileSync("tar", ["-t"], { input: tar, encoding: "utf8" }).split("\n");
        assert.deepEqual(listed.filter(Boolean), ["./", "etc/", "etc/.wh.a", "etc/c"]);
        const again = unpack(store, tar, [base, ...chainOf(store, base)]);
        assert.deepEqual(pack(store, again), tar);
        const shown = mountLayer(store, again, processHolder());
        assert.deepEqual(readdirSync(`${shown}/etc`).sort(), ["b", "c"]);
      } finally {
        store.close();
      }
    },
  );
}

test(
  "content that is not what its digest says is refused, and nothing stays [56]",
  withRoot,
  async () => {
    const store = freshStore();
    try {
      const tar = gnuTar(store.base);
      const cases: [Uint8Array, DiffId][] = [
        [tar, digest(Buffer.from("other"))],
        [tar.subarray(0, 1000), digest(tar.subarray(0, 1000))],
        [Buffer.from("junk".repeat(500)), digest(Buffer.from("junk".repeat(500)))],
      ];
      for (const [bytes, diffId] of cases) {
        const { stage } = stageLayer(store, { chain: [] });
        await assert.rejects(
          unpackLayer([bytes.subarray(0, 700), bytes.subarray(700)], { into: stage, diffId }),
          (error) => hasCode(error, "corrupt"),
        );
        stage.abort();
      }
      assert.deepEqual(store.driver.list(), []);
      assert.deepEqual(readdirSync(`${store.base}/layers/stages`), []);
    } finally {
      store.close();
    }
  },
);

test(
  "files named as whiteouts are refused with their names, or left out when asked [44]",
  withRoot,
  () => {
    const store = freshStore();
    try {
      const id = createWritable(store, unpack(store, gnuTar(store.base)));
      const path = mountLayer(store, id, processHolder());
      writeFileSync(`${path}/etc/.wh.b`, "mine");
      assert.throws(
        () => pack(store, id),
        (error: Error) => error.message.includes("etc/.wh.b"),
      );
      const notes = packLayer(store, id, { write() {} }, { reservedNames: "skip" });
      assert.deepEqual(notes.reserved.map(text), ["etc/.wh.b"]);
      assert.equal(readFileSync(`${path}/etc/b`, "utf8"), "old b");
    } finally {
      store.close();
    }
  },
);
