/** A store with an image of three layers and a container, and `system check` as tests ask it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { BUSYBOX, type Store } from "./executable.ts";

export const IMAGE = "localhost/three:1";

export interface Found {
  readonly Kind: string;
  readonly Id: string;
  readonly Path: string;
  readonly Detail: string;
  readonly Affects: string[];
  readonly Damage: boolean;
  readonly Repaired: boolean;
  readonly Reason: string;
}

export function check(store: Store, ...words: string[]): { status: number; found: Found[] } {
  const { status, stdout, stderr } = store.coracle([
    "system",
    "check",
    "--format",
    "json",
    ...words,
  ]);
  if (status !== 0 && status !== 3) throw new Error(`status ${status}: ${stderr}${stdout}`);
  return { status, found: JSON.parse(stdout) };
}

/** "kind path" of each, sorted. */
export function kinds(found: readonly Found[]): string[] {
  return found.map(({ Kind, Path }) => `${Kind} ${Path}`.trim()).sort();
}

export function assertWhole(store: Store): void {
  const { status, found } = check(store, "--digest");
  assert.deepEqual(found, []);
  assert.equal(status, 0);
}

/** An image of three layers (busybox and two more), an archive of it, and the container "box". */
export function fillStore(store: Store): { archive: string; diffIds: string[] } {
  store.importBusybox();
  const base = join(store.folder, "base");
  mkdirSync(base);
  store.ok(["save", "--format", "oci-dir", "-o", join(store.folder, "oci"), BUSYBOX]);
  const blobs = join(store.folder, "oci/blobs/sha256");
  const read = (digest: string) => readFileSync(join(blobs, digest.slice(7)));
  const index = JSON.parse(readFileSync(join(store.folder, "oci/index.json"), "utf8"));
  const manifest = JSON.parse(read(index.manifests[0].digest).toString());
  const config = JSON.parse(read(manifest.config.digest).toString());
  const put = (bytes: Uint8Array): { digest: string; size: number } => {
    const hex = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(blobs, hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.length };
  };
  for (const layer of ["one", "two"]) {
    const tree = join(base, layer);
    mkdirSync(join(tree, "data"), { recursive: true });
    writeFileSync(join(tree, `data/${layer}`), `content of ${layer}\n`.repeat(1000));
    writeFileSync(join(tree, "data/both"), `from ${layer}\n`);
    chmodSync(join(tree, "data/both"), 0o640);
    const tar = join(store.folder, `${layer}.tar`);
    assert.equal(spawnSync("tar", ["-C", tree, "--format=pax", "-cf", tar, "data"]).status, 0);
    const added = put(readFileSync(tar));
    manifest.layers.push({ ...added, mediaType: manifest.layers[0].mediaType });
    config.rootfs.diff_ids.push(added.digest);
    config.history.push({ created_by: layer });
  }
  Object.assign(manifest.config, put(Buffer.from(JSON.stringify(config))));
  const entry = { ...index.manifests[0], ...put(Buffer.from(JSON.stringify(manifest))) };
  entry.annotations = { "org.opencontainers.image.ref.name": IMAGE };
  writeFileSync(
    join(store.folder, "oci/index.json"),
    JSON.stringify({ ...index, manifests: [entry] }),
  );
  store.ok(["load", "-i", join(store.folder, "oci")]);
  const archive = join(store.folder, "image.tar");
  store.ok(["save", "--format", "oci-archive", "-o", archive, IMAGE]);
  store.ok(["create", "--name", "box", IMAGE, "cat", "/data/one", "/data/both"]);
  assertWhole(store);
  return { archive, diffIds: config.rootfs.diff_ids };
}

export function query(store: Store, sql: string, ...values: string[]): Record<string, unknown>[] {
  const db = new DatabaseSync(join(store.root, "state.db"));
  try {
    db.exec("PRAGMA foreign_keys = OFF");
    return db.prepare(sql).all(...values);
  } finally {
    db.close();
  }
}

export function idOf(store: Store, diffId: string | undefined): string {
  return String(query(store, "SELECT id FROM layers WHERE diff_id = ?", diffId ?? "")[0]?.id);
}
