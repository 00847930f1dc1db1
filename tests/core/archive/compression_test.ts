import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { raw } from "../../../core/terms.ts";
import { hasCode } from "../../../core/errors.ts";
import { AT_FDCWD, close, O, openAt } from "../../../core/sys/at.ts";
import { runOk } from "../../../core/sys/spawn.ts";
import {
  compressFile,
  type Compression,
  decompressed,
  detectCompression,
} from "../../../core/archive/compression.ts";
import { digestOf, Sha256Sink, tee } from "../../../core/archive/digest.ts";
import { missing, scratch } from "./trees.ts";

const skip = missing("gzip", "zstd", "xz", "bzip2");

/** Compresses a little and not at all, several blocks of each format. */
const PLAIN = Buffer.concat([
  Buffer.from("a line of text that comes again and again\n".repeat(20_000)),
  randomBytes(300_000),
  Buffer.alloc(200_000),
]);
const FORMATS = ["gzip", "zstd", "xz", "bzip2"] as const;

/** Not by execFileSync: Deno's writes all input before it reads, and waits for ever. */
function throughTool(format: Compression, data: Uint8Array, ...options: string[]): Buffer {
  return Buffer.from(runOk([format, ...options], { stdin: data }).stdout);
}

function byTool(format: Compression, data: Uint8Array, ...options: string[]): Buffer {
  return throughTool(format, data, "-c", ...options);
}

async function* pieces(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += size) yield data.subarray(at, at + size);
}

async function plainOf(data: Uint8Array, size = 100_000): Promise<Buffer> {
  const out: Uint8Array[] = [];
  for await (const chunk of decompressed(pieces(data, size))) out.push(Uint8Array.from(chunk));
  return Buffer.concat(out);
}

const isCorrupt = (error: unknown) => hasCode(error, "corrupt");

for (const format of FORMATS) {
  test(`${format} is known by its first bytes and undone`, { skip }, async () => {
    const data = byTool(format, PLAIN);
    assert.equal(detectCompression(data), format);
    assert.ok((await plainOf(data)).equals(PLAIN));
    assert.ok((await plainOf(data, 777)).equals(PLAIN));
  });

  test(`several ${format} streams in a row are one`, { skip }, async () => {
    const data = Buffer.concat([PLAIN, Buffer.alloc(0), PLAIN].map((part) => byTool(format, part)));
    const wanted = Buffer.concat([PLAIN, PLAIN]);
    for (const size of [1 << 24, 100_000, 1000]) {
      assert.ok((await plainOf(data, size)).equals(wanted), `${size}`);
    }
  });

  test(`${format} data that is cut off is corrupt`, { skip }, async () => {
    const data = byTool(format, PLAIN);
    for (const length of [7, 12, 100, 5000, data.length >> 1, data.length - 5, data.length - 1]) {
      await assert.rejects(plainOf(data.subarray(0, length)), isCorrupt, `${length} bytes`);
    }
  });

  test(`${format} data with a changed byte is corrupt`, { skip }, async () => {
    const data = byTool(format, PLAIN);
    data[data.length >> 1]! ^= 0x55;
    await assert.rejects(plainOf(data), isCorrupt);
  });
}

test("a stream may begin with a few bytes at a time", { skip }, async () => {
  assert.ok((await plainOf(byTool("gzip", Buffer.from("hello")), 1)).equals(Buffer.from("hello")));
  assert.ok((await plainOf(byTool("zstd", Buffer.from("hello")), 1)).equals(Buffer.from("hello")));
  assert.ok((await plainOf(byTool("xz", Buffer.from("hello")), 1)).equals(Buffer.from("hello")));
  assert.ok((await plainOf(Buffer.from("hi"), 1)).equals(Buffer.from("hi")));
  assert.equal((await plainOf(Buffer.alloc(0))).length, 0);
});

test("zeros after gzip data are ignored, other bytes are corrupt", { skip }, async () => {
  const data = byTool("gzip", PLAIN);
  for (const size of [1 << 24, 1000]) {
    assert.ok((await plainOf(Buffer.concat([data, Buffer.alloc(100_000)]), size)).equals(PLAIN));
    await assert.rejects(plainOf(Buffer.concat([data, Buffer.from("garbage")]), size), isCorrupt);
  }
});

test("frames of zstd that are to be passed over are", { skip }, async () => {
  const skippable = Buffer.concat([
    Buffer.from([0x53, 0x2a, 0x4d, 0x18, 0x10, 0x27, 0, 0]),
    Buffer.alloc(10_000, 0x28),
  ]);
  const empty = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]);
  const frame = byTool("zstd", PLAIN);
  const data = Buffer.concat([skippable, empty, frame, skippable, frame, empty, skippable]);
  const wanted = Buffer.concat([PLAIN, PLAIN]);
  assert.equal(detectCompression(data), "zstd");
  for (const size of [1 << 24, 4096, 61]) {
    assert.ok((await plainOf(data, size)).equals(wanted), `${size}`);
  }
});

test("zstd with every kind of frame header is undone", { skip }, async () => {
  for (const options of [["--no-check"], ["--no-content-size"], ["-19", "--long=27"], ["-1"]]) {
    for (const data of [PLAIN, Buffer.from("x"), Buffer.alloc(0), Buffer.alloc(700)]) {
      assert.ok((await plainOf(byTool("zstd", data, ...options), 50)).equals(data));
    }
  }
});

test("bytes after the last zstd frame are corrupt", { skip }, async () => {
  const data = Buffer.concat([byTool("zstd", PLAIN), Buffer.from("garbage")]);
  await assert.rejects(plainOf(data), isCorrupt);
});

test("a reader that stops early leaves nothing behind", { skip }, async () => {
  for (const format of FORMATS) {
    const stream = decompressed(pieces(byTool(format, Buffer.concat([PLAIN, PLAIN])), 1000));
    assert.equal((await stream.next()).done, false);
    await stream.return(undefined);
  }
});

test("an error of the source comes through", { skip }, async () => {
  const data = byTool("gzip", PLAIN);
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield data.subarray(0, 1000);
    throw new Error("disk on fire");
  }
  await assert.rejects(async () => {
    for await (const _ of decompressed(broken())) { /* nothing to do */ }
  }, /disk on fire/);
});

test("what we compress the tools read, and twice it is the same bytes", { skip }, async () => {
  const dir = scratch();
  writeFileSync(join(dir, "plain"), PLAIN);
  for (const format of ["gzip", "zstd"] as const) {
    const outputs: Buffer[] = [];
    for (const name of ["one", "two"]) {
      const from = openAt(AT_FDCWD, raw(join(dir, "plain")), O.RDONLY);
      const to = openAt(AT_FDCWD, raw(join(dir, name)), O.WRONLY | O.CREAT | O.TRUNC, 0o600);
      const { size } = await compressFile(from, to, { format, level: 1 });
      close(from);
      close(to);
      outputs.push(readFileSync(join(dir, name)));
      assert.equal(outputs.at(-1)?.length, size);
    }
    assert.deepEqual(outputs[0], outputs[1]);
    assert.ok(throughTool(format, outputs[0] ?? PLAIN, "-dc").equals(PLAIN));
    if (format === "gzip") assert.equal(outputs[0]?.readUInt32LE(4), 0, "no time in the header");
  }
});

test("a missing program is named with its package", { skip }, async () => {
  const { throughProgram } = await import("../../../core/archive/host_program.ts");
  const program = { command: ["no-such-program", "-dc"], package: "nothing-utils" } as const;
  await assert.rejects(throughProgram(program, pieces(PLAIN, 1000)).next(), (error) => {
    return hasCode(error, "unsupported") && /nothing-utils/.test(error.hint ?? "");
  });
});

test("digests are those of sha256sum", () => {
  const sink = new Sha256Sink();
  const seen: number[] = [];
  const both = tee(sink, { write: (bytes) => seen.push(bytes.length) });
  both.write(PLAIN.subarray(0, 1000));
  both.write(PLAIN.subarray(1000));
  const hex = execFileSync("sha256sum", { input: PLAIN, encoding: "utf8" }).slice(0, 64);
  assert.equal(sink.size, PLAIN.length);
  assert.equal(sink.digest(), `sha256:${hex}`);
  assert.equal(digestOf(PLAIN), `sha256:${hex}`);
  assert.deepEqual(seen, [1000, PLAIN.length - 1000]);
});
