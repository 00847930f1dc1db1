/** Manifests, indexes and configs: read strictly, converted and written in one form. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { parseConfig } from "../../../core/image/image_config.ts";
import { CONFIG_BYTES, parseJson } from "../../../core/image/json_document.ts";
import {
  choosePlatform,
  convertManifest,
  DOCKER_MANIFEST,
  type IndexEntry,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_MANIFEST,
  parseManifest,
  writeManifest,
} from "../../../core/image/manifest.ts";
import type { Digest, Manifest } from "../../../core/terms.ts";

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as Digest;
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

const manifest: Manifest = {
  schemaVersion: 2,
  mediaType: OCI_MANIFEST,
  config: { mediaType: OCI_CONFIG, digest: digest("a"), size: 10 },
  layers: [
    { mediaType: OCI_LAYER, digest: digest("b"), size: 20 },
    { mediaType: `${OCI_LAYER}+gzip`, digest: digest("c"), size: 30 },
    { mediaType: `${OCI_LAYER}+zstd`, digest: digest("d"), size: 40 },
  ],
  annotations: { note: "x" },
};

test("a manifest is read back as it was written, in both families", () => {
  const oci = parseManifest(writeManifest(OCI_MANIFEST, manifest), "manifest");
  assert.deepEqual(oci, { kind: "manifest", mediaType: OCI_MANIFEST, manifest });
  const docker = convertManifest(manifest, DOCKER_MANIFEST);
  assert.deepEqual(docker.layers.map(({ mediaType }) => mediaType), [
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
  ]);
  const again = parseManifest(writeManifest(DOCKER_MANIFEST, docker), "manifest");
  assert.equal(again.kind === "manifest" && again.mediaType, DOCKER_MANIFEST);
  assert.deepEqual(convertManifest(docker, OCI_MANIFEST), manifest);
});

test("what is wrong in a manifest is refused with its key", () => {
  const wrong: [object, RegExp][] = [
    [{ schemaVersion: 1 }, /schema 1/],
    [{ ...manifest, schemaVersion: 3 }, /"schemaVersion" is not 2/],
    [{ ...manifest, manifests: [] }, /manifest and an index at once/],
    [{ ...manifest, mediaType: "text/plain" }, /says that it is text\/plain/],
    [
      { ...manifest, layers: [{ ...manifest.layers[0], digest: "sha256:12" }] },
      /layers\[0\]\.digest/,
    ],
    [{ ...manifest, layers: [{ ...manifest.layers[0], size: -1 }] }, /layers\[0\]\.size/],
    [{ ...manifest, layers: {} }, /"layers" is not a list/],
    [{ ...manifest, layers: new Array(2000).fill(manifest.layers[0]) }, /at most 1024/],
    [{ ...manifest, layers: [{ ...manifest.layers[0], mediaType: "x/y+encrypted" }] }, /encrypted/],
    [
      {
        ...manifest,
        layers: [{
          ...manifest.layers[0],
          mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar",
        }],
      },
      /vendor/,
    ],
    [{ ...manifest, annotations: { a: 1 } }, /annotations\.a/],
    [{ ...manifest, config: { ...manifest.config, mediaType: "a/b" } }, /not a container image/],
  ];
  for (const [value, says] of wrong) {
    assert.throws(() => parseManifest(bytes(value), "manifest"), says);
  }
});

test("JSON is refused when it is too large, too deep or not UTF-8", () => {
  const text = (value: string) => new TextEncoder().encode(value);
  assert.throws(() => parseJson(new Uint8Array(100), "x", 10), /has 100 bytes, the limit is 10/);
  assert.throws(() => parseJson(text("[".repeat(1e6)), "x", CONFIG_BYTES), /nested deeper/);
  assert.throws(() => parseJson(new Uint8Array([0x22, 0xff, 0x22]), "x", 10), /not JSON/);
  assert.deepEqual(parseJson(text(`{"a":"[[[[\\"[[["}`), "x", 100), { a: '[[[["[[[' });
});

test("of an index the host's platform is chosen, plain before a variant", () => {
  const entry = (letter: string, platform?: IndexEntry["platform"], annotations = {}) => ({
    mediaType: OCI_MANIFEST,
    digest: digest(letter),
    size: 1,
    annotations,
    ...(platform === undefined ? {} : { platform }),
  });
  const host = { os: "linux", architecture: "arm64" };
  const amd = entry("1", { os: "linux", architecture: "amd64" });
  const v9 = entry("2", { os: "linux", architecture: "arm64", variant: "v9" });
  const v8 = entry("3", { os: "linux", architecture: "arm64", variant: "v8" });
  const plain = entry("4", { os: "linux", architecture: "arm64" });
  const note = entry("5", { os: "unknown", architecture: "unknown" });
  const windows = entry("6", { os: "windows", architecture: "arm64" });
  assert.equal(choosePlatform([amd, v9, v8, plain], host), plain);
  assert.equal(choosePlatform([amd, v9, v8], host), v8);
  assert.equal(choosePlatform([amd, v9, windows], host), v9);
  assert.equal(choosePlatform([amd, windows], host), undefined);
  assert.equal(choosePlatform([amd, note], host), amd, "the only image there is");
  assert.equal(choosePlatform([], host), undefined);
});

test("a config is read with Docker's additions, and refused when a key has another form", () => {
  const config = {
    architecture: "amd64",
    os: "linux",
    config: { Env: ["A=b"], Entrypoint: null, Healthcheck: { Test: ["CMD", "x"], Interval: 5 } },
    rootfs: { type: "layers", diff_ids: [digest("a")] },
    history: [{ created_by: "x", empty_layer: true }],
  };
  const read = parseConfig(bytes(config), "config");
  assert.deepEqual(read.config, {
    Env: ["A=b"],
    Healthcheck: { Test: ["CMD", "x"], Interval: 5 },
  });
  const wrong: [object, RegExp][] = [
    [{ ...config, rootfs: { type: "x" } }, /rootfs\.type/],
    [{ ...config, rootfs: { type: "layers", diff_ids: ["x"] } }, /diff_ids\[0\]/],
    [{ ...config, config: { Env: "A=b" } }, /config\.Env/],
    [{ ...config, config: { Labels: { a: 1 } } }, /config\.Labels\.a/],
    [{ ...config, history: {} }, /history/],
  ];
  for (const [value, says] of wrong) assert.throws(() => parseConfig(bytes(value), "c"), says);
});
