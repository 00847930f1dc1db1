/** The record book: migrations, reboot, rules of use, and two processes that write at once. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { CoracleError } from "../../../core/errors.ts";
import {
  changeContainer,
  containerById,
  containerByName,
  type ContainerRow,
  containersByIdPrefix,
  deleteContainer,
  execsOf,
  exitOfRemoved,
  insertContainer,
  insertExec,
} from "../../../core/state/containers.ts";
import {
  all,
  closeDatabase,
  type Database,
  meta,
  one,
  openDatabase,
  run,
  setMeta,
  transaction,
} from "../../../core/state/database.ts";
import {
  blobsOfImage,
  deleteImage,
  imageByName,
  type ImageRow,
  insertImage,
  isBlobUsed,
  listImageNames,
  nameImage,
  namesOfImage,
} from "../../../core/state/images.ts";
import {
  deleteLayer,
  insertLayer,
  layerChain,
  layerChildren,
  type LayerRow,
  listLayers,
  unusedImageLayers,
} from "../../../core/state/layers.ts";
import { mount, unmount, unmountIfMounted } from "../../../core/sys/mount.ts";
import type { ChainId, ContainerId, Digest, ImageId, LayerId } from "../../../core/terms.ts";
import { skipUnless } from "../../skip_reason.ts";

let folder: string;
let db: Database;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "coracle-state-"));
  db = openDatabase(join(folder, "state.db"), "boot-1");
});
afterEach(() => {
  closeDatabase(db);
  rmSync(folder, { recursive: true });
});

function layer(id: string, parent: string | null, more: Partial<LayerRow> = {}): LayerRow {
  return {
    id: id as LayerId,
    parent: parent as LayerId | null,
    kind: "image",
    chainId: `chain-${id}` as ChainId,
    diffId: null,
    name: null,
    size: 1,
    created: "2026-01-01T00:00:00Z",
    writable: false,
    volatile: false,
    ...more,
  };
}

function image(id: string, top: string | null): ImageRow {
  return {
    id: id as ImageId,
    manifest: `sha256:${id}` as Digest,
    layer: top as LayerId | null,
    parent: null,
    size: 5,
    created: "2026-01-01T00:00:00Z",
    loaded: "2026-01-02T00:00:00Z",
    labels: { a: "b" },
    architecture: "amd64",
    os: "linux",
  };
}

function container(id: string, name: string, more: Partial<ContainerRow> = {}): ContainerRow {
  return {
    id: id as ContainerId,
    name,
    image: null,
    layer: null,
    created: "2026-01-01T00:00:00Z",
    record: { labels: { x: "y" } },
    phase: "configured",
    pid: 0,
    pidStart: "",
    monitorPid: 0,
    started: "",
    ended: "",
    exitCode: 0,
    oomKilled: false,
    error: "",
    restarts: 0,
    runtime: "crun",
    owner: "",
    ...more,
  };
}

function fails(code: string, work: () => unknown): void {
  assert.throws(work, (error) => error instanceof CoracleError && error.code === code);
}

test("the layers of a chain come nearest first, and children before parents in a list", () => {
  insertLayer(db, layer("a", null));
  insertLayer(db, layer("b", "a"));
  insertLayer(db, layer("c", "b"));
  assert.deepEqual(layerChain(db, "c" as LayerId), ["b", "a"]);
  assert.deepEqual(layerChildren(db, "a" as LayerId), ["b"]);
  assert.deepEqual(listLayers(db).map((row) => row.id), ["c", "b", "a"]);
});

test("a layer in use cannot go, whoever uses it", () => {
  insertLayer(db, layer("a", null));
  insertLayer(db, layer("b", "a"));
  insertImage(db, image("11", "b"), []);
  fails("busy", () => deleteLayer(db, "a" as LayerId));
  fails("busy", () => deleteLayer(db, "b" as LayerId));
  assert.deepEqual(unusedImageLayers(db), []);
  deleteImage(db, "11" as ImageId);
  assert.deepEqual(unusedImageLayers(db), ["b"]);
  deleteLayer(db, "b" as LayerId);
  deleteLayer(db, "a" as LayerId);
  deleteLayer(db, "a" as LayerId);
});

test("one chain id is one layer", () => {
  insertLayer(db, layer("a", null, { chainId: "same" as ChainId }));
  fails("exists", () => insertLayer(db, layer("b", null, { chainId: "same" as ChainId })));
});

test("a name moves from one image to the next and says from whom", () => {
  insertImage(db, image("11", null), ["sha256:x" as Digest]);
  insertImage(db, image("22", null), ["sha256:x" as Digest, "sha256:y" as Digest]);
  assert.equal(nameImage(db, "localhost/a:1", "11" as ImageId), null);
  assert.equal(nameImage(db, "localhost/b:1", "11" as ImageId), null);
  assert.equal(nameImage(db, "localhost/a:1", "22" as ImageId), "11");
  assert.deepEqual(namesOfImage(db, "11" as ImageId), ["localhost/b:1"]);
  assert.equal(imageByName(db, "localhost/a:1")?.id, "22");
  assert.equal(listImageNames(db).length, 2);
  deleteImage(db, "22" as ImageId);
  assert.equal(imageByName(db, "localhost/a:1"), undefined);
  assert.equal(isBlobUsed(db, "sha256:y" as Digest), false);
  assert.equal(isBlobUsed(db, "sha256:x" as Digest), true);
  assert.deepEqual(blobsOfImage(db, "11" as ImageId), ["sha256:x"]);
});

test("names and ids of containers are unique, and an image under a container stays", () => {
  insertImage(db, image("11", null), []);
  insertContainer(db, container("aa1", "web", { image: "11" as ImageId }));
  fails("exists", () => insertContainer(db, container("aa2", "web")));
  fails("exists", () => insertContainer(db, container("aa1", "other")));
  insertContainer(db, container("aa2", "db"));
  fails("exists", () => changeContainer(db, "aa2" as ContainerId, { name: "web" }));
  fails("busy", () => deleteImage(db, "11" as ImageId));
  assert.equal(containersByIdPrefix(db, "aa").length, 2);
  assert.equal(containersByIdPrefix(db, "aa1").length, 1);
  assert.deepEqual(containersByIdPrefix(db, "%"), []);
  assert.deepEqual(containerByName(db, "web")?.record, { labels: { x: "y" } });
});

test("the exit status of a removed container can still be asked for", () => {
  insertContainer(db, container("aa1", "web"));
  changeContainer(db, "aa1" as ContainerId, { exitCode: 42, phase: "exited", oomKilled: true });
  const row = containerById(db, "aa1" as ContainerId)!;
  assert.equal(row.oomKilled, true);
  deleteContainer(db, row);
  assert.equal(containerById(db, row.id), undefined);
  assert.equal(exitOfRemoved(db, row.id), 42);
  assert.equal(changeContainer(db, row.id, { exitCode: 1 }), false);
});

test("after a reboot running containers have ended and exec sessions are forgotten", () => {
  insertContainer(db, container("aa1", "web"));
  insertContainer(db, container("aa2", "new"));
  changeContainer(db, "aa1" as ContainerId, { phase: "started", pid: 77, started: "t" });
  insertExec(db, {
    id: "e",
    container: "aa1" as ContainerId,
    command: ["sh"],
    pid: 78,
    pidStart: "",
    owner: "1-1",
  });
  closeDatabase(db);
  db = openDatabase(join(folder, "state.db"), "boot-2");
  const row = containerById(db, "aa1" as ContainerId)!;
  assert.deepEqual([row.phase, row.pid, row.exitCode, row.error], [
    "exited",
    0,
    -1,
    "the host was restarted",
  ]);
  assert.equal(containerById(db, "aa2" as ContainerId)?.phase, "configured");
  assert.deepEqual(execsOf(db, "aa1" as ContainerId), []);
});

test("a transaction is all or nothing, also when nested", () => {
  assert.throws(() =>
    transaction(db, () => {
      setMeta(db, "a", "1");
      transaction(db, () => setMeta(db, "b", "2"));
      throw new Error("no");
    })
  );
  assert.equal(meta(db, "a"), undefined);
  assert.equal(meta(db, "b"), undefined);
  transaction(db, () => setMeta(db, "a", "1"), { durable: true });
  assert.equal(meta(db, "a"), "1");
  assert.equal(Number(one(db, "PRAGMA synchronous")?.synchronous), 1);
});

test("a store of a newer coracle is refused and left as it is", () => {
  closeDatabase(db);
  const handle = new DatabaseSync(join(folder, "state.db"));
  handle.exec("PRAGMA user_version = 9999");
  handle.close();
  fails("unsupported", () => openDatabase(join(folder, "state.db"), "boot-1"));
  const again = new DatabaseSync(join(folder, "state.db"));
  again.exec("PRAGMA user_version = 1");
  again.close();
  db = openDatabase(join(folder, "state.db"), "boot-1");
});

test("a file that is no database is named as damaged", () => {
  run(db, "INSERT INTO meta VALUES ('x', 'y')");
  fails("corrupt", () => openDatabase("/proc/self/status", "boot-1"));
});

test("the log stays small although nobody closes the database", () => {
  closeDatabase(db);
  const script = join(import.meta.dirname!, "unclosed.ts");
  const args = "Deno" in globalThis ? ["run", "-A", "--no-check", script] : [script];
  for (let round = 0; round < 5; round++) {
    const { signal } = spawnSync(process.execPath, [...args, folder]);
    assert.equal(signal, "SIGKILL");
  }
  const { size } = statSync(join(folder, "state.db-wal"));
  assert.ok(size > 1_000_000 && size < 2_000_000, `it has ${size} bytes`);
  db = openDatabase(join(folder, "state.db"), "boot-1");
  assert.equal(meta(db, "key")?.length, 1_100_000);
  assert.equal(statSync(join(folder, "state.db-wal")).size, 0);
});

test("two processes that hammer it lose nothing", async () => {
  const script = new URL("./hammer.ts", import.meta.url).pathname;
  const isBun = "Bun" in globalThis;
  const start = () =>
    promisify(execFile)(
      process.execPath,
      isBun ? [script, folder] : ["run", "-A", "--no-check", script, folder],
    );
  await Promise.all([start(), start(), start()]);
  assert.equal(Number(meta(db, "counter")), 3 * 300);
  assert.equal(all(db, "SELECT id FROM layers").length, 3 * 300);
});

const needsMounts = skipUnless({ root: true });

test(
  "on a full disk a transaction still goes through, again and again",
  { skip: needsMounts },
  () => {
    const disk = join(folder, "disk");
    mkdirSync(disk);
    mount({ source: "none", target: disk, type: "tmpfs", data: "size=12m" });
    try {
      const path = join(disk, "state.db");
      const own = openDatabase(path, "boot-1");
      assert.ok(statSync(`${path}-reserve`).size > 0);
      const fill = spawnSync("sh", ["-c", 'cat /dev/zero > "$0"', join(disk, "filler")]);
      assert.match(String(fill.stderr), /No space left/);
      for (let round = 0; round < 200; round++) {
        transaction(own, () => setMeta(own, "round", String(round)), { durable: round % 2 === 0 });
      }
      assert.equal(meta(own, "round"), "199");
      fails("failed", () => setMeta(own, "much", "x".repeat(4_000_000)));
      assert.equal(meta(own, "round"), "199");
      rmSync(join(disk, "filler"));
      closeDatabase(own);
      closeDatabase(openDatabase(path, "boot-1"));
      assert.ok(statSync(`${path}-reserve`).size > 0, "made again when there is room");
    } finally {
      unmount(disk, { detach: true });
    }
  },
);

test("a database on a read-only file system is read, and says why it is not written", {
  skip: needsMounts,
}, () => {
  const disk = join(folder, "disk");
  const readOnly = join(folder, "read-only");
  mkdirSync(disk);
  mount({ source: "none", target: disk, type: "tmpfs" });
  try {
    const path = join(disk, "state.db");
    const writer = openDatabase(path, "boot-1");
    setMeta(writer, "a", "1");
    mkdirSync(readOnly);
    mount({ source: disk, target: readOnly, flags: ["bind", "ro"] });
    const reader = openDatabase(join(readOnly, "state.db"), "boot-1");
    assert.equal(meta(reader, "a"), "1");
    fails("denied", () => transaction(reader, () => setMeta(reader, "a", "2")));
    fails("denied", () => setMeta(reader, "a", "2"));
    writer.handle.close();
    reader.handle.close();
  } finally {
    for (const path of [readOnly, disk]) unmountIfMounted(path, { detach: true });
  }
});
