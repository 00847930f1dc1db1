/** `system df`, the prunes and `system reset`, on the real executable. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, type Store, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

function fill(store: Store): void {
  store.importBusybox();
  store.ok(["run", "-d", "--name", "one", "-v", "used:/u", BUSYBOX, "sh", "-c", "sleep 1000"]);
  store.ok(["run", "--name", "two", BUSYBOX, "sh", "-c", "printf 123456 >/six"]);
  store.ok(["create", "--name", "three", "--label", "keep=1", BUSYBOX, "true"]);
  store.ok(["volume", "create", "idle"]);
  writeFileSync(`${store.root}/volumes/idle/_data/file`, "x".repeat(1500));
}

test(
  "system df counts what is there, what is used and what could go",
  { skip },
  withStore((store) => {
    fill(store);
    const table = store.ok(["system", "df"]).split("\n");
    assert.match(table[0] ?? "", /^TYPE {11}TOTAL {7}ACTIVE {6}SIZE {8}RECLAIMABLE$/);
    assert.match(table[1] ?? "", /^Images {9}1 {11}1 {11}[0-9.]+MB +0B \(0%\)$/);
    assert.match(table[2] ?? "", /^Containers {5}3 {11}1 {11}6B {10}6B \(100%\)$/);
    assert.match(table[3] ?? "", /^Local Volumes {2}2 {11}1 {11}1\.5kB {7}1\.5kB \(100%\)$/);
    assert.match(store.ok(["system", "df", "-v"]), /^idle {9}0 {11}1\.5kB$/m);
    const [images, containers] = JSON.parse(store.ok(["system", "df", "--format", "json"]));
    assert.equal(images.Type, "Images");
    assert.deepEqual([containers.Total, containers.RawSize], [3, 6]);
    assert.match(store.coracle(["system", "df", "x"]).stderr, /takes no arguments/);
  }),
);

test(
  "container prune asks, honours filters and leaves what runs",
  { skip },
  withStore((store) => {
    fill(store);
    const names = () => store.ok(["ps", "-a", "--format", "{{.Names}}"]).split("\n").join(" ");
    const refused = store.coracle(["container", "prune"], { input: "n\n" });
    assert.equal(
      refused.stdout,
      "WARNING! This will remove all non running containers.\n" +
        "Are you sure you want to continue? [y/N] ",
    );
    assert.equal(refused.status, 0);
    const silent = store.coracle(["container", "prune"]);
    assert.equal(silent.status, 125);
    assert.match(silent.stderr, /EOF/);
    assert.equal(names(), "one two three");
    assert.match(
      store.coracle(["container", "prune", "-f", "--filter", "foo=bar"]).stderr,
      /foo is an invalid filter/,
    );
    assert.equal(store.ok(["container", "prune", "-f", "--filter", "until=1h"]), "");
    store.ok(["container", "prune", "-f", "--filter", "label!=keep"]);
    assert.equal(names(), "one three");
    assert.match(store.ok(["container", "prune"], { input: "y\n" }), /\[y\/N\] [0-9a-f]{64}$/);
    assert.equal(names(), "one");
  }),
);

test(
  "system prune removes what nobody uses and says how much it was",
  { skip },
  withStore((store) => {
    fill(store);
    const asked = store.coracle(["system", "prune", "--all", "--volumes"], { input: "\n" });
    assert.match(
      asked.stdout,
      /^WARNING! This command removes:\n\t- all stopped containers\n\t- all volumes/,
    );
    assert.equal(asked.status, 0);
    const first = store.ok(["system", "prune", "-f"]);
    assert.match(
      first,
      /^Deleted Containers\n[0-9a-f]{64}\n[0-9a-f]{64}\nTotal reclaimed space: 6B$/,
    );
    const second = store.ok(["system", "prune", "-f", "--volumes"]);
    assert.equal(second, "Deleted Volumes\nidle\nTotal reclaimed space: 1.5kB");
    assert.equal(store.ok(["system", "prune", "-af", "--volumes"]), "Total reclaimed space: 0B");
    store.ok(["rm", "-f", "-t", "0", "one"]);
    const last = store.ok(["system", "prune", "-af"]);
    assert.match(last, /^Deleted Images\n[0-9a-f]{64}\nTotal reclaimed space: [0-9.]+MB$/);
    assert.equal(store.ok(["images", "-q"]), "");
  }),
);

test(
  "system reset takes the whole store away and nothing else",
  { skip },
  withStore((store) => {
    fill(store);
    const outside = `${store.folder}/outside`;
    mkdirSync(outside);
    writeFileSync(`${outside}/mine`, "x");
    symlinkSync(outside, `${store.root}/volumes/used/_data/link`);
    symlinkSync(outside, `${store.root}/volumes/link`);
    mkdirSync(`${store.root}/volumes/idle/_data/mount`);
    const bound = `${store.root}/volumes/idle/_data/mount`;
    assert.equal(spawnSync("mount", ["--bind", outside, bound]).status, 0);
    const asked = store.coracle(["system", "reset"], { input: "no\n" });
    assert.equal(asked.status, 0);
    assert.match(asked.stdout, /^WARNING! This will remove:\n +- all containers\n/);
    assert.equal(store.ok(["ps", "-q"]).length, 12);
    writeFileSync(`${store.root}/not-of-the-store`, "x");
    const reset = store.coracle(["system", "reset", "--force"]);
    assert.equal(reset.status, 0, reset.stderr);
    assert.match(reset.stderr, /root" is left: it holds something that is not the store's/);
    assert.deepEqual(readdirSync(store.root), ["not-of-the-store"]);
    assert.ok(!existsSync(store.runroot));
    assert.equal(readFileSync(`${outside}/mine`, "utf8"), "x");
    assert.deepEqual(store.leftovers(), []);
    assert.equal(store.ok(["ps", "-aq"]), "");
  }),
);

test(
  "system reset refuses a directory that is no store of ours",
  { skip },
  withStore((store) => {
    const other = `${store.folder}/other`;
    mkdirSync(`${other}/volumes`, { recursive: true });
    writeFileSync(`${other}/volumes/mine`, "x");
    const reset = (root: string) =>
      store.coracle([
        "--root",
        root,
        "--runroot",
        `${store.folder}/other-run`,
        "system",
        "reset",
        "-f",
      ]);
    const refused = reset(other);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /it is no store of coracle: it has no state\.db/);
    assert.deepEqual(readdirSync(other), ["volumes"]);
    for (const root of ["/", "/usr", "/var/lib"]) {
      assert.match(reset(root).stderr, /it is a directory of the system/);
    }
    symlinkSync("/etc/passwd", `${other}/state.db`);
    assert.match(reset(other).stderr, /it is no store of coracle/);
    assert.ok(!existsSync(`${store.folder}/other-run`));
  }),
);
