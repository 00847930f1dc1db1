import assert from "node:assert/strict";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { raw, type TreeEntry } from "../../../core/terms.ts";
import { walkTree } from "../../../core/archive/walk.ts";
import { Collector, isRoot, needs, pack, scratch, sh, withDir } from "./trees.ts";

const skip = isRoot ? false : "needs root";

function tree(script: string): string {
  const path = join(scratch(), "tree");
  mkdirSync(path);
  sh(script, path);
  return path;
}

function walk(path: string, options: Parameters<typeof walkTree>[2] = {}) {
  const collector = new Collector();
  const notes = withDir(path, (fd) => walkTree(fd, collector, options));
  return { names: collector.entries.map((entry) => entry.path), collector, notes };
}

test("names come in byte order, each directory before what is in it", { skip }, () => {
  const path = tree(
    String.raw`mkdir b a b/z; touch a/2 a/10 'a b' A b.c b/y $'\xff' $'\xc3\xa9' _`,
  );
  const { names, notes } = walk(path);
  const wanted = ["", "A", "_", "a", "a/10", "a/2", "a b", "b", "b/y", "b/z", "b.c", "é", "\xff"];
  assert.deepEqual(names, wanted.map((name) => name === "\xff" ? name : raw(name)));
  assert.equal(notes.entries, names.length);
});

test("a filter leaves out what it skips with all beneath", { skip }, () => {
  const path = tree("mkdir -p a/b c; touch a/b/x a/y c/z");
  const { names } = walk(path, {
    filter: (name) => name === "a/b" || name === "c/z" ? "skip" : "keep",
  });
  assert.deepEqual(names, ["", "a", "a/y", "c"]);
});

test("the second name of a file is a hard link to the first that is sent", { skip }, () => {
  const path = tree("echo 1 > a; ln a b; ln a c; ln -s a l; ln l m");
  const { collector } = walk(path, { filter: (name) => name === "a" ? "skip" : "keep" });
  const links = collector.entries.map(({ path, type, linkTarget }) => [path, type, linkTarget]);
  assert.deepEqual(links.slice(1), [
    ["b", "file", undefined],
    ["c", "hardlink", "b"],
    ["l", "symlink", "a"],
    ["m", "hardlink", "l"],
  ]);
});

test("only the paths asked for come, with the directories above them", { skip }, () => {
  const path = tree("mkdir -p a/b/c d/e; touch a/b/c/x a/b/y a/z d/e/f");
  const only = ["a/b/c/x", "a/b/y", "d/e", "not/there"].map(raw);
  assert.deepEqual(walk(path, { only }).names, [
    "",
    "a",
    "a/b",
    "a/b/c",
    "a/b/c/x",
    "a/b/y",
    "d",
    "d/e",
  ]);
});

test("sockets are counted, or sent where that is asked for", { skip: needs("python3") }, () => {
  const path = tree(
    `python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("s")'; touch file`,
  );
  const { names, notes } = walk(path);
  assert.deepEqual([names, notes.sockets], [["", "file"], 1]);
  assert.deepEqual(walk(path, { sockets: true }).names, ["", "file", "s"]);
});

test("a file that becomes shorter is filled with zeros, one that grows is cut", { skip }, () => {
  const path = tree("head -c 1000000 /dev/zero | tr '\\0' x > shrinks; cp shrinks grows");
  let content = 0;
  let zeros = 0;
  const sink = {
    entry(entry: TreeEntry) {
      if (entry.path === "shrinks") truncateSync(join(path, "shrinks"), 300_000);
      if (entry.path === "grows") writeFileSync(join(path, "grows"), "more", { flag: "a" });
    },
    write(bytes: Uint8Array) {
      content += bytes.length;
      for (const byte of bytes) if (byte === 0) zeros++;
    },
    end() {},
  };
  const notes = withDir(path, (fd) => walkTree(fd, sink));
  assert.equal(content, 2_000_000);
  assert.equal(zeros, 700_000);
  assert.deepEqual(notes.shrunk, ["shrinks"]);
});

test("what vanishes while the tree is walked is left out and counted", { skip }, () => {
  const path = tree("mkdir d; touch a b c d/x l; ln -sf a l; mkfifo f");
  const { notes } = pack(path, {
    walk: {
      filter: (name) => {
        if (name === raw("b") || name === raw("d") || name === raw("f") || name === raw("l")) {
          sh(`rm -r ./${name}`, path);
        }
        return "keep";
      },
    },
  });
  assert.equal(notes.vanished, 4);
});

test(
  "a mount is an empty directory where one file system is asked for",
  { skip: needs("mount") },
  () => {
    const path = tree("mkdir -p m/inside; touch z");
    sh("mount -t tmpfs none m; touch m/mounted", path);
    try {
      assert.deepEqual(walk(path, { oneFileSystem: true }).names, ["", "m", "z"]);
      assert.deepEqual(walk(path).names, ["", "m", "m/mounted", "z"]);
    } finally {
      sh("umount m", path);
    }
  },
);

test("reading leaves the access times", { skip }, () => {
  const path = tree("echo x > a; touch -a -d '2001-01-01' a; mkdir d; touch -a -d '2001-01-01' d");
  walk(path);
  assert.equal(sh("stat -c %X a d | uniq | wc -l", path).trim(), "1");
});
