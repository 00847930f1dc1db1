/** `save` and `import`: what goes out is what came in, and others can read it. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { findImage, readImageConfig, readImageManifest } from "../../../core/engine/images.ts";
import { importImage } from "../../../core/engine/import.ts";
import { loadImages } from "../../../core/engine/load.ts";
import { type SaveFormat, saveImages } from "../../../core/engine/save.ts";
import { tagImage } from "../../../core/engine/tag.ts";
import {
  dockerFiles,
  handMade,
  ociFiles,
  sha256,
  type Squeeze,
  tarOf,
  writeFiles,
} from "./image_files.ts";
import { type ImageEngine, newStore } from "./image_store.ts";

const ROOT = process.getuid?.() === 0;
const skip = ROOT ? {} : { skip: "needs root" };
const image = handMade();
const has = (program: string) => spawnSync("sh", ["-c", `command -v ${program}`]).status === 0;
const needs = (program: string) => has(program) ? skip : { skip: `${program} is not installed` };

async function loadOci(engine: ImageEngine, folder: string, squeeze: Squeeze): Promise<string> {
  const { files, manifest } = ociFiles(image, { squeeze, name: "localhost/x:1" });
  writeFiles(join(folder, `in-${squeeze}`), files);
  await loadImages(engine, { path: join(folder, `in-${squeeze}`) });
  return manifest;
}

for (const squeeze of ["none", "gzip", "zstd"] as const) {
  test(
    `an OCI image with ${squeeze} layers keeps manifest, config and layers byte for byte`,
    skip,
    async () => {
      using store = newStore();
      const manifest = await loadOci(store.engine, store.folder, squeeze);
      const out = join(store.folder, "out.tar");
      await saveImages(store.engine, ["x:1"], { format: "oci-archive", output: out });
      using other = newStore();
      await loadImages(other.engine, { path: out });
      const { row } = findImage(other.engine, "x:1");
      assert.equal(row.manifest, manifest);
      assert.deepEqual(readImageManifest(other.engine, row).manifest.annotations, {
        "org.example.note": "kept",
      });
    },
  );

  test(
    `an image with ${squeeze} layers goes through docker-archive with plain layers`,
    skip,
    async () => {
      using store = newStore();
      await loadOci(store.engine, store.folder, squeeze);
      const out = join(store.folder, "out.tar");
      await saveImages(store.engine, ["x:1"], { format: "docker-archive", output: out });
      using other = newStore();
      const [loaded] = await loadImages(other.engine, { path: out });
      assert.deepEqual(loaded, { id: sha256(image.config), names: ["localhost/x:1"] });
      // And once more: the manifest that was made is made again.
      const again = join(store.folder, "again.tar");
      await saveImages(other.engine, ["x:1"], { format: "docker-archive", output: again });
      assert.ok(readFileSync(out).equals(readFileSync(again)));
    },
  );
}

test("the same image gives the same bytes, into a file and into a pipe", skip, async () => {
  using store = newStore();
  await loadOci(store.engine, store.folder, "gzip");
  for (const format of ["docker-archive", "oci-archive"] as const) {
    const file = join(store.folder, format);
    await saveImages(store.engine, ["x:1"], { format, output: file });
    const pipe = join(store.folder, `${format}.fifo`);
    execFileSync("mkfifo", [pipe]);
    const copy = join(store.folder, `${format}.copy`);
    execFileSync("sh", ["-c", 'cat "$0" > "$1" &', pipe, copy], { stdio: "ignore" });
    await saveImages(store.engine, ["x:1"], { format, output: pipe });
    for (let i = 0; i < 100 && spawnSync("cmp", [file, copy]).status !== 0; i++) {
      await new Promise((done) => setTimeout(done, 20));
    }
    assert.equal(spawnSync("cmp", [file, copy]).status, 0, format);
  }
});

test(
  "docker-archive does not touch a file that is there; oci-archive replaces it",
  skip,
  async () => {
    using store = newStore();
    await loadOci(store.engine, store.folder, "none");
    const output = join(store.folder, "there");
    writeFileSync(output, "precious");
    await assert.rejects(
      saveImages(store.engine, ["x:1"], { format: "docker-archive", output }),
      /docker-archive doesn't support modifying existing images/,
    );
    assert.equal(readFileSync(output, "utf8"), "precious");
    await saveImages(store.engine, ["x:1"], { format: "oci-archive", output });
    assert.ok(readFileSync(output).length > 300_000);
    const names = readdirSync(store.folder);
    assert.ok(!names.some((name) => name.endsWith(".part")), names.join(" "));
  },
);

test("a save that fails leaves no file", skip, async () => {
  using store = newStore();
  const output = join(store.folder, "out");
  await assert.rejects(
    saveImages(store.engine, ["nosuch"], { format: "docker-archive", output }),
    /nosuch: image not known/,
  );
  await loadOci(store.engine, store.folder, "gzip");
  const { row } = findImage(store.engine, "x:1");
  const [layer] = readImageManifest(store.engine, row).manifest.layers;
  writeFileSync(join(store.paths.blobs, "sha256", (layer?.digest ?? "").slice(7)), gzipSync("x"));
  await assert.rejects(
    saveImages(store.engine, ["x:1"], { format: "docker-archive", output }),
    /cannot save layer/,
  );
  assert.ok(!existsSync(output));
});

test("an unknown further name is one more name, a known one another image", skip, async () => {
  using store = newStore();
  await loadOci(store.engine, store.folder, "none");
  const path = join(store.folder, "second");
  writeFileSync(path, tarOf(dockerFiles([{ image: handMade("two"), tags: ["localhost/two:1"] }])));
  await loadImages(store.engine, { path });
  const output = join(store.folder, "out");
  await saveImages(store.engine, ["x:1", "new:7", "two:1"], { format: "docker-archive", output });
  const list = JSON.parse(execFileSync("tar", ["xOf", output, "manifest.json"]).toString());
  assert.deepEqual(list.map(({ RepoTags }: { RepoTags: string[] }) => RepoTags), [
    ["localhost/x:1", "localhost/new:7"],
    ["localhost/two:1"],
  ]);
  await assert.rejects(
    saveImages(store.engine, ["x:1", "new:7"], {
      format: "docker-archive",
      output: join(store.folder, "other"),
      isEveryArgumentImage: true,
    }),
    /new:7: image not known/,
  );
});

test("an OCI folder that is there is added to, and a name in it moves", skip, async () => {
  using store = newStore();
  await loadOci(store.engine, store.folder, "none");
  const output = join(store.folder, "layout");
  await saveImages(store.engine, ["x:1"], { format: "oci-dir", output });
  tagImage(store.engine, "x:1", ["y:1"]);
  await saveImages(store.engine, ["y:1"], { format: "oci-dir", output });
  await saveImages(store.engine, ["x:1"], { format: "oci-dir", output });
  const index = JSON.parse(readFileSync(join(output, "index.json"), "utf8"));
  const names = index.manifests.map(({ annotations }: { annotations: Record<string, string> }) =>
    annotations["org.opencontainers.image.ref.name"]
  );
  assert.deepEqual(names, ["localhost/y:1", "localhost/x:1"]);
  mkdirSync(join(store.folder, "other"));
  writeFileSync(join(store.folder, "other/file"), "");
  await assert.rejects(
    saveImages(store.engine, ["x:1"], { format: "oci-dir", output: join(store.folder, "other") }),
    /not one of this format/,
  );
});

test("skopeo reads every format that is saved", needs("skopeo"), async () => {
  using store = newStore();
  const transports: Readonly<Record<SaveFormat, string>> = {
    "docker-archive": "docker-archive:",
    "oci-archive": "oci-archive:",
    "oci-dir": "oci:",
    "docker-dir": "dir:",
  };
  for (const squeeze of ["none", "gzip", "zstd"] as const) {
    await loadOci(store.engine, store.folder, squeeze);
    for (const [format, transport] of Object.entries(transports)) {
      const output = join(store.folder, `${format}-${squeeze}`);
      await saveImages(store.engine, ["x:1"], { format: format as SaveFormat, output });
      const said = JSON.parse(
        execFileSync("skopeo", ["inspect", `${transport}${output}`]).toString(),
      );
      assert.deepEqual(said.Labels, { mark: "one" }, output);
      assert.equal(said.Layers.length, 2);
    }
  }
});

test("umoci unpacks the OCI folder", needs("umoci"), async () => {
  using store = newStore();
  for (const squeeze of ["none", "gzip"] as const) {
    await loadOci(store.engine, store.folder, squeeze);
    const output = join(store.folder, `layout-${squeeze}`);
    await saveImages(store.engine, ["x:1"], { format: "oci-dir", output });
    const bundle = join(store.folder, `bundle-${squeeze}`);
    execFileSync("umoci", ["unpack", "--image", `${output}:localhost/x:1`, bundle], {
      stdio: "ignore",
    });
    assert.equal(readFileSync(join(bundle, "rootfs/etc/name"), "utf8"), "one changed");
    assert.deepEqual(readdirSync(join(bundle, "rootfs/etc")), ["name"]);
  }
});

test("podman loads what is saved, and what podman saves is loaded", needs("podman"), async () => {
  using store = newStore();
  await loadOci(store.engine, store.folder, "gzip");
  const podman = (...words: string[]) =>
    execFileSync("podman", [
      ...["--root", join(store.folder, "podman"), "--runroot", join(store.folder, "podman-run")],
      ...["--storage-driver", "vfs", ...words],
    ], { stdio: ["ignore", "pipe", "ignore"] }).toString();
  for (const format of ["docker-archive", "oci-archive"] as const) {
    const output = join(store.folder, format);
    await saveImages(store.engine, ["x:1"], { format, output });
    assert.equal(podman("load", "-q", "-i", output).trim(), "Loaded image: localhost/x:1");
  }
  for (const format of ["docker-archive", "oci-archive", "oci-dir", "docker-dir"]) {
    const output = join(store.folder, `podman-${format}`);
    podman("save", "-q", "--format", format, "-o", output, "localhost/x:1");
    using other = newStore();
    const [loaded] = await loadImages(other.engine, { path: output });
    assert.equal(loaded?.id, sha256(image.config), format);
    assert.deepEqual(loaded?.names, format === "docker-dir" ? [] : ["localhost/x:1"], format);
  }
});

test("a tar becomes an image, the same each time, compressed or not", skip, async () => {
  using store = newStore();
  const tar = tarOf({ "bin/": "", "bin/tool": "x" });
  const ids = new Set<string>();
  for (const [name, bytes] of [["a.tar", tar], ["a.tar.gz", gzipSync(tar)]] as const) {
    const path = join(store.folder, name);
    writeFileSync(path, bytes);
    utimesSync(path, 1_700_000_000, 1_700_000_000);
    const options = { name: "made", changes: ['CMD ["/bin/tool"]', "ENV A=b"], message: "mine" };
    ids.add(await importImage(store.engine, { path }, options));
  }
  assert.equal(ids.size, 1);
  const { row } = findImage(store.engine, "made");
  const config = readImageConfig(store.engine, row);
  assert.equal(config.created, "2023-11-14T22:13:20.000000000Z");
  assert.deepEqual(config.config, { Env: ["A=b"], Cmd: ["/bin/tool"] });
  assert.equal(config.history?.[0]?.comment, "mine");
});

test(
  "an import that cannot work is refused before or after, and leaves nothing",
  skip,
  async () => {
    using store = newStore();
    const path = join(store.folder, "bad.tar");
    writeFileSync(path, tarOf({ "a": "b".repeat(2000) }).subarray(0, 1500));
    const none = { changes: [] };
    await assert.rejects(importImage(store.engine, { path }, none), /cut off/);
    await assert.rejects(
      importImage(store.engine, { path }, { changes: ["X y"] }),
      /instruction X/,
    );
    await assert.rejects(importImage(store.engine, { path }, { ...none, name: "A" }), /lowercase/);
    await assert.rejects(
      importImage(store.engine, { path: "http://x/y.tar" }, none),
      /fetches nothing/,
    );
    await assert.rejects(importImage(store.engine, { path: store.folder }, none), /is a directory/);
    await assert.rejects(importImage(store.engine, { path: "/nonexistent" }, none), /no such file/);
    assert.deepEqual(readdirSync(store.paths.staging), []);
    assert.deepEqual(store.engine.layers.driver.list(), []);
  },
);
