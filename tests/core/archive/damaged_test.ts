/** Bombs, lies, cuts and changed bytes. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { CoracleError } from "../../../core/errors.ts";
import { type RawPath, text, type TreeEntry } from "../../../core/terms.ts";
import { TarReader } from "../../../core/archive/tar_reader.ts";
import { entriesOf, scratch, unpack } from "./trees.ts";

import { archive, attempt, pax, readerRefuses, skip } from "./hostile_members.ts";

test("bombs end at the limits", () => {
  const many = archive(...Array.from({ length: 50 }, (_, i) => ({ name: `f${i}` })));
  readerRefuses(many, "49 members", { entries: 49 });
  assert.equal(entriesOf(many, { limits: { entries: 50 } }).length, 50);
  readerRefuses(archive({ name: "big", body: "x".repeat(3000) }), "big", { bytes: 2999 });
  readerRefuses(archive({ name: "header-name", type: "x", size: 2 ** 30 }), "header-name");
  readerRefuses(archive({ name: "header-name", type: "L", size: 2 ** 21 }), "header-name");
  readerRefuses(archive({ name: "header-name", type: "g", size: 2 ** 33 - 1 }), "header-name");
});

test("maps of holes that lie are refused", () => {
  const sparse = (records: Record<string, string>, body = "x".repeat(512)) =>
    archive(pax(records), { name: "sparse", body });
  const v01 = (map: string, size: string) =>
    sparse({ "GNU.sparse.map": map, "GNU.sparse.size": size });
  readerRefuses(v01("0,512", `${2 ** 50}`), "sparse");
  readerRefuses(v01("0,512", "511"), "sparse");
  readerRefuses(v01("0,1024", "2000"), "sparse");
  readerRefuses(v01("0,256,100,256", "2000"), "sparse");
  readerRefuses(v01("0,256,1000", "2000"), "sparse");
  readerRefuses(v01("-1,512", "2000"), "sparse");
  readerRefuses(v01("0,512", "x"), "sparse");
  readerRefuses(sparse({ "GNU.sparse.size": "600" }), "sparse");
  readerRefuses(sparse({ "GNU.sparse.numbytes": "512", "GNU.sparse.size": "600" }), "sparse");
  const v10 = (body: string) =>
    sparse(
      { "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "600" },
      body,
    );
  readerRefuses(v10(""), "sparse");
  readerRefuses(v10("9999999\n".padEnd(512, "\0")), "sparse");
  readerRefuses(v10("1\n0\n512\n".padEnd(512, "\0")), "sparse");
  readerRefuses(v10("1\n0\n".padEnd(512, "1")), "sparse");
  readerRefuses(v10("hello".padEnd(512, "\0")), "sparse");
  const [good] = entriesOf(v10("1\n88\n512\n".padEnd(512, "\0") + "y".repeat(512)));
  assert.equal(good?.content, "\0".repeat(88) + "y".repeat(512));
});

test("what readers understand in two ways is refused", () => {
  readerRefuses(archive({ name: "d", type: "5", body: "x".repeat(512) }), "d");
  readerRefuses(archive({ name: "l", type: "2", linkName: "a", body: "x".repeat(512) }), "l");
  readerRefuses(archive({ name: "d/", body: "x".repeat(512) }), "d/");
  readerRefuses(archive(pax({ path: "evil" }, "g"), { name: "a" }), "path");
  readerRefuses(archive(pax({ size: "0" }, "g"), { name: "a" }), "size");
  readerRefuses(archive({ name: "strange", type: "Q" }), "strange");
  assert.equal(entriesOf(archive(pax({ comment: "commit id" }, "g"), { name: "a" })).length, 1);
});

test("extended headers that are broken are refused", () => {
  for (
    const body of [
      "5 a=b\n",
      "999 a=b\n",
      "x a=b\n",
      "6 ab\n",
      "6 a=bX",
      "0 a=b\n",
      " a=b\n",
      "5 =b\n",
    ]
  ) {
    readerRefuses(
      archive({ name: "header-name", type: "x", body }, { name: "a" }),
      "extended header",
    );
  }
  for (const [key, value] of [["size", "-1"], ["size", "1e3"], ["uid", "x"], ["mtime", "soon"]]) {
    readerRefuses(archive(pax({ [key ?? ""]: value ?? "" }), { name: "a" }), "a");
  }
  readerRefuses(archive(pax({ uid: "4294967296" }), { name: "a" }), "a");
});

/** A small archive with every kind of header we write and some we only read. */
function sample(): Buffer {
  return archive(
    { name: "./", type: "5", mode: 0o755 },
    { name: "d/", type: "5", mode: 0o755 },
    { name: "d/file", body: "x".repeat(1500) },
    pax({ path: `d/${"n".repeat(120)}`, mtime: "1.5", "SCHILY.xattr.user.a": "b" }),
    { name: "short", body: "y".repeat(512) },
    { type: "L", body: `d/${"l".repeat(150)}\0` },
    { name: "cut", body: "z" },
    pax({ "GNU.sparse.map": "512,512", "GNU.sparse.size": "5000" }),
    { name: "sparse", body: "s".repeat(512) },
    { name: "d/link", type: "2", linkName: "file" },
    { name: "hard", type: "1", linkName: "d/file" },
    { name: "fifo", type: "6" },
    { name: "last", body: "end" },
  );
}

test("an archive that is cut off anywhere is refused with a member's name", () => {
  const whole = sample();
  const end = whole.length - 1024;
  const cuts = new Set<number>();
  for (let at = 0; at <= end; at += 512) cuts.add(at);
  for (let at = 1; at < end; at += 37) cuts.add(at);
  for (const cut of cuts) {
    assert.throws(() => entriesOf(whole.subarray(0, cut), {}, 1000), (error) => {
      if (!(error instanceof CoracleError) || error.code !== "corrupt") return false;
      // Before the first header is whole there is no name to say.
      return cut < 512 || /archive member "/.test(error.message);
    }, `cut at ${cut}`);
  }
  assert.equal(entriesOf(whole).length, 10);
  assert.equal(entriesOf(whole.subarray(0, end + 512)).length, 10, "one block of zeros is enough");
});

test("with a digest as proof the end marker may be missing, but nothing else", () => {
  const whole = sample();
  const bare = whole.subarray(0, whole.length - 1024);
  assert.equal(entriesOf(bare, { endMarker: "optional" }).length, 10);
  for (const cut of [0, 1, 511, 513, 1536, bare.length - 1]) {
    assert.throws(() => entriesOf(bare.subarray(0, cut), { endMarker: "optional" }), CoracleError);
  }
});

test("what is no archive is refused", () => {
  for (const junk of ["", "hello", "x".repeat(512), "y".repeat(100_000), "<html>".repeat(500)]) {
    assert.throws(() => entriesOf(Buffer.from(junk)), (error) => {
      return error instanceof CoracleError && error.code === "corrupt";
    });
  }
});

test("zeros between members are refused, bytes after the end are ignored", () => {
  const one = archive({ name: "a" });
  const cut = one.subarray(0, one.length - 1024);
  readerRefuses(Buffer.concat([cut, Buffer.alloc(512), one]), "zeros");
  assert.equal(entriesOf(Buffer.concat([one, Buffer.from("anything"), one])).length, 1);
});

test("the way the bytes are cut into pieces does not matter", () => {
  const whole = sample();
  const wanted = entriesOf(whole);
  for (const piece of [1, 3, 511, 512, 513, 1024, 10_000]) {
    assert.deepEqual(entriesOf(whole, {}, piece), wanted);
  }
});

/** Fixes the checksum of every header block, so that mutations get past it. */
function reseal(tar: Buffer): Buffer {
  for (let at = 0; at + 512 <= tar.length; at += 512) {
    if (tar.toString("latin1", at + 257, at + 262) !== "ustar") continue;
    tar.fill(0x20, at + 148, at + 156);
    let sum = 0;
    for (let i = 0; i < 512; i++) sum += tar[at + i] ?? 0;
    tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, at + 148, "latin1");
  }
  return tar;
}

const mutation = fc.record({
  flips: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
    minLength: 1,
    maxLength: 8,
  }),
  cut: fc.option(fc.nat(), { freq: 5 }),
  seal: fc.boolean(),
  piece: fc.constantFrom(77, 512, 4096, 1 << 20),
});

function mutated(
  whole: Buffer,
  how: { flips: [number, number][]; cut: number | null; seal: boolean },
) {
  const tar = Buffer.from(whole);
  for (const [at, bits] of how.flips) tar[at % tar.length]! ^= bits;
  const sealed = how.seal ? reseal(tar) : tar;
  return how.cut === null ? sealed : sealed.subarray(0, how.cut % sealed.length);
}

test("changed bytes are an error of ours or still a tree, never a crash", () => {
  const whole = sample();
  const limits = { bytes: 10_000_000 };
  fc.assert(
    fc.property(mutation, (how) => {
      const sink = { entry: (entry: TreeEntry) => checkPath(entry.path), write() {}, end() {} };
      const reader = new TarReader(sink, { whiteouts: "oci", limits });
      try {
        const tar = mutated(whole, how);
        for (let at = 0; at < tar.length; at += how.piece) {
          reader.push(tar.subarray(at, at + how.piece));
        }
        reader.end();
      } catch (error) {
        if (!(error instanceof CoracleError)) throw error;
      }
    }),
    { numRuns: 3000 },
  );
});

function checkPath(path: RawPath): void {
  assert.ok(!path.startsWith("/") && !path.endsWith("/") && !path.includes("\0"), text(path));
  assert.ok(path === "" || !path.split("/").some((part) => ["", ".", ".."].includes(part)));
}

test("changed bytes write nothing outside", { skip }, () => {
  const dir = scratch();
  const whole = sample();
  mkdirSync(join(dir, "victim"));
  writeFileSync(join(dir, "victim", "file"), "untouched");
  let run = 0;
  fc.assert(
    fc.property(mutation, (how) => {
      const out = join(dir, `out${run++ % 4}`);
      execFileSync("rm", ["-rf", out]);
      mkdirSync(out);
      try {
        unpack(mutated(whole, { ...how, seal: true }), out, {
          read: { whiteouts: "oci", limits: { bytes: 10_000_000 } },
        });
      } catch (error) {
        if (!(error instanceof CoracleError)) throw error;
      }
      assert.ok(readdirSync(dir).every((name) => /^(victim|out[0-3])$/.test(name)));
      assert.equal(readFileSync(join(dir, "victim", "file"), "latin1"), "untouched");
    }),
    { numRuns: 150 },
  );
});

test("nothing of a failed receive stays open", { skip }, () => {
  const count = () => readdirSync("/proc/self/fd").length;
  attempt(archive({ name: "a/b/c/file", body: "x" }, { name: "../evil" }));
  const before = count();
  for (let i = 0; i < 20; i++) {
    attempt(archive({ name: "a/b/c/file", body: "x" }, { name: "../evil" }));
    attempt(archive({ name: "a/b/c/file", body: "x".repeat(5000) }).subarray(0, 3000));
  }
  assert.ok(count() <= before + 2, `${before} then ${count()}`);
});
