/** Dropped blobs: the space comes back, and `save` still gives the same bytes. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dropBlobs } from "../../../core/engine/drop_blobs.ts";
import { findImage } from "../../../core/engine/images.ts";
import { importImage } from "../../../core/engine/import.ts";
import { loadImages } from "../../../core/engine/load.ts";
import { recover } from "../../../core/engine/recover.ts";
import { removeWhole } from "../../../core/engine/remove_image.ts";
import { type SaveFormat, saveImages } from "../../../core/engine/save.ts";
import { listLayers } from "../../../core/state/layers.ts";
import { dockerFiles, handMade, ociFiles, sha256, tarOf, writeFiles } from "./image_files.ts";
import { type ImageEngine, newStore, type TestStore } from "./image_store.ts";

const skip = process.getuid?.() === 0 ? {} : { skip: "needs root" };
const image = handMade();
const IMAGE = "x:1";

async function saved(store: TestStore, format: SaveFormat, name = IMAGE): Promise<string> {
  const output = join(store.folder, "saved");
  rmSync(output, { recursive: true, force: true });
  await saveImages(store.engine, [name], { format, output });
  const hash = createHash("sha256");
  const files = format.endsWith("archive")
    ? [output]
    : readdirSync(output, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
  for (const file of files) hash.update(file).update(readFileSync(file));
  return hash.digest("hex");
}

const FORMATS = ["docker-archive", "oci-archive", "oci-dir", "docker-dir"] as const;

async function savedAll(store: TestStore, name = IMAGE): Promise<string[]> {
  const all: string[] = [];
  for (const format of FORMATS) all.push(await saved(store, format, name));
  return all;
}

async function load(engine: ImageEngine, folder: string, squeeze: "none" | "gzip"): Promise<void> {
  writeFiles(join(folder, squeeze), ociFiles(image, { squeeze, name: "localhost/x:1" }).files);
  await loadImages(engine, { path: join(folder, squeeze) });
}

function blobs({ paths }: TestStore): string[] {
  return readdirSync(join(paths.blobs, "sha256"));
}

test("plain layers are saved with the same bytes after their blobs went", skip, async () => {
  using store = newStore();
  await load(store.engine, store.folder, "none");
  const before = await savedAll(store);
  const { row } = findImage(store.engine, IMAGE);
  const dropped = await dropBlobs(store.engine, row.id);
  assert.deepEqual(dropped.kept, []);
  assert.equal(dropped.newManifest, null);
  assert.equal(dropped.bytes, image.layers.reduce((sum, layer) => sum + layer.length, 0));
  assert.equal(blobs(store).length, 2);
  assert.deepEqual(await savedAll(store), before);
  // Once more changes nothing; loading again brings the blobs back.
  assert.equal((await dropBlobs(store.engine, row.id)).bytes, 0);
  await loadImages(store.engine, { path: join(store.folder, "none") });
  assert.equal(blobs(store).length, 4);
  assert.deepEqual(await savedAll(store), before);
});

test(
  "compressed layers stay uncompressed, with another manifest and the same id",
  skip,
  async () => {
    using store = newStore();
    await load(store.engine, store.folder, "gzip");
    const { row } = findImage(store.engine, IMAGE);
    const before = [await saved(store, "docker-archive"), await saved(store, "oci-archive")];
    const kept = await dropBlobs(store.engine, row.id, { keepCompressed: true });
    assert.deepEqual([kept.bytes, kept.newManifest, kept.kept.length], [0, null, 2]);
    const dropped = await dropBlobs(store.engine, row.id);
    const after = findImage(store.engine, IMAGE).row;
    assert.equal(after.id, row.id);
    assert.notEqual(after.manifest, row.manifest);
    assert.equal(after.manifest, dropped.newManifest);
    assert.equal(blobs(store).length, 2);
    assert.equal(await saved(store, "docker-archive"), before[0]);
    using other = newStore();
    await saveImages(store.engine, [IMAGE], {
      format: "oci-dir",
      output: join(other.folder, "in"),
    });
    await loadImages(other.engine, { path: join(other.folder, "in") });
    assert.equal(findImage(other.engine, IMAGE).row.manifest, after.manifest);
  },
);

test("a blob that another image needs stays until that one is dropped too", skip, async () => {
  using store = newStore();
  const other = { ...image, config: Buffer.from(`${image.config}`.replace('"A=b"', '"A=c"')) };
  await load(store.engine, store.folder, "none");
  writeFiles(join(store.folder, "o"), ociFiles(other, { squeeze: "none", name: "y:1" }).files);
  await loadImages(store.engine, { path: join(store.folder, "o") });
  const [x, y] = [findImage(store.engine, "x:1").row, findImage(store.engine, "y:1").row];
  assert.equal((await dropBlobs(store.engine, x.id)).bytes, 0);
  assert.equal(blobs(store).length, 6);
  assert.ok((await dropBlobs(store.engine, y.id)).bytes > 300_000);
  assert.equal(blobs(store).length, 4);
  removeWhole(store.engine, x.id);
  const whole = await saved(store, "oci-archive", "y:1");
  assert.equal(whole.length, 64);
  removeWhole(store.engine, y.id);
  assert.deepEqual(readdirSync(store.paths.recipes), []);
  assert.deepEqual(listLayers(store.engine.db), []);
});

test("a docker-archive that comes again leaves no blob without a record", skip, async () => {
  using store = newStore();
  await load(store.engine, store.folder, "gzip");
  writeFiles(join(store.folder, "docker"), dockerFiles([{ image, tags: ["localhost/x:1"] }]));
  await loadImages(store.engine, { path: join(store.folder, "docker") });
  assert.equal(blobs(store).length, 4);
});

test(
  "a tar with a name twice gives the same bytes, by a recipe made of its blob",
  skip,
  async () => {
    using store = newStore();
    const first = tarOf({ "dir/": "", "dir/a": "first", "dir/b": "b", "f": "file" });
    const second = tarOf({ "dir/a": "second", "dir/b": { link: "a" }, "f": "" });
    const tar = Buffer.concat([first.subarray(0, first.length - 1024), second]);
    writeFileSync(join(store.folder, "twice.tar"), tar);
    await importImage(store.engine, { path: join(store.folder, "twice.tar") }, {
      name: "x:1",
      changes: [],
    });
    const before = await savedAll(store);
    const { row } = findImage(store.engine, IMAGE);
    const dropped = await dropBlobs(store.engine, row.id);
    assert.deepEqual(dropped.kept, []);
    assert.equal(dropped.bytes, tar.length);
    assert.deepEqual(await savedAll(store), before);
  },
);

test(
  "a missing or damaged recipe is made anew; a damaged tree or blob keeps the blob",
  skip,
  async () => {
    using store = newStore();
    await load(store.engine, store.folder, "none");
    const before = await savedAll(store);
    const { row } = findImage(store.engine, IMAGE);
    const [bottom = "", top = ""] = image.layers.map(sha256);
    rmSync(join(store.paths.recipes, bottom));
    writeFileSync(join(store.paths.recipes, top), "damaged");
    const layers = listLayers(store.engine.db);
    const tree = (diff: string) => {
      const id = layers.find(({ diffId }) => diffId === `sha256:${diff}`)?.id;
      return join(store.paths.layers, "overlay/layers", `${id}`, "diff");
    };
    const name = join(tree(top), "etc/name");
    const good = readFileSync(name);
    writeFileSync(name, "wrong");
    const dropped = await dropBlobs(store.engine, row.id);
    assert.deepEqual(dropped.kept.map(({ digest }) => digest), [`sha256:${top}`]);
    assert.match(dropped.kept[0]?.why ?? "", /file "etc\/name" is not what it was/);
    assert.deepEqual(await savedAll(store), before);
    writeFileSync(name, good);
    assert.deepEqual((await dropBlobs(store.engine, row.id)).kept, []);
    assert.deepEqual(await savedAll(store), before);
    // Without the blob a damaged tree is told instead of saved.
    writeFileSync(name, "wrong again    ".slice(0, good.length));
    await assert.rejects(saved(store, "oci-archive"), /cannot read the layer's file "etc\/name"/);
    assert.ok(!existsSync(join(store.folder, "saved")));
  },
);

test("what a killed load left of recipes is removed, what a layer needs is not", skip, async () => {
  using store = newStore();
  await load(store.engine, store.folder, "none");
  const dead = join(store.paths.staging, "999999-1-1");
  const [bottom = ""] = image.layers.map(sha256);
  const nobodys = "0".repeat(64);
  for (const hex of [bottom, nobodys]) {
    rmSync(join(dead, `${hex}.recipe`), { force: true });
    writeFiles(dead, { [`${hex}.recipe`]: "x" });
    if (hex === nobodys) writeFileSync(join(store.paths.recipes, hex), "x");
  }
  recover({ ...store.engine, runtime: undefined as never, openRuntime: undefined as never });
  assert.equal(existsSync(join(store.paths.recipes, nobodys)), false);
  assert.equal(existsSync(join(store.paths.recipes, bottom)), true);
  assert.deepEqual(readdirSync(store.paths.staging), []);
});
