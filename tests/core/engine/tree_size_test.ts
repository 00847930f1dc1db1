import assert from "node:assert/strict";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { treeSize } from "../../../core/engine/tree_size.ts";
import { makeDirs, removeTree } from "../../../core/sys/files.ts";

test("the size of a tree is that of its files, each counted once and no link followed", () => {
  const folder = mkdtempSync(join(tmpdir(), "tree-size-"));
  try {
    writeFileSync(join(folder, "outside"), "x".repeat(1000));
    const tree = join(folder, "tree");
    mkdirSync(join(tree, "a/b/c"), { recursive: true });
    writeFileSync(join(tree, "one"), "x".repeat(100));
    writeFileSync(join(tree, "a/b/c/two"), "x".repeat(20));
    linkSync(join(tree, "one"), join(tree, "a/again"));
    symlinkSync("../outside", join(tree, "link"));
    symlinkSync("..", join(tree, "up"));
    assert.equal(treeSize(tree), 100 + 20 + "../outside".length + "..".length);
    assert.equal(treeSize(join(folder, "none")), 0);
    assert.equal(treeSize(join(tree, "up")), 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a tree deeper than any descriptor table is measured", () => {
  const folder = mkdtempSync(join(tmpdir(), "tree-size-"));
  try {
    const deep = join(folder, ...Array.from({ length: 1200 }, () => "d"));
    makeDirs(deep);
    writeFileSync(join(deep, "f"), "xyz");
    assert.equal(treeSize(folder), 3);
  } finally {
    removeTree(folder);
  }
});
