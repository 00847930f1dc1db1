/** Pseudo-links: found by their names, and every name of their files touched without a trace. */
import assert from "node:assert/strict";
import { chmodSync, linkSync, lutimesSync, mkdirSync, mkdtempSync } from "node:fs";
import { readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import {
  clearPseudoLinks,
  flushPseudoLinks,
  pseudoLinks,
} from "../../../drivers/layer/aufs_links.ts";
import { diffOf } from "../../../drivers/layer/aufs_union.ts";
import { openShelf } from "../../../drivers/layer/shelf.ts";
import { type LayerId, raw } from "../../../core/terms.ts";
import { AT_FDCWD, statAt } from "../../../core/sys/at.ts";

const LAYER = "layer0000" as LayerId;

interface Place {
  readonly shelf: ReturnType<typeof openShelf>;
  readonly branch: string;
  readonly union: string;
}

function withPlace(work: (place: Place) => void): void {
  const root = mkdtempSync("/dev/shm/layer-aufs-links-");
  try {
    const branch = `${root}/layers/${LAYER}/diff`;
    mkdirSync(branch, { recursive: true });
    mkdirSync(`${root}/union`);
    work({ shelf: openShelf(root), branch, union: `${root}/union` });
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("a branch without pseudo-links has none, and nothing is walked", () => {
  withPlace(({ shelf, branch }) => {
    assert.equal(pseudoLinks(shelf, diffOf(LAYER)).size, 0);
    flushPseudoLinks(shelf, diffOf(LAYER), "/nowhere at all");
    mkdirSync(`${branch}/.wh..wh.plnk`);
    flushPseudoLinks(shelf, diffOf(LAYER), "/nowhere at all");
    clearPseudoLinks(shelf, diffOf(LAYER));
  });
});

test("the first number of a pseudo-link is the inode in the union", () => {
  withPlace(({ shelf, branch }) => {
    mkdirSync(`${branch}/.wh..wh.plnk`);
    for (const name of ["7.12", "18446744073709551615.3", "junk", "1.2.3", ".wh.x"]) {
      writeFileSync(`${branch}/.wh..wh.plnk/${name}`, "");
    }
    assert.deepEqual(pseudoLinks(shelf, diffOf(LAYER)), new Set([7n, 18446744073709551615n]));
    clearPseudoLinks(shelf, diffOf(LAYER));
    assert.deepEqual(readdirSync(`${branch}/.wh..wh.plnk`), []);
  });
});

test("every name of a pseudo-linked file is touched, and keeps its time, set-id bits and links", () => {
  withPlace(({ shelf, branch, union }) => {
    mkdirSync(`${union}/deep/er`, { recursive: true });
    writeFileSync(`${union}/file`, "x");
    chmodSync(`${union}/file`, 0o6755);
    linkSync(`${union}/file`, `${union}/deep/er/same`);
    writeFileSync(`${union}/other`, "y");
    symlinkSync("other", `${union}/link`);
    symlinkSync("deep", `${union}/loop`);
    for (const name of ["file", "other", "link"]) lutimesSync(`${union}/${name}`, 5.5, 5.5);
    const inode = (name: string) => statAt(AT_FDCWD, raw(`${union}/${name}`));
    const before = { file: inode("file"), other: inode("other"), link: inode("link") };
    mkdirSync(`${branch}/.wh..wh.plnk`);
    for (const name of ["file", "link"]) {
      writeFileSync(`${branch}/.wh..wh.plnk/${inode(name).ino}.99`, "");
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 15);
    flushPseudoLinks(shelf, diffOf(LAYER), union);
    const after = { file: inode("file"), other: inode("other"), link: inode("link") };
    for (const name of ["file", "link"] as const) {
      assert.ok(after[name].ctime > before[name].ctime, name);
      assert.equal(after[name].mtime, before[name].mtime);
      assert.equal(after[name].mode, before[name].mode);
    }
    assert.equal(after.other.ctime, before.other.ctime);
    assert.equal(after.file.nlink, 2);
  });
});
