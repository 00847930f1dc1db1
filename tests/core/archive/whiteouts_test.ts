import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CoracleError } from "../../../core/errors.ts";
import { raw, type RawPath, type TreeEntry, type WhiteoutStyle } from "../../../core/terms.ts";
import { TreeReceiver } from "../../../core/archive/receive.ts";
import { walkTree } from "../../../core/archive/walk.ts";
import { getXattrAt } from "../../../core/sys/xattr.ts";
import { Collector, entriesOf, isRoot, pack, scratch, sh, unpack, withDir } from "./trees.ts";

const skip = isRoot ? false : "needs root";
const ON_DISK = ["overlay", "aufs"] as const;

function file(path: string, size = 0): TreeEntry {
  return { path: raw(path), type: "file", mode: 0o644, uid: 0, gid: 0, mtime: 0n, size };
}
function dir(path: string): TreeEntry {
  return { ...file(path), type: "dir", mode: 0o755 };
}
function whiteout(path: string): TreeEntry {
  return { ...file(path), type: "whiteout", mode: 0 };
}
function opaque(path: string): TreeEntry {
  return { ...file(path), type: "opaque", mode: 0 };
}

function newDir(): string {
  const path = join(scratch(), "out");
  mkdirSync(path);
  return path;
}

function receive(path: string, style: WhiteoutStyle, ...entries: TreeEntry[]): void {
  withDir(path, (fd) => {
    const receiver = new TreeReceiver(fd, { whiteouts: style });
    for (const entry of entries) receiver.entry(entry);
    receiver.end();
  });
}

/** What a walk finds, as "type path". */
function seen(path: string, style: WhiteoutStyle): string[] {
  const collector = new Collector();
  withDir(path, (fd) => walkTree(fd, collector, { whiteouts: style }));
  return collector.entries.map(({ type, path }) => `${type} ${path}`);
}

test(
  "whiteouts come back as they went in, on disk as overlayfs and as aufs has them",
  { skip },
  () => {
    const entries = [
      dir(""),
      dir("a"),
      opaque("a"),
      file("a/new"),
      whiteout("b"),
      dir("c"),
      whiteout("c/gone"),
      whiteout(`c/${"l".repeat(251)}`),
    ];
    const wanted = entries.map(({ type, path }) => `${type} ${path}`);
    for (const style of ON_DISK) {
      const out = newDir();
      receive(out, style, ...entries);
      assert.deepEqual(seen(out, style), wanted, style);
    }
  },
);

test("on disk a whiteout of overlayfs is a device 0:0 and an opaque directory has its mark", {
  skip,
}, () => {
  const out = newDir();
  receive(out, "overlay", dir("a"), opaque("a"), whiteout("b"));
  assert.ok(lstatSync(join(out, "b")).isCharacterDevice());
  assert.equal(lstatSync(join(out, "b")).rdev, 0);
  const mark = withDir(out, (fd) => getXattrAt(fd, raw("a"), raw("trusted.overlay.opaque")));
  assert.equal(Buffer.from(mark ?? []).toString(), "y");
});

test("on disk whiteouts of aufs are files", { skip }, () => {
  const out = newDir();
  receive(out, "aufs", dir("a"), opaque("a"), whiteout("b"));
  assert.deepEqual(readdirSync(out).sort(), [".wh.b", "a"]);
  assert.deepEqual(readdirSync(join(out, "a")), [".wh..wh..opq"]);
  assert.equal(lstatSync(join(out, ".wh.b")).mode & 0o7777, 0o444);
  assert.throws(() => receive(newDir(), "aufs", whiteout("n".repeat(252))), (error) => {
    return error instanceof CoracleError && error.code === "unsupported";
  });
});

test("a name and its whiteout in one layer, in either order: the name stays, hiding what was", {
  skip,
}, () => {
  const orders: TreeEntry[][] = [
    [whiteout("d"), dir("d"), file("d/x"), whiteout("f"), file("f")],
    [dir("d"), file("d/x"), whiteout("d"), file("f"), whiteout("f")],
    [whiteout("d"), file("d/x"), file("f")],
  ];
  for (const style of ON_DISK) {
    for (const entries of orders) {
      const out = newDir();
      receive(out, style, ...entries);
      const wanted = ["dir ", "dir d", "opaque d", "file d/x", "file f"];
      assert.deepEqual(seen(out, style), wanted, style);
    }
  }
  for (const entries of orders) {
    const out = newDir();
    sh("mkdir -p d/old; echo 1 > d/old/y; echo 2 > d/x; echo 3 > f", out);
    receive(out, "remove", ...entries);
    assert.deepEqual(seen(out, "remove"), ["dir ", "dir d", "file d/x", "file f"]);
  }
});

test("really removing takes away what the layer did not make itself", { skip }, () => {
  const out = newDir();
  sh(
    "mkdir -p a/deep/er b c/keep; echo 1 > a/deep/er/f; echo 2 > b/old; ln -s /etc link; echo 3 > c/keep/z",
    out,
  );
  receive(
    out,
    "remove",
    whiteout("a"),
    file("b/new"),
    opaque("b"),
    dir("c"),
    dir("c/keep"),
    opaque("c"),
    whiteout("link"),
    whiteout("missing"),
    whiteout("missing/deeper"),
  );
  assert.deepEqual(seen(out, "remove"), ["dir ", "dir b", "file b/new", "dir c", "dir c/keep"]);
  assert.ok(lstatSync("/etc").isDirectory());
});

test("really removing never follows a link out", { skip }, () => {
  const base = scratch();
  sh(
    "mkdir out victim; echo 1 > victim/file; ln -s ../victim out/l; ln -s ../../victim out/m",
    base,
  );
  receive(join(base, "out"), "remove", whiteout("l/file"), opaque("m"), whiteout("m/file"));
  assert.equal(readFileSync(join(base, "victim", "file"), "latin1"), "1\n");
});

test("a layer in a tar has OCI's names and comes back as the same bytes", { skip }, () => {
  const out = newDir();
  receive(out, "overlay", dir(""), dir("a"), opaque("a"), whiteout("a/b"), whiteout("c"));
  const write = { whiteouts: "oci" } as const;
  const { tar } = pack(out, { walk: { whiteouts: "overlay" }, write });
  const names = entriesOf(tar).map((entry) => `${entry.path} ${entry.mode} ${entry.size}`);
  assert.deepEqual(names, [" 493 0", "a 493 0", "a/.wh..wh..opq 0 0", "a/.wh.b 0 0", ".wh.c 0 0"]);
  for (const style of ON_DISK) {
    const copy = newDir();
    unpack(tar, copy, { read: { whiteouts: "oci" }, receive: { whiteouts: style } });
    assert.ok(pack(copy, { walk: { whiteouts: style }, write }).tar.equals(tar), style);
  }
});

test("aufs' own files are not content, and its whiteouts are not hard links", { skip }, () => {
  const out = newDir();
  sh(
    `mkdir -m 700 .wh..wh.plnk .wh..wh.orph; : > .wh..wh.aufs; ln .wh..wh.aufs .wh.gone
     mkdir d; ln .wh..wh.aufs d/.wh..wh..opq; ln .wh..wh.aufs d/.wh.too; echo x > .wh..wh.plnk/123.4`,
    out,
  );
  const wanted = ["dir ", "dir d", "opaque d", "whiteout d/too", "whiteout gone"];
  assert.deepEqual(seen(out, "aufs"), wanted);
});

test("aufs' own files in an archive are left out and counted", { skip }, () => {
  const out = newDir();
  sh(
    "mkdir .wh..wh.plnk .wh..wh.orph; echo x > .wh..wh.plnk/1.2; : > .wh..wh.aufs; echo y > file",
    out,
  );
  const archive = join(scratch(), "a.tar");
  execFileSync("tar", ["-cf", archive, "."], { cwd: out });
  const copy = newDir();
  const { read } = unpack(readFileSync(archive), copy, { read: { whiteouts: "oci" } });
  assert.deepEqual(readdirSync(copy), ["file"]);
  assert.equal(read.aufsFiles, 4);
});

test("names that layers use for whiteouts are refused with a list, or left out", { skip }, () => {
  const out = newDir();
  sh(
    "mkdir d .wh.dir; echo 1 > .wh.x; echo 2 > d/.wh.y; echo 3 > .wh.dir/inner; echo 4 > plain",
    out,
  );
  const write = { whiteouts: "oci" } as const;
  assert.throws(() => pack(out, { write }), (error) => {
    return error instanceof CoracleError &&
      /"\.wh\.dir".*"\.wh\.x".*"d\/\.wh\.y"/.test(error.message);
  });
  const { tar } = pack(out, { write: { ...write, reservedNames: "skip" } });
  assert.deepEqual(entriesOf(tar).map((entry) => entry.path), ["", "d", "plain"]);
  assert.equal(entriesOf(pack(out).tar).length, 7, "a plain archive keeps them");
});

test("a plain archive refuses whiteouts", { skip }, () => {
  const out = newDir();
  receive(out, "overlay", whiteout("gone"));
  assert.throws(() => pack(out, { walk: { whiteouts: "overlay" } }), CoracleError);
});

test("a parent without an entry gets what the caller says, else 0755 and time 0", { skip }, () => {
  const asked: RawPath[] = [];
  const out = newDir();
  withDir(out, (fd) => {
    const receiver = new TreeReceiver(fd, {
      whiteouts: "overlay",
      missingParent: (path) => {
        asked.push(path);
        return path === "tmp" ? { mode: 0o1777, uid: 1, gid: 2, mtime: 5_000_000_000n } : null;
      },
    });
    receiver.entry(file("tmp/a/b"));
    receiver.end();
  });
  assert.deepEqual(asked, ["tmp", "tmp/a"]);
  const tmp = lstatSync(join(out, "tmp"));
  assert.deepEqual([tmp.mode & 0o7777, tmp.uid, tmp.gid, tmp.mtimeMs], [0o1777, 1, 2, 5000]);
  const a = lstatSync(join(out, "tmp/a"));
  assert.deepEqual([a.mode & 0o7777, a.uid, a.gid, a.mtimeMs], [0o755, 0, 0, 0]);
});
