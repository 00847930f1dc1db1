/** `load`: every form in which images travel, and nothing left behind of what is wrong. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { findImage, readImageConfig, readImageManifest } from "../../../core/engine/images.ts";
import { loadImages } from "../../../core/engine/load.ts";
import { listImageNames, listImages } from "../../../core/state/images.ts";
import { listLayers } from "../../../core/state/layers.ts";
import { mountLayer, processHolder, unmountLayer } from "../../../core/layer/store.ts";
import {
  dockerFiles,
  type Files,
  handMade,
  ociFiles,
  oldDockerFiles,
  sha256,
  tarOf,
  writeFiles,
} from "./image_files.ts";
import { type ImageEngine, newStore, type TestStore } from "./image_store.ts";

const ROOT = process.getuid?.() === 0;
const image = handMade();
const id = sha256(image.config);

function put(store: TestStore, bytes: Uint8Array): string {
  const path = join(store.folder, "archive");
  writeFileSync(path, bytes);
  return path;
}

/** What the image shows when it is mounted. */
function shown(engine: ImageEngine, name: string): { name: string; files: string[] } {
  const { row } = findImage(engine, name);
  assert.ok(row.layer);
  const holder = processHolder();
  const path = mountLayer(engine.layers, row.layer, holder);
  try {
    return {
      name: readFileSync(join(path, "etc/name"), "utf8"),
      files: readdirSync(join(path, "etc")),
    };
  } finally {
    unmountLayer(engine.layers, row.layer, holder);
  }
}

/** The store holds nothing: no records, no blobs, no layers, nothing half made. */
function assertEmpty({ engine, paths }: TestStore): void {
  assert.deepEqual(listImages(engine.db), []);
  assert.deepEqual(listLayers(engine.db), []);
  assert.deepEqual(readdirSync(paths.staging), []);
  assert.deepEqual(engine.layers.driver.list(), []);
  const left = spawnSync("find", [paths.blobs, paths.layers, "-type", "f", "-size", "+0"], {
    encoding: "utf8",
  });
  assert.equal(left.stdout.trim(), "");
}

const wayIn: Readonly<Record<string, () => Uint8Array>> = {
  "docker-archive": () => tarOf(dockerFiles([{ image, tags: ["localhost/x:1"] }])),
  "oci-archive": () => tarOf(ociFiles(image, { name: "localhost/x:1" }).files),
  "oci-archive with gzip layers": () =>
    tarOf(ociFiles(image, { name: "localhost/x:1", squeeze: "gzip" }).files),
  "oci-archive with zstd layers": () =>
    tarOf(ociFiles(image, { name: "localhost/x:1", squeeze: "zstd" }).files),
};

/** By files: Deno's execFileSync writes all of its input before it reads any output. */
function throughFile(program: string, bytes: Uint8Array): Uint8Array {
  const folder = mkdtempSync(join(process.env.TMPDIR ?? "/tmp", "image-pack-"));
  try {
    writeFileSync(join(folder, "plain"), bytes);
    execFileSync("sh", ["-c", '"$0" -1 -c < "$1/plain" > "$1/packed"', program, folder]);
    return readFileSync(join(folder, "packed"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const packed: Readonly<Record<string, (bytes: Uint8Array) => Uint8Array>> = {
  "as it is": (bytes) => bytes,
  "in gzip": (bytes) => gzipSync(bytes),
  "in zstd": (bytes) => zstdCompressSync(bytes),
  "in xz": (bytes) => throughFile("xz", bytes),
  "in bzip2": (bytes) => throughFile("bzip2", bytes),
};

for (const [format, make] of Object.entries(wayIn)) {
  for (const [packing, pack] of Object.entries(packed)) {
    test(
      `a ${format} ${packing} is loaded and shows the image`,
      { skip: !ROOT && "needs root" },
      async () => {
        using store = newStore();
        const loaded = await loadImages(store.engine, { path: put(store, pack(make())) });
        assert.deepEqual(loaded, [{ id, names: ["localhost/x:1"] }]);
        assert.deepEqual(shown(store.engine, "x:1"), { name: "one changed", files: ["name"] });
        assert.deepEqual(readdirSync(store.paths.staging), []);
      },
    );
  }
}

test(
  "an archive is read from standard input, sought in or not",
  { skip: !ROOT && "needs root" },
  async () => {
    using store = newStore();
    const path = put(store, tarOf(dockerFiles([{ image, tags: ["a:1"] }])));
    const fd = openSync(path, "r");
    // Deno's own descriptors are the kernel's too; the engine closes what it is given.
    const found = await loadImages(store.engine, { stdin: fd }).finally(() => {
      try {
        closeSync(fd);
      } catch {
        // closed already
      }
    });
    assert.deepEqual(found[0]?.names, ["docker.io/library/a:1"]);
  },
);

test(
  "a layout folder and a folder of skopeo's dir: are loaded",
  { skip: !ROOT && "needs root" },
  async () => {
    using store = newStore();
    const { files, manifest } = ociFiles(image, { squeeze: "gzip" });
    writeFiles(join(store.folder, "layout"), files);
    assert.deepEqual(await loadImages(store.engine, { path: join(store.folder, "layout") }), [
      { id, names: [] },
    ]);
    assert.equal(readImageManifest(store.engine, findImage(store.engine, id).row).digest, manifest);
    const dir = Object.fromEntries(
      Object.entries(files).flatMap(([name, bytes]) => {
        const hex = name.split("/")[2];
        if (hex === undefined) return [];
        return [[hex === manifest.slice(7) ? "manifest.json" : hex, bytes]];
      }),
    );
    writeFiles(join(store.folder, "dir"), {
      ...dir,
      version: "Directory Transport Version: 1.1\n",
    });
    assert.deepEqual(await loadImages(store.engine, { path: join(store.folder, "dir") }), [
      { id, names: [] },
    ]);
  },
);

test("an archive of Docker before 2016 is loaded, and its config is made", {
  skip: !ROOT && "needs root",
}, async () => {
  using store = newStore();
  const path = put(store, tarOf(oldDockerFiles(image, ["old/app", "2"])));
  const [loaded] = await loadImages(store.engine, { path });
  assert.deepEqual(loaded?.names, ["docker.io/old/app:2"]);
  const { row } = findImage(store.engine, "old/app:2");
  const config = readImageConfig(store.engine, row);
  assert.deepEqual(config.config?.Cmd, ["/bin/old"]);
  assert.deepEqual(config.rootfs.diff_ids, image.layers.map((layer) => `sha256:${sha256(layer)}`));
  assert.equal(config.history?.[1]?.created_by, "/bin/sh -c step 1");
  assert.deepEqual(shown(store.engine, "old/app:2").files, ["name"]);
});

test("layers that are links to other members are followed, inside the archive only", {
  skip: !ROOT && "needs root",
}, async () => {
  using store = newStore();
  const files = { ...dockerFiles([{ image, tags: ["l:1"] }]) } as Record<string, Files[string]>;
  const name = `${sha256(image.layers[0] ?? Buffer.alloc(0))}/layer.tar`;
  files["shared.tar"] = files[name] ?? "";
  files[name] = { link: "../shared.tar" };
  await loadImages(store.engine, { path: put(store, tarOf(files)) });
  assert.equal(shown(store.engine, "docker.io/library/l:1").name, "one changed");
  files[name] = { link: "../../../../etc/passwd" };
  using other = newStore();
  await assert.rejects(
    loadImages(other.engine, { path: put(other, tarOf(files)) }),
    /missing from/,
  );
  assertEmpty(other);
});

test("several images come with all their names, and share their layers", {
  skip: !ROOT && "needs root",
}, async () => {
  using store = newStore();
  const second = handMade("two");
  const path = put(
    store,
    tarOf(dockerFiles([{ image, tags: ["a:1", "b:1"] }, { image: second, tags: ["c:1"] }])),
  );
  const loaded = await loadImages(store.engine, { path });
  assert.equal(loaded.length, 2);
  assert.deepEqual(listImageNames(store.engine.db).map(({ name }) => name), [
    "docker.io/library/a:1",
    "docker.io/library/b:1",
    "docker.io/library/c:1",
  ]);
  const before = listLayers(store.engine.db).length;
  await loadImages(store.engine, { path });
  assert.equal(listLayers(store.engine.db).length, before);
});

test("a name that another image has goes to the one that is loaded", {
  skip: !ROOT && "needs root",
}, async () => {
  using store = newStore();
  const load = (made: typeof image) =>
    loadImages(store.engine, {
      path: put(store, tarOf(dockerFiles([{ image: made, tags: ["localhost/n:1"] }]))),
    });
  await load(image);
  await load(handMade("two"));
  assert.equal(shown(store.engine, "n:1").name, "two changed");
  assert.equal(listImages(store.engine.db).length, 2);
});

test("of several platforms the host's is taken, also out of an index in the index", {
  skip: !ROOT && "needs root",
}, async () => {
  using store = newStore();
  const ours = ociFiles(image);
  const foreign = ociFiles(handMade("foreign"));
  const arch = process.arch === "arm64" ? "arm64" : "amd64";
  const entry = (digest: string, files: Files, architecture: string) => ({
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    digest,
    size: (files[`blobs/sha256/${digest.slice(7)}`] as Buffer).length,
    platform: { os: "linux", architecture },
  });
  const inner = Buffer.from(JSON.stringify({
    schemaVersion: 2,
    manifests: [
      entry(foreign.manifest, foreign.files, "s390x"),
      entry(ours.manifest, ours.files, arch),
      {
        ...entry(ours.manifest, ours.files, "unknown"),
        platform: { os: "unknown", architecture: "unknown" },
      },
    ],
  }));
  const outer = {
    schemaVersion: 2,
    manifests: [{
      mediaType: "application/vnd.oci.image.index.v1+json",
      digest: `sha256:${sha256(inner)}`,
      size: inner.length,
      annotations: {
        "io.containerd.image.name": "quay.io/a/b:9",
        "org.opencontainers.image.ref.name": "9",
      },
    }],
  };
  const files = {
    ...foreign.files,
    ...ours.files,
    [`blobs/sha256/${sha256(inner)}`]: inner,
    "index.json": JSON.stringify(outer),
  };
  const loaded = await loadImages(store.engine, { path: put(store, tarOf(files)) });
  assert.deepEqual(loaded, [{ id, names: ["quay.io/a/b:9"] }]);
});

const wrong: Readonly<Record<string, { bytes: () => Uint8Array; says: RegExp }>> = {
  "is no archive": { bytes: () => Buffer.from("garbage\n"), says: /archive/ },
  "is empty": { bytes: () => Buffer.alloc(0), says: /empty/ },
  "has no image": { bytes: () => tarOf({ a: "b" }), says: /does not match any of the supported/ },
  "has a manifest that is a manifest and an index": {
    bytes: () =>
      tarOf(ociFiles(image, { damage: ({ manifest }) => manifest.manifests = [] }).files),
    says: /manifest and an index at once/,
  },
  "has a foreign layer": {
    bytes: () =>
      tarOf(
        ociFiles(image, {
          damage: ({ manifest }) =>
            (manifest.layers as { mediaType: string }[])[0]!.mediaType =
              "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        }).files,
      ),
    says: /vendor/,
  },
  "has more layers than the config": {
    bytes: () =>
      tarOf(
        ociFiles(image, { damage: ({ manifest }) => (manifest.layers as unknown[]).pop() }).files,
      ),
    says: /the config lists 2 layers and the manifest 1/,
  },
  "is an artifact": {
    bytes: () =>
      tarOf(
        ociFiles(image, {
          damage: ({ manifest }) =>
            (manifest.config as { mediaType: string }).mediaType =
              "application/vnd.oci.empty.v1+json",
        }).files,
      ),
    says: /not a container image/,
  },
  "nests its JSON without end": {
    bytes: () => tarOf({ ...ociFiles(image).files, "index.json": "[".repeat(100_000) }),
    says: /nested deeper/,
  },
  "has a name that is none": {
    bytes: () => tarOf(dockerFiles([{ image, tags: ["../../etc"] }])),
    says: /invalid reference format/,
  },
};
for (const [what, { bytes, says }] of Object.entries(wrong)) {
  test(
    `an archive that ${what} is refused and leaves nothing`,
    { skip: !ROOT && "needs root" },
    async () => {
      using store = newStore();
      await assert.rejects(loadImages(store.engine, { path: put(store, bytes()) }), says);
      assertEmpty(store);
    },
  );
}

test("a flipped bit anywhere in a layer or config is found, and nothing is left", {
  skip: !ROOT && "needs root",
}, async () => {
  for (const make of Object.values(wayIn)) {
    const good = Buffer.from(make());
    // In the content of the large file, which no parser looks at.
    for (const part of [0.3, 0.5]) {
      const bytes = Buffer.from(good);
      const at = Math.floor(bytes.length * part);
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      if (bytes.equals(good)) continue;
      using store = newStore();
      await assert.rejects(loadImages(store.engine, { path: put(store, bytes) }));
      assertEmpty(store);
    }
  }
});

test("an archive that is cut off anywhere is refused, and nothing is left", {
  skip: !ROOT && "needs root",
}, async () => {
  for (const [format, make] of Object.entries(wayIn)) {
    const good = Buffer.from(make());
    for (let i = 0; i < 12; i++) {
      const length = Math.floor((good.length - 1024) * i / 12);
      using store = newStore();
      const path = put(store, good.subarray(0, length));
      await assert.rejects(loadImages(store.engine, { path }), `${format} cut at ${length}`);
      assertEmpty(store);
    }
  }
});
