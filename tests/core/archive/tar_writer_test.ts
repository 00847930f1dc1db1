import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { raw, type TreeEntry } from "../../../core/terms.ts";
import { formatPax, formatPaxTime, parsePax, parsePaxTime } from "../../../core/archive/pax.ts";
import { TarWriter } from "../../../core/archive/tar_writer.ts";
import { entriesOf, makeEverything, needs, pack, scratch } from "./trees.ts";

const PLAIN = { type: "file", mode: 0o644, uid: 0, gid: 0, mtime: 0n, size: 0 } as const;

function write(...entries: (Partial<TreeEntry> & { path: TreeEntry["path"] })[]): Buffer {
  const chunks: Buffer[] = [];
  const writer = new TarWriter({ write: (bytes) => chunks.push(Buffer.from(bytes)) });
  for (const entry of entries) writer.entry({ ...PLAIN, ...entry });
  writer.end();
  return Buffer.concat(chunks);
}

test("an entry that fits has one ustar block and nothing else", () => {
  const tar = write({ path: raw("file"), mtime: 1_000_000_000_000_000_000n });
  assert.equal(tar.length, 3 * 512);
  assert.equal(tar.toString("latin1", 257, 265), "ustar\x0000");
  assert.equal(tar.toString("latin1", 265, 329), "\0".repeat(64), "no user and group names");
});

test("names up to 256 bytes are split, longer ones get a record", () => {
  const cases = [
    ["n".repeat(100), 1],
    ["n".repeat(101), 3],
    [`${"p".repeat(155)}/${"n".repeat(100)}`, 1],
    [`${"p".repeat(156)}/${"n".repeat(99)}`, 3],
    [`${"p".repeat(150)}/${"n".repeat(101)}`, 3],
    [`${"p/".repeat(127)}n`, 1],
    ["grün", 3],
  ] as const;
  for (const [name, blocks] of cases) {
    for (const type of ["file", "symlink"] as const) {
      const linkTarget = type === "symlink" ? raw("x") : undefined;
      const tar = write({ path: raw(name), type, linkTarget });
      assert.equal(tar.length / 512 - 2, blocks, `${name} ${type}`);
      assert.equal(entriesOf(tar)[0]?.path, raw(name));
    }
  }
  for (const length of [98, 99, 100, 101, 154, 155, 156, 254, 255, 256, 300]) {
    const path = raw("d/".repeat(length).slice(0, length - 1) + "d");
    assert.equal(entriesOf(write({ path, type: "dir" }))[0]?.path, path);
  }
});

test("numbers and times beyond the fields come back", () => {
  const values: Partial<TreeEntry>[] = [
    { uid: 0o7777777, gid: 0o7777777 },
    { uid: 0o10000000, gid: 0xffffffff },
    { mtime: -1n },
    { mtime: -1_500_000_000n },
    { mtime: -(2n ** 33n) * 1_000_000_000n },
    { mtime: 8n ** 11n * 1_000_000_000n - 1_000_000_000n },
    { mtime: 8n ** 11n * 1_000_000_000n },
    { mtime: 123_456_789_000_000_001n },
    { mode: 0o7777 },
    { type: "char", device: { major: 4095, minor: 1048575 } },
  ];
  for (const value of values) {
    const [entry] = entriesOf(write({ path: raw("x"), ...value }));
    for (const [key, wanted] of Object.entries(value)) {
      assert.deepEqual(entry?.[key as keyof TreeEntry], wanted, key);
    }
  }
});

test("attributes come back with any name and value, whatever their order", () => {
  const pairs = [["user.b", "\0\n="], ["user.a", ""], ["user.x=y%3D%25", "z"], ["user.\xff", "1"]];
  const map = (list: string[][]) =>
    new Map(list.map(([name = "", value = ""]) => [name as TreeEntry["path"], Buffer.from(value)]));
  const one = write({ path: raw("x"), xattrs: map(pairs) });
  assert.ok(one.equals(write({ path: raw("x"), xattrs: map([...pairs].reverse()) })));
  const found = entriesOf(one)[0]?.xattrs;
  assert.deepEqual([...found ?? []].sort(), [...map(pairs)].sort());
});

test("a record's length counts itself", () => {
  for (let length = 0; length < 1100; length++) {
    const record = formatPax("k", "v".repeat(length));
    assert.equal(Number.parseInt(record), record.length);
    assert.deepEqual(parsePax(Buffer.from(record)), [["k", "v".repeat(length)]]);
  }
});

test("times are written short and read exactly", () => {
  for (const nanos of [0n, 1n, -1n, 10n ** 9n, -(10n ** 9n), 1_500_000_000n, -1_500_000_000n]) {
    assert.equal(parsePaxTime(formatPaxTime(nanos)), nanos);
  }
  assert.equal(formatPaxTime(1_500_000_000n), "1.5");
  assert.equal(formatPaxTime(-1n), "-0.000000001");
  assert.equal(parsePaxTime("1.1234567899999"), 1_123_456_789n);
  assert.equal(parsePaxTime("1."), 1_000_000_000n);
  assert.equal(parsePaxTime("x"), null);
});

const ROOT = join(import.meta.dirname ?? "", "../../..");
const BUN = join(ROOT, "node_modules/.bin/bun");
/** Both runtimes meet in the run under Deno, which knows where Bun is. */
const noOther = "Bun" in globalThis
  ? "is done by the run under Deno"
  : existsSync(BUN)
  ? false
  : "needs bun in node_modules";

test("Bun and Deno write the same bytes", { skip: needs("tar") || noOther }, () => {
  const dir = scratch();
  const tree = join(dir, "tree");
  mkdirSync(tree);
  makeEverything(tree);
  const script = join(dir, "pack.ts");
  writeFileSync(
    script,
    `import { writeFileSync } from "node:fs";
import { raw } from ${JSON.stringify(join(ROOT, "core/terms.ts"))};
import { AT_FDCWD, O, openAt } from ${JSON.stringify(join(ROOT, "core/sys/at.ts"))};
import { TarWriter } from ${JSON.stringify(join(ROOT, "core/archive/tar_writer.ts"))};
import { walkTree } from ${JSON.stringify(join(ROOT, "core/archive/walk.ts"))};
const chunks = [];
const out = { write: (bytes) => void chunks.push(Buffer.from(bytes)) };
const fd = openAt(AT_FDCWD, raw(${JSON.stringify(tree)}), O.RDONLY | O.DIRECTORY);
walkTree(fd, new TarWriter(out));
writeFileSync(${JSON.stringify(join(dir, "other.tar"))}, Buffer.concat(chunks));`,
  );
  execFileSync(BUN, ["run", script], { cwd: ROOT });
  assert.ok(readFileSync(join(dir, "other.tar")).equals(pack(tree).tar));
});
