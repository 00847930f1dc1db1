/** `storage migrate`: everything is the same under another driver, also after kills on the way. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { skipUnless } from "../skip_reason.ts";
import { type Store, withStore } from "./executable.ts";
import { assertWhole, check, fillStore, IMAGE, kinds, query } from "./three_layers.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

/** A container that has changed, deleted and replaced things, and layers of the user's own. */
function fill(store: Store): void {
  fillStore(store);
  const script = "rm /data/one; echo new >/data/both; mkdir -m 700 /own; ln /data/two /own/link;" +
    "rm -r /bin/../usr 2>/dev/null; mkfifo /own/fifo; chown 5:6 /own/fifo; ln -s two /data/soft";
  store.ok(["run", "--name", "changed", IMAGE, "sh", "-c", script]);
  const sealed = store.ok(["layer", "create", "--name", "sealed"]);
  const path = store.ok(["layer", "mount", sealed]);
  store.ok(["run", "--rm", "-v", `${path}:/l`, IMAGE, "sh", "-c", "echo x >/l/x; mkdir /l/d"]);
  store.ok(["layer", "unmount", sealed]);
  store.ok(["layer", "commit", sealed]);
  store.ok(["layer", "create", "--parent", sealed, "--name", "over"]);
}

/** All that must be the same: rows, digests of every layer and of every saved image. */
function look(store: Store): Record<string, unknown> {
  const sha = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const ids = query(store, "SELECT id FROM layers ORDER BY id").map(({ id }) => String(id));
  return {
    layers: query(store, "SELECT * FROM layers ORDER BY id"),
    images: query(store, "SELECT * FROM images ORDER BY id"),
    containers: query(store, "SELECT id, name, layer FROM containers ORDER BY id"),
    digests: ids.map((id) => sha(store.coracle(["layer", "diff", id]).bytes)),
    changes: store.ok(["diff", "changed"]),
    saved: sha(store.coracle(["save", "--format", "oci-archive", IMAGE]).bytes),
    shown: store.ok(["run", "--rm", IMAGE, "sh", "-c", "ls -lR /data; md5sum /data/*"]),
  };
}

function driverOf(store: Store): string {
  return store.ok(["info", "--format", "{{.Store.GraphDriverName}}"]);
}

test(
  "overlay to copy and back: layers, images, containers and digests are the same",
  { skip },
  withStore((store) => {
    fill(store);
    const before = look(store);
    const moved = store.ok(["storage", "migrate", "--to", "copy"]);
    assert.match(moved, /^Moved \d+ layers from overlay to copy$/);
    assert.ok(!existsSync(join(store.root, "layers/overlay")));
    assert.equal(driverOf(store), "copy");
    assert.deepEqual(look(store), before);
    assertWhole(store);
    store.ok(["image", "drop-blobs", "--all"]);
    const { saved } = look(store);
    assert.equal(saved, before.saved);
    store.ok(["storage", "migrate", "--to", "overlay"]);
    assert.equal(driverOf(store), "overlay");
    assert.deepEqual(look(store), before);
    assertWhole(store);
    assert.equal(store.ok(["start", "--attach", "box"]).split("\n").length, 1001);
    assert.match(
      store.ok(["storage", "migrate", "--to", "overlay"]),
      /uses the layer driver overlay/,
    );
  }),
);

test(
  "mounted layers refuse it with the names of their users, unknown drivers with a reason",
  { skip },
  withStore((store) => {
    fill(store);
    store.ok(["run", "-d", "--name", "busy", IMAGE, "sleep", "1000"]);
    store.ok(["layer", "mount", "over"]);
    const refused = store.coracle(["storage", "migrate", "--to", "copy"]);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /mounted for container "busy", the user \(layer "[a-z0-9]{26}"\)/);
    store.ok(["layer", "unmount", "over"]);
    store.ok(["rm", "--force", "--time", "0", "busy"]);
    assert.match(store.coracle(["storage", "migrate", "--to", "coppy"]).stderr, /"copy"/);
    const aufs = store.coracle(["storage", "migrate", "--to", "aufs"]);
    if (!readFileSync("/proc/filesystems", "utf8").includes("aufs")) {
      assert.match(aufs.stderr, /cannot use the layer driver "aufs"/);
    }
    assert.equal(store.coracle(["storage", "migrate"]).status, 125);
    assert.equal(driverOf(store), "overlay");
    assertWhole(store);
  }),
);

test(
  "killed at any moment the store works, and the same command goes on",
  { skip },
  withStore(async (store) => {
    fill(store);
    const before = look(store);
    let to = "copy";
    const began = performance.now();
    store.ok(["storage", "migrate", "--to", to]);
    const whole = performance.now() - began;
    let kills = 0;
    for (let i = 1; i <= 10; i++) {
      to = to === "copy" ? "overlay" : "copy";
      const { child, done } = store.start(["storage", "migrate", "--to", to]);
      await sleep(whole * (0.2 + 0.08 * i) * Math.random());
      child.kill("SIGKILL");
      if ((await done).status !== 0) kills++;
      // The next command works, whichever driver the store has now.
      assert.equal(store.ok(["run", "--rm", IMAGE, "cat", "/data/both"]), "from two");
      const { status, found } = check(store, "--digest");
      assert.equal(status, 0);
      assert.ok(kinds(found).every((kind) => kind === "driver-leftover"), `${kinds(found)}`);
      if (i % 5 === 0) assert.equal(check(store, "--repair").status, 0);
      store.ok(["storage", "migrate", "--to", to]);
      assert.deepEqual(readdirSync(join(store.root, "layers")), [to]);
    }
    assert.ok(kills > 0, "no attempt was killed in time");
    rmSync(join(store.folder, "oci"), { recursive: true, force: true });
    assert.deepEqual(look(store), before);
    assertWhole(store);
  }),
);

test(
  "nobody makes, mounts or commits layers meanwhile",
  { skip },
  withStore(async (store) => {
    fill(store);
    const said: string[] = [];
    for (let status = 1; status !== 0;) {
      const migration = store.start(["storage", "migrate", "--to", "copy"]);
      // Whoever comes first wins: a container that runs refuses the migration.
      await sleep(20 + 30 * Math.random());
      const tried = store.coracle(["run", "--rm", IMAGE, "cat", "/data/both"]);
      if (tried.status !== 0) said.push(tried.stderr);
      const end = await migration.done;
      status = end.status;
      if (status !== 0) said.push(end.stderr);
    }
    const wanted = /moving all layers to another driver|was moved to the driver|mounted for cont/;
    for (const text of said) assert.match(text, wanted);
    assert.equal(store.ok(["run", "--rm", IMAGE, "cat", "/data/both"]), "from two");
    assertWhole(store);
  }),
);
