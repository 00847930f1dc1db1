/** Small images made by hand, in every form in which images travel. */
import { createHash } from "node:crypto";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { TarWriter } from "../../../core/archive/tar_writer.ts";
import { raw, type TreeEntry } from "../../../core/terms.ts";

export type Files = Readonly<Record<string, string | Uint8Array | { readonly link: string }>>;
export type Squeeze = "none" | "gzip" | "zstd";

/** A tar of these files; names that end in a slash are folders. */
export function tarOf(files: Files): Buffer {
  const parts: Buffer[] = [];
  const writer = new TarWriter({ write: (bytes) => void parts.push(Buffer.from(bytes)) });
  for (const [name, content] of Object.entries(files)) {
    const common = { uid: 0, gid: 0, mtime: 1_700_000_000_000_000_000n, mode: 0o644 };
    const path = raw(name.replace(/\/$/, ""));
    if (name.endsWith("/")) {
      writer.entry({ ...common, path, type: "dir", mode: 0o755, size: 0 });
    } else if (typeof content === "object" && "link" in content) {
      const entry: TreeEntry = {
        ...common,
        path,
        type: "symlink",
        size: 0,
        linkTarget: raw(content.link),
      };
      writer.entry(entry);
    } else {
      const bytes = Buffer.from(content);
      writer.entry({ ...common, path, type: "file", size: bytes.length });
      if (bytes.length > 0) writer.write(bytes);
    }
  }
  writer.end();
  return Buffer.concat(parts);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Bytes that do not compress, the same for the same seed. */
function noise(seed: string, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i * 32 < size; i++) {
    parts.push(createHash("sha256").update(`${seed} ${i}`).digest());
  }
  return Buffer.concat(parts).subarray(0, size);
}

export interface HandMade {
  readonly layers: readonly Buffer[];
  readonly config: Buffer;
}

/** Two layers: the second changes a file and deletes another. `mark` makes another image. */
export function handMade(mark = "one"): HandMade {
  const layers = [
    tarOf({ "etc/": "", "etc/name": mark, "etc/gone": "soon", "big": noise(mark, 300_000) }),
    tarOf({ "etc/": "", "etc/name": `${mark} changed`, "etc/.wh.gone": "" }),
  ];
  const config = {
    created: "2024-01-02T03:04:05.600000000Z",
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Cmd: ["/bin/sh"], Env: ["A=b"], Labels: { mark } },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
    history: [
      { created: "2024-01-02T03:04:05Z", created_by: "first" },
      { created: "2024-01-02T03:04:05Z", created_by: "label", empty_layer: true },
      { created: "2024-01-02T03:04:06Z", created_by: "second", comment: "c" },
    ],
  };
  return { layers, config: Buffer.from(JSON.stringify(config)) };
}

function squeezed(bytes: Buffer, how: Squeeze): Buffer {
  if (how === "none") return bytes;
  return how === "gzip" ? gzipSync(bytes) : zstdCompressSync(bytes);
}

/** The members of a docker-archive as new Docker and Podman write it; the list comes last. */
export function dockerFiles(
  images: readonly { image: HandMade; tags: readonly string[] }[],
): Files {
  const files: Record<string, string | Uint8Array> = {};
  const list = images.map(({ image, tags }) => {
    const names = image.layers.map((layer) => `${sha256(layer)}/layer.tar`);
    image.layers.forEach((layer, i) => files[names[i] ?? ""] = layer);
    const config = `${sha256(image.config)}.json`;
    files[config] = image.config;
    return { Config: config, RepoTags: tags, Layers: names };
  });
  return { ...files, "manifest.json": JSON.stringify(list) };
}

/** As Docker wrote it before 2016. */
export function oldDockerFiles(image: HandMade, tag: readonly [string, string]): Files {
  const files: Record<string, string | Uint8Array> = {};
  let parent: string | undefined;
  image.layers.forEach((layer, i) => {
    const id = sha256(Buffer.from(`v1 ${i} ${sha256(layer)}`));
    files[`${id}/VERSION`] = "1.0";
    files[`${id}/json`] = JSON.stringify({
      id,
      ...(parent === undefined ? {} : { parent }),
      created: "2014-01-02T03:04:05Z",
      container_config: { Cmd: ["/bin/sh", "-c", `step ${i}`] },
      config: { Cmd: ["/bin/old"] },
      architecture: "amd64",
      os: "linux",
    });
    files[`${id}/layer.tar`] = layer;
    parent = id;
  });
  return { ...files, repositories: JSON.stringify({ [tag[0]]: { [tag[1]]: parent } }) };
}

export interface OciWish {
  readonly squeeze?: Squeeze;
  /** Annotation of the index, or none. */
  readonly name?: string;
  /** Changes the documents before they are written: for damage. */
  readonly damage?: (documents: { manifest: Record<string, unknown> }) => void;
}

/** The files of an OCI layout, and the digest of its manifest. */
export function ociFiles(image: HandMade, wish: OciWish = {}): { files: Files; manifest: string } {
  const squeeze = wish.squeeze ?? "none";
  const files: Record<string, string | Uint8Array> = {};
  const put = (bytes: Uint8Array, mediaType: string) => {
    const digest = `sha256:${sha256(bytes)}`;
    files[`blobs/sha256/${digest.slice(7)}`] = bytes;
    return { mediaType, digest, size: bytes.length };
  };
  const suffix = squeeze === "none" ? "" : `+${squeeze}`;
  const manifest: Record<string, unknown> = {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: put(image.config, "application/vnd.oci.image.config.v1+json"),
    layers: image.layers.map((layer) =>
      put(squeezed(layer, squeeze), `application/vnd.oci.image.layer.v1.tar${suffix}`)
    ),
    annotations: { "org.example.note": "kept" },
  };
  wish.damage?.({ manifest });
  // White space, so that only a copy of the bytes has the digest.
  const entry = put(
    Buffer.from(JSON.stringify(manifest, null, 3)),
    "application/vnd.oci.image.manifest.v1+json",
  );
  const annotations = wish.name === undefined
    ? {}
    : { annotations: { "org.opencontainers.image.ref.name": wish.name } };
  files["oci-layout"] = JSON.stringify({ imageLayoutVersion: "1.0.0" });
  files["index.json"] = JSON.stringify({
    schemaVersion: 2,
    manifests: [{ ...entry, ...annotations }],
  });
  return { files, manifest: entry.digest };
}

/** Writes the files below `folder`, which is made. */
export function writeFiles(folder: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (typeof content === "string" || content instanceof Uint8Array) writeFileSync(path, content);
  }
}
