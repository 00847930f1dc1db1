/** Names, finding, listing, filtering and removal of images. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { imageFilter } from "../../../core/engine/filter_images.ts";
import { imageHistory } from "../../../core/engine/history.ts";
import { findImage, lookForImage } from "../../../core/engine/images.ts";
import { inspectImage } from "../../../core/engine/inspect_image.ts";
import { listAllImages } from "../../../core/engine/list_images.ts";
import { loadImages } from "../../../core/engine/load.ts";
import { pruneImages, removeImage } from "../../../core/engine/remove_image.ts";
import { tagImage, untagImage } from "../../../core/engine/tag.ts";
import { CoracleError } from "../../../core/errors.ts";
import { insertContainer } from "../../../core/state/containers.ts";
import { namesOfImage } from "../../../core/state/images.ts";
import { listLayers } from "../../../core/state/layers.ts";
import type { ContainerId, ImageId } from "../../../core/terms.ts";
import { dockerFiles, handMade, sha256, tarOf } from "./image_files.ts";
import { newStore, type TestStore } from "./image_store.ts";

const skip = process.getuid?.() === 0 ? {} : { skip: "needs root" };
const image = handMade();
const second = handMade("two");
const id = sha256(image.config) as ImageId;

async function load(store: TestStore, made: typeof image, ...tags: string[]): Promise<void> {
  const path = join(store.folder, "archive");
  writeFileSync(path, tarOf(dockerFiles([{ image: made, tags }])));
  await loadImages(store.engine, { path });
}

function statusOf(work: () => unknown): [number, string] {
  try {
    work();
    return [0, ""];
  } catch (error) {
    assert.ok(error instanceof CoracleError);
    return [error.exitStatus, error.message];
  }
}

test("an image is found by name, short name, end of a name, id and digest", skip, async () => {
  using store = newStore();
  await load(store, image, "quay.io/team/web:2", "docker.io/library/debian:latest");
  const { db } = store.engine;
  const { manifest } = findImage(store.engine, "debian").row;
  const wanted = [
    "quay.io/team/web:2",
    "web:2",
    "team/web:2",
    "debian",
    "docker.io/debian",
    id,
    id.slice(0, 12),
    `sha256:${id}`,
    manifest,
    `quay.io/team/web@${manifest}`,
    `debian@${manifest}`,
  ];
  for (const name of wanted) assert.equal(lookForImage(db, name)?.row.id, id, name);
  for (const name of ["web", "eb:2", "UPPER", "zz", `other@${manifest}`, "localhost/debian", ""]) {
    assert.equal(lookForImage(db, name), undefined, name);
  }
  assert.throws(() => findImage(store.engine, "zz"), /zz: image not known: no such image/);
  await load(store, second, "quay.io/other/web:2", "localhost/debian:latest");
  assert.throws(() => findImage(store.engine, "web:2"), /several images are called so/);
  assert.notEqual(findImage(store.engine, "debian").row.id, id, "localhost comes first");
});

test("names come and go, and an image without any stays", skip, async () => {
  using store = newStore();
  await load(store, image, "localhost/a:1");
  tagImage(store.engine, "a:1", ["b", "quay.io/c:2"]);
  const names = () => namesOfImage(store.engine.db, id);
  assert.deepEqual(names(), ["localhost/a:1", "localhost/b:latest", "quay.io/c:2"]);
  assert.throws(() => tagImage(store.engine, "a:1", ["ok", "BAD"]), /lowercase/);
  assert.equal(names().length, 3);
  untagImage(store.engine, "a:1", ["b"]);
  assert.throws(() => untagImage(store.engine, "a:1", ["nosuch"]), /tag not known/);
  untagImage(store.engine, "a:1", []);
  assert.deepEqual(names(), []);
  assert.equal(listAllImages(store.engine)[0]?.isDangling, true);
});

test(
  "removing by name takes the name, by id the image; all of its content goes",
  skip,
  async () => {
    using store = newStore();
    await load(store, image, "localhost/a:1", "localhost/b:1");
    assert.deepEqual(removeImage(store.engine, "a:1"), {
      untagged: ["localhost/a:1"],
      deleted: null,
    });
    tagImage(store.engine, "b:1", ["c"]);
    assert.deepEqual(statusOf(() => removeImage(store.engine, id)), [
      125,
      `cannot remove image "${id}": unable to delete image "${id}" by ID with more than one tag ` +
      "([localhost/b:1 localhost/c:latest]): please force removal",
    ]);
    assert.deepEqual(removeImage(store.engine, id, { force: true }), {
      untagged: ["localhost/b:1", "localhost/c:latest"],
      deleted: id,
    });
    assert.equal(statusOf(() => removeImage(store.engine, id))[0], 1);
    assert.deepEqual(listLayers(store.engine.db), []);
    assert.deepEqual(store.engine.layers.driver.list(), []);
    assert.deepEqual(readdirSync(join(store.paths.blobs, "sha256")), []);
    assert.deepEqual(readdirSync(store.paths.staging), []);
    assert.deepEqual(readdirSync(store.paths.locks), ["images"]);
  },
);

test("what two images share stays until the last of them goes", skip, async () => {
  using store = newStore();
  await load(store, image, "localhost/a:1");
  const shared = {
    ...second,
    layers: [image.layers[0] ?? Buffer.alloc(0), ...second.layers.slice(1)],
  };
  const config = JSON.parse(second.config.toString());
  config.rootfs.diff_ids = shared.layers.map((layer) => `sha256:${sha256(layer)}`);
  const other = { ...shared, config: Buffer.from(JSON.stringify(config)) };
  await load(store, other, "localhost/b:1");
  assert.equal(listLayers(store.engine.db).length, 3);
  removeImage(store.engine, "a:1");
  assert.equal(listLayers(store.engine.db).length, 2);
  // Loads again what is left, whole.
  await load(store, image, "localhost/a:1");
  removeImage(store.engine, "b:1");
  removeImage(store.engine, "a:1");
  assert.deepEqual(readdirSync(join(store.paths.blobs, "sha256")), []);
});

test(
  "an image a container uses is not removed (2), with force its containers go first",
  skip,
  async () => {
    using store = newStore();
    await load(store, image, "localhost/a:1");
    const { db } = store.engine;
    const container = "c".repeat(64);
    insertContainer(db, {
      ...{ id: container as ContainerId, name: "c", image: id, layer: null, created: "" },
      ...{ record: {}, phase: "configured", pid: 0, pidStart: "", monitorPid: 0, started: "" },
      ...{
        ended: "",
        exitCode: 0,
        oomKilled: false,
        error: "",
        restarts: 0,
        runtime: "",
        owner: "",
      },
    });
    const [status, said] = statusOf(() => removeImage(store.engine, "a:1"));
    assert.equal(status, 2);
    assert.match(said, /image is in use by a container/);
    assert.deepEqual(pruneImages(store.engine, { candidates: [id] }), []);
    const removeContainer = (one: string) =>
      void db.handle.prepare("DELETE FROM containers WHERE id = ?").run(one);
    assert.equal(removeImage(store.engine, "a:1", { force: true, removeContainer }).deleted, id);
  },
);

test("filters choose as Podman's do", skip, async () => {
  using store = newStore();
  await load(store, image, "localhost/a:1", "quay.io/team/web:2");
  await load(store, second);
  const chosen = (...filters: string[]) =>
    listAllImages(store.engine).filter(imageFilter(store.engine, filters))
      .map(({ row }) => row.labels.mark).sort().join();
  assert.equal(chosen(), "one,two");
  assert.equal(chosen("dangling=true"), "two");
  assert.equal(chosen("dangling=false"), "one");
  assert.equal(chosen("label=mark"), "one,two");
  assert.equal(chosen("label=mark=two"), "two");
  assert.equal(chosen("label=mark=one", "label=mark=two"), "one,two");
  assert.equal(chosen("label!=mark=two"), "one");
  assert.equal(chosen("reference=web:*"), "one");
  assert.equal(chosen("reference=quay.io/*/web"), "one");
  assert.equal(chosen("reference=quay.io/*"), "");
  assert.equal(chosen("reference=a"), "one");
  assert.equal(chosen("reference=nosuch"), "");
  assert.equal(chosen(`id=${id.slice(0, 9)}`), "one");
  assert.equal(chosen("until=1h"), "one,two");
  assert.equal(chosen("before=a:1"), "");
  assert.equal(chosen("containers=true"), "");
  assert.equal(chosen("readonly=true"), "");
  for (const wrong of ["x=y", "dangling", "dangling=maybe", "until=x", "before=nosuch"]) {
    assert.throws(() => chosen(wrong), CoracleError, wrong);
  }
});

test("history pairs steps with layers, and inspect has Podman's keys", skip, async () => {
  using store = newStore();
  await load(store, image, "localhost/a:1");
  const steps = imageHistory(store.engine, "a:1");
  assert.deepEqual(steps.map(({ createdBy, size }) => [createdBy, size]), [
    ["second", "one changed".length],
    ["label", 0],
    ["first", 300_000 + "one".length + "soon".length],
  ]);
  assert.equal(steps[0]?.id, id);
  const seen = inspectImage(store.engine, "a:1");
  assert.deepEqual(Object.keys(seen), [
    "Id",
    "Digest",
    "RepoTags",
    "RepoDigests",
    "Parent",
    "Comment",
    "Created",
    "Config",
    "Version",
    "Author",
    "Architecture",
    "Os",
    "Size",
    "VirtualSize",
    "GraphDriver",
    "RootFS",
    "Labels",
    "Annotations",
    "ManifestType",
    "User",
    "History",
    "NamesHistory",
  ]);
  assert.deepEqual(seen.RepoTags, ["localhost/a:1"]);
});
