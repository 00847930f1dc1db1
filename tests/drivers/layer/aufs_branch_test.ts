/** What a branch of aufs says is read as overlayfs' form of the same layer, and written back so. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, linkSync, lstatSync, lutimesSync, mkdirSync } from "node:fs";
import { readdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { TarWriter } from "../../../core/archive/tar_writer.ts";
import { hasCode } from "../../../core/errors.ts";
import { AT_FDCWD, close, mknodAt, O, openAt } from "../../../core/sys/at.ts";
import { setXattr } from "../../../core/sys/xattr.ts";
import { type LayerId, raw, type TreeSink } from "../../../core/terms.ts";
import { entry, Recorder, sendFile } from "../../../drivers/layer/cases/trees.ts";
import type { LayerDriver, LayerRef } from "../../../drivers/layer/driver.ts";
import { asBranch, openPair, type Pair, showTree, showUnion } from "./aufs_model.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";

function withPair(work: (pair: Pair) => void): void {
  const pair = openPair();
  try {
    work(pair);
  } finally {
    pair.close();
  }
}

let count = 0;
const newId = () => `layer${count++}`.padEnd(10, "x") as LayerId;

const over = (id: LayerId, below?: LayerRef): LayerRef => ({
  id,
  chain: below === undefined ? [] : [below.id, ...below.chain],
});

/** The same layer under both drivers. */
function make(
  pair: Pair,
  kind: "image" | "container",
  ref: LayerRef,
  fill: (sink: TreeSink) => void,
) {
  for (const driver of [pair.overlay, pair.aufs]) {
    const stage = driver.begin({ ...ref, kind });
    fill(stage);
    stage.end();
    stage.commit();
  }
}

function lines(driver: LayerDriver, layer: LayerRef, whole = false): string[] {
  const sent = new Recorder();
  const { sockets } = driver.entries(layer, sent, { whole });
  return [...sent.lines(), ...sockets.map((path) => `socket ${path}`)];
}

function tarOf(driver: LayerDriver, layer: LayerRef): string {
  const pieces: Buffer[] = [];
  const sink = { write: (bytes: Uint8Array) => void pieces.push(Buffer.from(bytes)) };
  driver.entries(layer, new TarWriter(sink, { whiteouts: "oci" }));
  return Buffer.concat(pieces).toString("latin1");
}

function assertSame({ aufs, overlay }: Pair, layer: LayerRef): void {
  assert.deepEqual(lines(aufs, layer), lines(overlay, layer));
  assert.deepEqual(lines(aufs, layer, true), lines(overlay, layer, true));
  assert.deepEqual(aufs.changes(layer), overlay.changes(layer));
  assert.equal(tarOf(aufs, layer), tarOf(overlay, layer));
  const { bytes, inodes } = aufs.usage(layer);
  const other = overlay.usage(layer);
  assert.deepEqual([bytes, inodes], [other.bytes, other.inodes]);
}

const diff = ({ base }: Pair, driver: string, { id }: LayerRef) =>
  `${base}/${driver}/layers/${id}/diff`;
const branches = (pair: Pair, { id, chain }: LayerRef) =>
  [id, ...chain].map((each) => diff(pair, "aufs", { id: each, chain: [] }));

test(
  "a branch as aufs leaves it gives the entries of overlayfs' form, byte for byte",
  { skip },
  () => {
    withPair((pair) => {
      const base = over(newId());
      make(pair, "image", base, (sink) => {
        sink.entry(entry("dir", ""));
        for (const name of ["gone", "kept", "dir/old", "other/x", "zapped"]) {
          sendFile(sink, name, name);
        }
      });
      const top = over(newId(), base);
      make(pair, "container", top, () => {});
      const [mine, theirs] = [diff(pair, "aufs", top), diff(pair, "overlay", top)];
      for (const root of [mine, theirs]) {
        mkdirSync(`${root}/dir`);
        writeFileSync(`${root}/dir/new`, "new");
        writeFileSync(`${root}/dir/pair`, "two names");
        linkSync(`${root}/dir/pair`, `${root}/second`);
      }
      // What aufs writes: every whiteout is a hard link of one file.
      writeFileSync(`${mine}/.wh..wh.aufs`, "", { mode: 0o444 });
      for (const mark of [".wh.gone", "dir/.wh..wh..opq", ".wh.never-there"]) {
        linkSync(`${mine}/.wh..wh.aufs`, `${mine}/${mark}`);
      }
      mkdirSync(`${mine}/.wh..wh.plnk`);
      linkSync(`${mine}/second`, `${mine}/.wh..wh.plnk/1234.5678`);
      mkdirSync(`${mine}/.wh..wh.orph`);
      writeFileSync(`${mine}/.wh..wh.orph/left`, "x".repeat(1000));
      mkdirSync(`${mine}/.wh..wh.dir.0003`);
      // A device 0:0 can be made inside a union of aufs, and means a whiteout to everybody else.
      for (const name of [`${mine}/zapped`, `${theirs}/gone`, `${theirs}/zapped`]) {
        mknodAt(AT_FDCWD, raw(name), "char", 0o600, { major: 0, minor: 0 });
      }
      setOpaque(`${theirs}/dir`);
      for (const root of [mine, theirs]) {
        for (const name of ["second", "dir/new", "dir", ""]) utimesSync(`${root}/${name}`, 5, 5);
      }
      assertSame(pair, top);
      assert.deepEqual(pair.aufs.changes(top).map(({ kind, path }) => `${kind} ${path}`), [
        "modify dir",
        "add dir/new",
        "delete dir/old",
        "add dir/pair",
        "delete gone",
        "add second",
        "delete zapped",
      ]);
      pair.aufs.seal(top);
      pair.overlay.seal(top);
      assert.deepEqual(readdirSync(`${mine}/.wh..wh.plnk`), []);
      assert.equal(lstatSync(`${mine}/second`).nlink, 2);
      assertSame(pair, over(top.id, base));
      const child = over(newId(), top);
      make(pair, "container", child, () => {});
      assertSame(pair, child);
    });
  },
);

/** trusted.overlay.opaque, with nothing but the driver's own means. */
function setOpaque(path: string): void {
  const fd = openAt(AT_FDCWD, raw(path), O.RDONLY | O.DIRECTORY);
  try {
    setXattr(fd, raw("trusted.overlay.opaque"), Buffer.from("y"));
  } finally {
    close(fd);
  }
}

const NAMES = ["a", "b", "c.x", "d"];
const path = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/"));
const act = fc.constantFrom(
  "write",
  "write",
  "mkdir",
  "mkdir",
  "remove",
  "chmod",
  "link",
  "symlink",
);
const step = fc.record({ act, path, value: fc.integer({ min: 0, max: 9 }) });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function apply(root: string, { act, path, value }: Step): void {
  const target = `${root}/${path}`;
  try {
    if (act === "write") writeFileSync(target, "x".repeat(value));
    else if (act === "mkdir") mkdirSync(target, { recursive: true });
    else if (act === "remove") rmSync(target, { recursive: true });
    else if (act === "chmod") chmodSync(target, 0o700 + value);
    else if (act === "symlink") symlinkSync(`${value}`, target);
    else linkSync(`${root}/a`, target);
  } catch {
    // Steps that make no sense here.
  }
}

/** Every object gets one time, so that runs can be compared. */
function settle(root: string): void {
  for (const name of readdirSync(root)) {
    const path = `${root}/${name}`;
    if (lstatSync(path).isDirectory()) settle(path);
    else lutimesSync(path, 77, 77);
  }
  utimesSync(root, 77, 77);
}

const layers = fc.array(fc.array(step, { minLength: 4, maxLength: 16, size: "max" }), {
  minLength: 2,
  maxLength: 4,
  size: "max",
});

test("generated containers have the same bytes in aufs' form as in overlayfs'", { skip }, () => {
  withPair((pair) => {
    fc.assert(
      fc.property(layers, (all) => {
        let below: LayerRef | undefined;
        for (const steps of all) {
          const layer = over(newId(), below);
          make(pair, "container", layer, () => {});
          const { path } = pair.overlay.mount(layer, { view: "rw" });
          for (const each of steps) apply(path, each);
          settle(path);
          const shown = showTree(path);
          pair.overlay.unmount(layer);
          const [upper, branch] = [diff(pair, "overlay", layer), diff(pair, "aufs", layer)];
          if (below !== undefined) asBranch(upper, branch);
          else copyPlain(upper, branch);
          assertSame(pair, layer);
          for (const driver of [pair.aufs, pair.overlay]) driver.seal(layer);
          assertSame(pair, layer);
          assert.deepEqual(showUnion(branches(pair, layer)), shown);
          below = layer;
        }
      }),
      { numRuns: 12 },
    );
  });
});

/** A container without a parent is a plain tree under both. */
function copyPlain(from: string, to: string): void {
  rmSync(to, { recursive: true });
  const copied = spawnSync("cp", ["-a", from, to], { encoding: "utf8" });
  assert.equal(copied.status, 0, copied.stderr);
}

test("generated images show under aufs what they show under overlayfs", { skip }, () => {
  withPair((pair) => {
    fc.assert(
      fc.property(layers, (all) => {
        let below: LayerRef | undefined;
        for (const steps of all) {
          const layer = over(newId(), below);
          make(pair, "image", layer, (sink) => sendSteps(sink, steps));
          assertSame(pair, layer);
          const { path } = pair.overlay.mount(layer, { view: "ro" });
          const shown = showTree(path);
          pair.overlay.unmount(layer);
          assert.deepEqual(showUnion(branches(pair, layer)), shown);
          below = layer;
        }
      }),
      { numRuns: 25 },
    );
  });
});

/** A layer as an archive has it: objects without order in their types, whiteouts among them. */
function sendSteps(sink: TreeSink, steps: readonly Step[]): void {
  const seen = new Map<string, string>();
  for (const { act, path, value } of steps) {
    const parents = path.split("/").slice(0, -1).map((_, i, all) => all.slice(0, i + 1).join("/"));
    if (parents.some((parent) => (seen.get(parent) ?? "dir") !== "dir")) continue;
    if (seen.get(path) === "dir" && act !== "mkdir") continue;
    if (act === "write") sendFile(sink, path, "x".repeat(value));
    else if (act === "mkdir") sink.entry(entry("dir", path, { mode: 0o700 + value }));
    else if (act === "symlink") sink.entry(entry("symlink", path, { linkTarget: raw(`${value}`) }));
    else if (act === "remove" && !seen.has(path)) sink.entry(entry("whiteout", path, { mode: 0 }));
    else continue;
    if (act !== "remove") seen.set(path, act === "mkdir" ? "dir" : act);
    for (const parent of parents) if (!seen.has(parent)) seen.set(parent, "dir");
  }
}

test(
  "a directory in place of a file over a directory shows nothing of the one below",
  { skip },
  () => {
    withPair((pair) => {
      const one = over(newId());
      make(pair, "image", one, (sink) => sendFile(sink, "d/old", "1"));
      const two = over(newId(), one);
      make(pair, "image", two, (sink) => sendFile(sink, "d", "2"));
      const three = over(newId(), two);
      make(pair, "image", three, (sink) => sendFile(sink, "d/new", "3"));
      assert.deepEqual(showUnion(branches(pair, three)), ["/d dir 755", "/d/new file 644 3"]);
      assert.ok(!lines(pair.aufs, three).some((line) => line.includes("opaque")));
      assertSame(pair, three);
    });
  },
);

test("an opaque root leaves no mark that a mount without a union would show", { skip }, () => {
  withPair((pair) => {
    const one = over(newId());
    make(pair, "image", one, (sink) => sendFile(sink, "old", "1"));
    const two = over(newId(), one);
    make(pair, "image", two, (sink) => {
      sink.entry(entry("opaque", "", { mode: 0 }));
      sendFile(sink, "new", "2");
    });
    assert.deepEqual(readdirSync(diff(pair, "aufs", two)), ["new"]);
    assert.deepEqual(pair.aufs.plan(two, "ro").type, "bind");
    assertSame(pair, two);
  });
});

test("names that aufs keeps for itself are refused when they come in", { skip }, () => {
  withPair(({ aufs }) => {
    for (const name of [".wh.x", "d/.wh..wh..opq", ".wh..wh.plnk/file", "d/.wh.x/y"]) {
      const stage = aufs.begin({ ...over(newId()), kind: "image" });
      assert.throws(() => sendFile(stage, name, ""), (error) => hasCode(error, "unsupported"));
      stage.abort();
    }
  });
});

test(
  "a plan names the branches by short names, and a chain of 127 layers is refused",
  { skip },
  () => {
    withPair((pair) => {
      let below: LayerRef | undefined;
      for (let i = 0; i < 126; i++) {
        const layer = over(newId(), below);
        pair.aufs.begin({ ...layer, kind: "image" }).commit();
        below = layer;
      }
      const top = over(newId(), below);
      pair.aufs.begin({ ...top, kind: "container" }).commit();
      const plan = pair.aufs.plan(top, "rw");
      assert.equal(plan.lowers.length, 126);
      assert.ok(plan.lowers.every((name) => /^l\/[0-9a-z]{3}$/.test(name)));
      assert.deepEqual([plan.type, plan.upper], ["aufs", `layers/${top.id}/diff`]);
      assert.deepEqual(plan.options, ["dirperm1"]);
      const lower = plan.lowers[0] as string;
      const seen = statSync(`${pair.base}/aufs/${lower}`).ino;
      assert.equal(seen, statSync(diff(pair, "aufs", below as LayerRef)).ino);
      assert.deepEqual(pair.aufs.plan(below as LayerRef, "ro").options, ["ro", "dirperm1"]);
      assert.throws(
        () => pair.aufs.begin({ ...over(newId(), below), kind: "image" }),
        (error) => hasCode(error, "unsupported"),
      );
    });
  },
);

test(
  "a branch that is gone or not the one meant is found before the kernel sees it",
  { skip },
  () => {
    withPair((pair) => {
      const base = over(newId());
      make(pair, "image", base, (sink) => sendFile(sink, "x", "1"));
      const top = over(newId(), base);
      make(pair, "container", top, () => {});
      const link = `${pair.base}/aufs/${pair.aufs.plan(top, "rw").lowers[0]}`;
      rmSync(link);
      const refused = (why: RegExp) =>
        assert.throws(
          () => pair.aufs.mount(top, { view: "rw" }),
          (error) => hasCode(error, "corrupt") && why.test(error.message),
        );
      refused(/lost its short name/);
      symlinkSync(`../layers/${top.id}/diff`, link);
      refused(/not what its short name/);
      rmSync(link);
      symlinkSync(`../layers/${base.id}/diff`, link);
      rmSync(diff(pair, "aufs", base), { recursive: true });
      refused(/is gone/);
      assert.ok(!existsSync(`${pair.base}/aufs/mnt/${top.id}`));
    });
  },
);
