/** The layer commands, under every driver that can run here. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { EXECUTABLE, type Store, withStore } from "./executable.ts";

const DRIVERS = ["overlay", "copy"] as const;

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Every command with this driver. */
function using(driver: string, store: Store): (...args: string[]) => string {
  return (...args) => store.ok(["--layer-driver", driver, ...args]);
}

/** Changes of all kinds, made through a mount. */
function writeInto(dir: string): void {
  mkdirSync(join(dir, "etc/old"), { recursive: true });
  writeFileSync(join(dir, "etc/hosts"), "127.0.0.1 localhost\n");
  writeFileSync(join(dir, "etc/old/file"), "x".repeat(5000));
  writeFileSync(join(dir, "gone"), "soon\n");
  symlinkSync("etc/hosts", join(dir, "link"));
  spawnSync("ln", [join(dir, "etc/hosts"), join(dir, "same")]);
  spawnSync("mkfifo", [join(dir, "pipe")]);
  spawnSync("chown", ["-h", "7:8", join(dir, "link")]);
  freeze(dir);
}

function changeIn(dir: string): void {
  rmSync(join(dir, "gone"));
  rmSync(join(dir, "etc/old"), { recursive: true });
  mkdirSync(join(dir, "etc/old"));
  writeFileSync(join(dir, "etc/old/new"), "other\n");
  writeFileSync(join(dir, "added"), "added\n");
  for (const name of ["", "etc", "etc/old", "etc/old/new", "added"]) freeze(join(dir, name), 0);
}

/** One time for everything, so that two stores can have the same tree. */
function freeze(dir: string, depth = 9): void {
  const time = "2026-01-02 03:04:05.123456789";
  const touch = ["-exec", "touch", "-h", "-d", time, "{}", "+"];
  spawnSync("find", [dir, "-maxdepth", String(depth), ...touch]);
}

function filled(coracle: (...args: string[]) => string): void {
  coracle("layer", "create", "--name", "base");
  writeInto(coracle("layer", "mount", "base"));
  coracle("layer", "unmount", "base");
  coracle("layer", "commit", "base");
  coracle("layer", "create", "--name", "top", "--parent", "base");
  changeIn(coracle("layer", "mount", "top"));
  coracle("layer", "unmount", "top");
}

for (const driver of DRIVERS) {
  describe(`layers with the ${driver} driver`, () => {
    test(
      "are made, mounted, committed, built on, listed and removed",
      withStore((store) => {
        const coracle = using(driver, store);
        filled(coracle);
        const changes = coracle("layer", "changes", "top").split("\n");
        assert.deepEqual(changes, [
          "A /added",
          "C /etc",
          "C /etc/old",
          "D /etc/old/file",
          "A /etc/old/new",
          "D /gone",
        ]);
        assert.deepEqual(JSON.parse(coracle("layer", "changes", "--format", "json", "top")), {
          changed: ["/etc", "/etc/old"],
          added: ["/added", "/etc/old/new"],
          deleted: ["/etc/old/file", "/gone"],
        });
        const [top, base] = JSON.parse(coracle("layer", "ls", "--format", "json"));
        assert.deepEqual([top.Name, top.State, base.Name, base.State], [
          "top",
          "writable",
          "base",
          "committed",
        ]);
        assert.equal(top.Parent, base.Id);
        const [inspected] = JSON.parse(coracle("layer", "inspect", "top"));
        assert.deepEqual(inspected.Chain, [base.Id]);
        assert.equal(inspected.Driver, driver);
        assert.equal(coracle("layer", "size", "base"), "5034");
        // Names, ids and their beginnings mean the same.
        assert.equal(
          coracle("layer", "inspect", "--format", "{{.Name}}", top.Id.slice(0, 8)),
          "top",
        );
        const refused = store.coracle(["layer", "rm", "base"]);
        assert.equal(refused.status, 125);
        assert.match(refused.stderr, /a layer builds on it/);
        coracle("layer", "rm", "top", "base");
        assert.equal(coracle("layer", "ls", "--quiet"), "");
        const root = coracle("layer", "status", "--format", "{{.Root}}");
        for (const folder of ["layers", "l", "mnt", "stages", "trash"]) {
          assert.deepEqual(readdirSync(join(root, folder)), [], folder);
        }
      }),
    );

    test(
      "are only built on when committed, and only written when not",
      withStore((store) => {
        const coracle = using(driver, store);
        coracle("layer", "create", "--name", "base");
        const early = store.coracle(["layer", "create", "--parent", "base"]);
        assert.match(early.stderr, /it is writable\ntry: commit it first/);
        coracle("layer", "mount", "base");
        assert.match(
          store.coracle(["layer", "commit", "base"]).stderr,
          /it is mounted for "user:1"/,
        );
        coracle("layer", "unmount", "base");
        coracle("layer", "commit", "base");
        coracle("layer", "commit", "base");
        const dir = coracle("layer", "mount", "base");
        assert.throws(() => writeFileSync(join(dir, "x"), "x"), /EROFS/);
        coracle("layer", "unmount", "base");
        for (const name of ["base", "a/b", ""]) {
          assert.equal(store.coracle(["layer", "create", `--name=${name}`]).status, 125, name);
        }
      }),
    );

    test(
      "go through a tar and back, whole, plain or compressed, or against another layer",
      withStore((store) => {
        const coracle = using(driver, store);
        filled(coracle);
        const tar = join(store.folder, "top.tar");
        const base = join(store.folder, "base.tar");
        coracle("layer", "diff", "-o", tar, "top");
        coracle("layer", "diff", "-o", base, "base");
        const streamed = store.coracle(["layer", "diff", "top"]).bytes;
        assert.equal(sha256(streamed), sha256(readFileSync(tar)));
        coracle("layer", "create", "--name", "again");
        coracle("layer", "apply", "-i", base, "again");
        coracle("layer", "commit", "again");
        coracle("layer", "create", "--name", "more", "--parent", "again");
        store.ok(["layer", "apply", "more"], { input: gzipSync(readFileSync(tar)) });
        coracle("layer", "diff", "-o", `${tar}.2`, "more");
        assert.equal(sha256(readFileSync(`${tar}.2`)), sha256(readFileSync(tar)));
        const [one, two] = ["top", "more"].map((name) => coracle("layer", "mount", name));
        const compared = spawnSync("rsync", ["-aHAXn", "--delete", "-i", `${one}/`, `${two}/`]);
        assert.equal(compared.stdout.toString(), "");
        coracle("layer", "unmount", "top", "more");
        // Two layers that have nothing to do with one another, but the same tree.
        assert.equal(coracle("layer", "changes", "--parent", "more", "top"), "");
        const direct = coracle("layer", "changes", "top");
        assert.equal(coracle("layer", "changes", "--parent", "again", "top"), direct);
        // Applied to a copy of what it was compared with it gives the tree again.
        coracle("layer", "diff", "--parent", "again", "-o", `${tar}.3`, "top");
        coracle("layer", "create", "--name", "third", "--parent", "again");
        coracle("layer", "apply", "-i", `${tar}.3`, "third");
        assert.equal(coracle("layer", "changes", "--parent", "third", "top"), "");
        const whole = store.coracle(["layer", "diff", "--parent", "", "top"]).bytes;
        const names = spawnSync("tar", ["-tf", "-"], { input: whole }).stdout.toString();
        assert.doesNotMatch(names, /\.wh\.|gone/);
        assert.match(names, /^etc\/old\/new$/m);
      }),
    );

    test(
      "take all of a tar or nothing",
      withStore((store) => {
        const coracle = using(driver, store);
        coracle("layer", "create", "--name", "empty");
        filled(coracle);
        const tar = join(store.folder, "base.tar");
        coracle("layer", "diff", "-o", tar, "base");
        const whole = readFileSync(tar);
        const damaged = Buffer.from(whole);
        damaged[150] = 0x39; // in the first header's checksum
        for (const junk of [Buffer.from("no tar at all"), whole.subarray(0, 3000), damaged]) {
          const refused = store.coracle(["layer", "apply", "empty"], { input: junk });
          assert.equal(refused.status, 125);
          assert.equal(coracle("layer", "changes", "empty"), "");
        }
        coracle("layer", "apply", "-i", tar, "empty");
        for (
          const [name, why] of [["empty", /it is not empty/], ["base", /it is read-only/]] as const
        ) {
          const refused = store.coracle(["layer", "apply", "-i", tar, name]);
          assert.equal(refused.status, 125);
          assert.match(refused.stderr, why);
        }
        const root = coracle("layer", "status", "--format", "{{.Root}}");
        assert.deepEqual(readdirSync(join(root, "stages")), []);
        assert.deepEqual(readdirSync(join(root, "trash")), []);
      }),
    );
  });
}

test(
  "layers of one content are the same bytes under every driver",
  withStore((store) => {
    const tars = DRIVERS.map((driver) => {
      const own = { ...store, ok: (args: readonly string[]) => store.ok(args, env(store, driver)) };
      filled(using(driver, own));
      return [
        ...["base", "top"].map((name) =>
          store.coracle(["layer", "diff", name], env(store, driver))
        ),
        store.coracle(["layer", "diff", "--parent", "", "top"], env(store, driver)),
      ].map(({ bytes }) => `${bytes.length} ${sha256(bytes)}`);
    });
    assert.deepEqual(tars[1], tars[0]);
  }),
);

function env(store: Store, driver: string) {
  const root = join(store.folder, driver);
  return { env: { CORACLE_ROOT: root, CORACLE_RUNROOT: `${root}-run` } };
}

test(
  "mounts by the user are counted, outlive the command, and end by force or by cleanup",
  withStore((store) => {
    store.ok(["layer", "create", "--name", "one"]);
    const dir = store.ok(["layer", "mount", "one"]);
    assert.equal(store.ok(["layer", "mount", "one"]), dir);
    const mounts = () => store.leftovers().filter((line) => line === `mount ${dir}`).length;
    store.ok(["layer", "unmount", "one"]);
    assert.equal(mounts(), 1);
    store.ok(["layer", "unmount", "one"]);
    assert.equal(mounts(), 0);
    store.ok(["layer", "unmount", "one"]);
    store.ok(["layer", "mount", "one"]);
    const busy = spawnSync("sh", [
      "-c",
      'cd "$1" && shift && "$@"',
      "sh",
      dir,
      ...["true"],
    ]);
    assert.equal(busy.status, 0);
    const child = store.start(["layer", "unmount", "one"], { cwd: dir });
    return child.done.then(({ status, stderr }) => {
      assert.equal(status, 125);
      assert.match(stderr, /a process uses files in it/);
      store.ok(["layer", "unmount", "--force", "one"]);
      assert.equal(mounts(), 0);
      for (let i = 0; i < 3; i++) store.ok(["layer", "mount", "one"]);
      assert.match(store.coracle(["layer", "rm", "one"]).stderr, /mounted for "user:1", "user:2"/);
      const id = store.ok(["layer", "inspect", "--format", "{{.Id}}", "one"]);
      assert.equal(store.ok(["layer", "cleanup"]), id);
      assert.equal(store.ok(["layer", "cleanup"]), "");
      // Unmounted behind our back: the next changing command sees it.
      store.ok(["layer", "mount", "one"]);
      assert.equal(spawnSync("umount", [dir]).status, 0);
      store.ok(["layer", "rm", "one"]);
    });
  }),
);

test(
  "a tar is not written to a terminal, nor read from one",
  withStore((store) => {
    store.ok(["layer", "create", "--name", "one"]);
    for (const words of ["diff", "apply"]) {
      const line = `${EXECUTABLE} layer ${words} one`;
      const end = spawnSync("script", ["-qec", line, "/dev/null"], {
        env: { ...process.env, CORACLE_ROOT: store.root, CORACLE_RUNROOT: store.runroot },
        stdio: ["ignore", "pipe", "pipe"],
        timeout: 20_000,
      });
      assert.equal(end.status, 125, end.stdout.toString());
      assert.match(end.stdout.toString(), /terminal/);
    }
  }),
);

test(
  "the status says which driver, where, how many, and what it can do",
  withStore((store) => {
    filled(using("overlay", store));
    const status = JSON.parse(store.ok(["layer", "status", "--format", "json"]));
    assert.equal(status.Driver, "overlay");
    assert.deepEqual([status.Layers, status.Writable, status.Committed], [2, 1, 1]);
    assert.equal(status.MostLayersBelow, 500);
    assert.equal(typeof status.Can.Volatile, "boolean");
    assert.match(status.Features.options, /index=off/);
    assert.match(store.ok(["layer", "status"]), /^BackingFilesystem: \w+$/m);
  }),
);
