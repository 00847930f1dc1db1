/** `system check`: each kind of damage is found and, where there is something to do it from, repaired. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { skipUnless } from "../skip_reason.ts";
import { type Store, withStore } from "./executable.ts";
import { assertWhole, check, fillStore, idOf, IMAGE, kinds, query } from "./three_layers.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });
function layerPath(store: Store, id: string): string {
  return join(store.root, "layers/overlay/layers", id);
}

function blobPath(store: Store, digest: string | undefined): string {
  return join(store.root, "blobs/sha256", (digest ?? "").replace("sha256:", ""));
}

const TIME = `/tmp/.check-time-${process.pid}`;

/** Runs `work`, which changes the file, and gives it the time it had, to the nanosecond. */
function keepingTime(path: string, work: () => void): void {
  spawnSync("touch", ["-r", path, TIME]);
  work();
  spawnSync("touch", ["-r", TIME, path]);
  unlinkSync(TIME);
}

function output(store: Store): string {
  return store.ok(["start", "--attach", "box"]);
}

test(
  "damage of files is found by name and repaired from the kept blob, under the same ids",
  { skip },
  withStore((store) => {
    const { diffIds } = fillStore(store);
    const before = output(store);
    const id = idOf(store, diffIds[1]);
    const at = (name: string) => join(layerPath(store, id), "diff", name);
    const damages: [string, boolean, () => void, string[]][] = [
      ["content", true, () => {
        keepingTime(at("data/one"), () => {
          const bytes = readFileSync(at("data/one"));
          bytes[5000] = 0;
          writeFileSync(at("data/one"), bytes);
        });
      }, ["file-changed data/one"]],
      ["length", false, () => appendFileSync(at("data/one"), "more"), ["file-changed data/one"]],
      ["emptied", false, () => truncateSync(at("data/one"), 0), ["file-changed data/one"]],
      ["missing", false, () => unlinkSync(at("data/one")), [
        "file-changed data", // its time
        "file-missing data/one",
      ]],
      ["mode", false, () => chmodSync(at("data/both"), 0o666), ["file-changed data/both"]],
      ["type", false, () => {
        unlinkSync(at("data/one"));
        mkdirSync(at("data/one"));
      }, ["file-changed data", "file-changed data/one"]],
      ["extra", true, () => writeFileSync(at("data/extra"), "x"), [
        "file-changed data",
        "file-extra data/extra",
      ]],
      ["directory", false, () => rmSync(layerPath(store, id), { recursive: true }), [
        "layer-missing",
      ]],
      ["files gone", false, () => rmSync(at(""), { recursive: true }), ["layer-damaged diff"]],
      ["driver's record", false, () => unlinkSync(join(layerPath(store, id), "made")), [
        "layer-damaged made",
      ]],
      ["short names", false, () => {
        for (const name of readdirSync(join(store.root, "layers/overlay/l"))) {
          unlinkSync(join(store.root, "layers/overlay/l", name));
        }
      }, []],
    ];
    for (const [name, needsDigest, damage, expected] of damages) {
      damage();
      if (needsDigest && name === "content") assert.equal(check(store).status, 0, name);
      const { status, found } = check(store, ...needsDigest ? ["--digest"] : []);
      assert.equal(status, 3, name);
      const seen = kinds(found);
      if (expected.length > 0) {
        assert.deepEqual(
          seen.filter((one) => !/ data$/.test(one)),
          expected.filter((one) => !/ data$/.test(one)),
          name,
        );
        assert.ok(seen.every((one) => expected.includes(one)), `${name}: ${seen}`);
        assert.ok(found.every(({ Id }) => Id === id), name);
        assert.deepEqual(found[0]?.Affects, ["container box", `image ${IMAGE}`]);
      } else assert.ok(seen.length >= 4 && seen.every((one) => one.startsWith("layer-damaged l/")));
      const repaired = check(store, "--repair", "--digest");
      assert.equal(repaired.status, 0, `${name}: ${JSON.stringify(repaired.found)}`);
      assert.ok(repaired.found.every(({ Repaired }) => Repaired), name);
      assert.equal(idOf(store, diffIds[1]), id);
    }
    assertWhole(store);
    assert.equal(output(store), before);
  }),
);

test(
  "blobs that are gone or damaged are made again from layers, documents from an archive",
  { skip },
  withStore((store) => {
    const { archive, diffIds } = fillStore(store);
    const sha = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
    const whole = sha(archive);
    const save = () => {
      store.ok(["save", "--format", "oci-archive", "-o", join(store.folder, "again.tar"), IMAGE]);
      return sha(join(store.folder, "again.tar"));
    };
    const layer = blobPath(store, diffIds[1]);
    unlinkSync(layer);
    assert.deepEqual(kinds(check(store).found), ["blob-missing"]);
    assert.equal(check(store, "--repair").status, 0);
    truncateSync(layer, 100);
    assert.deepEqual(kinds(check(store).found), ["blob-damaged"]);
    assert.equal(check(store, "--repair").status, 0);
    const bytes = readFileSync(layer);
    bytes[3000] = (bytes[3000] ?? 0) ^ 1;
    writeFileSync(layer, bytes);
    assert.equal(check(store).status, 0);
    assert.deepEqual(kinds(check(store, "--digest").found), ["blob-damaged"]);
    assert.equal(check(store, "--digest", "--repair").status, 0);
    const { id, manifest } = query(
      store,
      "SELECT images.* FROM images JOIN image_names ON image = id WHERE name = ?",
      IMAGE,
    )[0] ?? {};
    unlinkSync(blobPath(store, String(id)));
    writeFileSync(blobPath(store, String(manifest)), "{}");
    const { status, found } = check(store, "--repair");
    assert.equal(status, 3);
    assert.deepEqual(kinds(found), ["blob-damaged", "blob-missing"]);
    assert.match(found[0]?.Reason ?? "", /no archive given with --from has it/);
    assert.equal(check(store, "--repair", "--from", archive).status, 0);
    assertWhole(store);
    assert.equal(save(), whole);
  }),
);

test(
  "with blob and tree damaged only an archive helps; what is dropped is no damage",
  { skip },
  withStore((store) => {
    const { archive, diffIds } = fillStore(store);
    const before = output(store);
    store.ok(["image", "drop-blobs", IMAGE]);
    assertWhole(store);
    const id = idOf(store, diffIds[2]);
    truncateSync(join(layerPath(store, id), "diff/data/two"), 5);
    const alone = check(store, "--repair");
    assert.equal(alone.status, 3);
    assert.match(alone.found[0]?.Reason ?? "", /no kept blob and no archive/);
    const docker = join(store.folder, "docker.tar");
    assert.equal(store.coracle(["save", "-o", docker, IMAGE]).status, 125);
    assert.ok(!existsSync(docker));
    assert.equal(check(store, "--repair", "--from", archive).status, 0);
    assertWhole(store);
    assert.equal(output(store), before);
  }),
);

test(
  "records and trees that do not fit: put back where something needs them, removed where not",
  { skip },
  withStore((store) => {
    const { diffIds } = fillStore(store);
    const before = output(store);
    const top = idOf(store, diffIds[2]);
    // The image and the container name a layer that has no record.
    query(store, "DELETE FROM layers WHERE id = ?", top);
    const broken = check(store);
    assert.deepEqual(kinds(broken.found), ["image-broken", "layer-unknown", "layer-unused"]);
    assert.equal(check(store, "--repair").status, 0);
    assertWhole(store);
    assert.equal(idOf(store, diffIds[2]), top);
    assert.equal(output(store), before);
    // The container's own layer has no record.
    const own = String(query(store, "SELECT layer FROM containers WHERE name = 'box'")[0]?.layer);
    query(store, "DELETE FROM layers WHERE id = ?", own);
    assert.deepEqual(kinds(check(store).found), ["container-broken", "layer-unknown"]);
    assert.equal(check(store, "--repair").status, 0);
    assert.equal(output(store), before);
    // A layer of the image has neither record nor tree: it is unpacked again.
    store.ok(["rm", "box"]);
    query(store, "DELETE FROM layers WHERE id = ?", top);
    rmSync(layerPath(store, top), { recursive: true });
    unlinkSync(join(store.root, "records/layers", top));
    assert.deepEqual(kinds(check(store).found).slice(0, 1), ["image-broken"]);
    assert.equal(check(store, "--repair").status, 0);
    assertWhole(store);
    assert.equal(store.ok(["run", "--rm", IMAGE, "cat", "/data/one", "/data/both"]), before);
    // Nobody's: a tree without a record, a layer and a blob that no image needs.
    const unknown = "x".repeat(26);
    mkdirSync(join(layerPath(store, unknown), "diff"), { recursive: true });
    writeFileSync(blobPath(store, "0".repeat(64)), "junk");
    const { status, found } = check(store);
    assert.equal(status, 0);
    assert.deepEqual(kinds(found), ["blob-unused", "layer-unknown"]);
    assert.equal(check(store, "--repair").status, 0);
    assert.equal(existsSync(layerPath(store, unknown)), false);
    assertWhole(store);
  }),
);

test(
  "a layer under a running container is repaired when the container has ended",
  { skip },
  withStore((store) => {
    const { diffIds } = fillStore(store);
    store.ok(["run", "-d", "--name", "busy", IMAGE, "sleep", "1000"]);
    const id = idOf(store, diffIds[1]);
    truncateSync(join(layerPath(store, id), "diff/data/one"), 5);
    const { status, found } = check(store, "--repair");
    assert.equal(status, 3);
    assert.match(found[0]?.Reason ?? "", /postponed while it is mounted: container:[0-9a-f]{64}/);
    assert.equal(store.ok(["exec", "busy", "wc", "-c", "/data/one"]), "5 /data/one");
    store.ok(["rm", "--force", "--time", "0", "busy"]);
    assert.equal(check(store, "--repair").status, 0);
    assertWhole(store);
  }),
);

test(
  "a container's layer that was torn or lost is told, and not touched",
  { skip },
  withStore((store) => {
    fillStore(store);
    const own = String(query(store, "SELECT layer FROM containers WHERE name = 'box'")[0]?.layer);
    spawnSync("ln", ["-s", "another-boot", join(layerPath(store, own), "volatile")]);
    assert.deepEqual(kinds(check(store, "--repair").found), ["layer-torn"]);
    unlinkSync(join(layerPath(store, own), "volatile"));
    renameSync(layerPath(store, own), join(store.folder, "kept"));
    const { status, found } = check(store, "--repair");
    assert.deepEqual([status, kinds(found)], [3, ["layer-missing"]]);
    assert.match(found[0]?.Reason ?? "", /there is no copy/);
    renameSync(join(store.folder, "kept"), layerPath(store, own));
    // Its short name led nowhere and went.
    assert.deepEqual(kinds(check(store, "--repair").found).length, 1);
    assertWhole(store);
  }),
);

test(
  "a lost or damaged database is refused by every command and put together again",
  { skip },
  withStore((store) => {
    fillStore(store);
    store.ok(["tag", IMAGE, "localhost/other:2"]);
    store.ok(["volume", "create", "--label", "a=b", "vol"]);
    writeFileSync(join(store.root, "volumes/vol/_data/file"), "kept");
    store.ok(["run", "--name", "writer", "-v", "vol:/v", IMAGE, "sh", "-c", "echo mine >/own"]);
    store.ok(["run", "-d", "--name", "running", IMAGE, "sleep", "1000"]);
    store.ok(["rename", "box", "crate"]);
    const look = () => [
      store.ok([
        "images",
        "--no-trunc",
        "--digests",
        "--format",
        "{{.Repository}}:{{.Tag}} {{.ID}} {{.Digest}} {{.Size}}",
      ]),
      store.ok(["ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Image}}"]),
      store.ok(["volume", "inspect", "vol", "--format", "{{.Labels}} {{.CreatedAt}}"]),
      store.ok(["diff", "writer"]),
    ];
    const before = look();
    const damages: (() => void)[] = [
      () => {
        for (const part of ["", "-wal", "-shm"]) {
          rmSync(join(store.root, `state.db${part}`), { force: true });
        }
      },
      () => {
        for (const part of ["-wal", "-shm"]) {
          rmSync(join(store.root, `state.db${part}`), { force: true });
        }
        truncateSync(join(store.root, "state.db"), 0);
      },
      () => writeFileSync(join(store.root, "state.db"), "no database at all".repeat(1000)),
    ];
    for (const damage of damages) {
      damage();
      for (const command of [["images"], ["run", "--rm", IMAGE, "true"], ["system", "df"]]) {
        const refused = store.coracle(command);
        assert.equal(refused.status, 125);
        assert.match(refused.stderr, /coracle system check --repair/);
      }
      const plain = store.coracle(["system", "check"]);
      assert.equal(plain.status, 3);
      assert.match(plain.stderr, /state\.db" is (gone|damaged)/);
      const repaired = store.coracle(["system", "check", "--repair"]);
      assert.equal(repaired.status, 0, repaired.stderr + repaired.stdout);
      assert.match(repaired.stderr, /put together again: \d layers, 2 images, 3 containers, 1 vol/);
      assert.deepEqual(look(), before);
      assert.equal(store.ok(["exec", "running", "echo", "alive"]), "alive");
      assert.equal(store.coracle(["volume", "rm", "vol"]).status, 2);
      assertWhole(store);
    }
    assert.equal(readFileSync(join(store.root, "volumes/vol/_data/file"), "utf8"), "kept");
    assert.equal(store.ok(["start", "--attach", "writer"]), "");
    store.ok(["stop", "--time", "0", "running"]);
    assert.match(
      store.ok(["ps", "-a", "--filter", "name=running", "--format", "{{.Status}}"]),
      /Exited \(137\)/,
    );
  }),
);

test(
  "a repair that is killed at any moment leaves a store that the next one repairs",
  { skip },
  withStore(async (store) => {
    const { archive, diffIds } = fillStore(store);
    const before = output(store);
    const started = performance.now();
    const damage = () => {
      for (const diffId of diffIds.slice(1)) {
        const diff = join(layerPath(store, idOf(store, diffId)), "diff");
        rmSync(join(diff, "data/both"), { force: true });
        rmSync(blobPath(store, diffId), { force: true });
      }
    };
    damage();
    check(store, "--repair", "--digest", "--from", archive);
    const whole = performance.now() - started;
    for (let i = 1; i <= 8; i++) {
      damage();
      const words = ["system", "check", "--repair", "--digest", "--from", archive];
      const { child, done } = store.start(words);
      await sleep(whole * i / 8 * Math.random());
      child.kill("SIGKILL");
      await done;
      // Any changing command recovers first, and must not mind.
      store.ok(["tag", IMAGE, `localhost/tag:${i}`]);
      assert.equal(check(store, "--repair", "--digest", "--from", archive).status, 0);
      assertWhole(store);
      assert.equal(output(store), before);
    }
  }),
);
