import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { listedVolumes, prunableVolumes } from "../../../core/engine/list_volumes.ts";
import {
  createVolume,
  describeVolume,
  ensureVolume,
  findVolume,
  lookForVolume,
  removeVolume,
  volumeData,
} from "../../../core/engine/volume_store.ts";
import { CoracleError } from "../../../core/errors.ts";
import { useVolume } from "../../../core/state/volumes.ts";
import { mount, unmount } from "../../../core/sys/mount.ts";
import { makeDirs } from "../../../core/sys/files.ts";
import { skipUnless } from "../../skip_reason.ts";
import { newRowStore } from "./container_rows.ts";

function codeOf(work: () => unknown): readonly [string, number] {
  try {
    work();
  } catch (error) {
    if (error instanceof CoracleError) return [error.code, error.exitStatus];
    throw error;
  }
  return ["none", 0];
}

test("a volume is made once, found by the beginning of its name, and goes with its content", () => {
  using store = newRowStore();
  const { engine } = store;
  createVolume(engine, { name: "data", labels: { a: "b" } });
  assert.deepEqual(codeOf(() => createVolume(engine, { name: "data" })), ["exists", 125]);
  assert.equal(ensureVolume(engine, { name: "data" }).labels.a, "b");
  writeFileSync(`${volumeData(engine.paths, "data")}/file`, "x");
  createVolume(engine, { name: "data2" });
  assert.equal(findVolume(engine, "data").name, "data");
  assert.equal(findVolume(engine, "data2").name, "data2");
  assert.deepEqual(codeOf(() => findVolume(engine, "dat")), ["usage", 125]);
  assert.deepEqual(codeOf(() => findVolume(engine, "none")), ["notfound", 1]);
  assert.equal(lookForVolume(engine, ""), undefined);
  removeVolume(engine, findVolume(engine, "data"));
  assert.ok(!existsSync(`${engine.paths.volumes}/data`));
  assert.equal(findVolume(engine, "dat").name, "data2");
  assert.deepEqual(readdirSync(engine.paths.volumes), ["data2"]);
});

test("a volume in use stays, with Podman's exit status", () => {
  using store = newRowStore();
  const { engine } = store;
  const row = createVolume(engine, { name: "used" });
  useVolume(engine.db, store.add("one").id, "used");
  assert.deepEqual(codeOf(() => removeVolume(engine, row)), ["busy", 2]);
  assert.ok(existsSync(volumeData(engine.paths, "used")));
  assert.deepEqual(prunableVolumes(engine), []);
});

test("a volume in which somebody has mounted something stays whole", {
  skip: skipUnless({ root: true }),
}, () => {
  using store = newRowStore();
  const { engine } = store;
  const row = createVolume(engine, { name: "mounted" });
  const inside = `${volumeData(engine.paths, "mounted")}/inside`;
  makeDirs(inside);
  mount({ source: "x", target: inside, type: "tmpfs" });
  try {
    assert.deepEqual(codeOf(() => removeVolume(engine, row)), ["busy", 125]);
    assert.equal(findVolume(engine, "mounted").name, "mounted");
  } finally {
    unmount(inside);
  }
  removeVolume(engine, row);
});

test("volumes are filtered by name, label, option, use and age", () => {
  using store = newRowStore();
  const { engine } = store;
  createVolume(engine, { name: "one", labels: { app: "web" } });
  createVolume(engine, { name: "two", options: { type: "tmpfs" } });
  useVolume(engine.db, store.add("c").id, "two");
  const names = (...filters: string[]) => listedVolumes(engine, filters).map(({ name }) => name);
  assert.deepEqual(names(), ["one", "two"]);
  assert.deepEqual(names("name=o"), ["one", "two"]);
  assert.deepEqual(names("name=^o"), ["one"]);
  assert.deepEqual(names("label=app=web"), ["one"]);
  assert.deepEqual(names("label!=app"), ["two"]);
  assert.deepEqual(names("opt=type"), ["two"]);
  assert.deepEqual(names("dangling=true"), ["one"]);
  assert.deepEqual(names("dangling=false"), ["two"]);
  assert.deepEqual(names("driver=local", "scope=local"), ["one", "two"]);
  assert.deepEqual(names("driver=other"), []);
  assert.deepEqual(names("until=1h"), []);
  assert.throws(() => names("foo=bar"), /"foo" is an invalid volume filter/);
  assert.throws(() => names("dangling=maybe"), /must be true or false/);
  assert.throws(() => prunableVolumes(engine, ["name=x"]), /"name" is an invalid volume filter/);
});

test("the JSON of a volume has Podman's keys", () => {
  using store = newRowStore();
  const row = createVolume(store.engine, { name: "v" });
  assert.deepEqual(Object.keys(describeVolume(store.engine, row)), [
    "Name",
    "Driver",
    "Mountpoint",
    "CreatedAt",
    "Labels",
    "Scope",
    "Options",
    "MountCount",
    "NeedsCopyUp",
    "NeedsChown",
  ]);
});
