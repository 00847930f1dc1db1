/**
 * Compression of archives: known by its first bytes, undone and done as a stream of chunks. gzip and
 * zstd run in the runtime (on its thread pool, beside our own work), xz and bzip2 in the host's
 * programs. Loads node:zlib (4 ms): not for the path of quick commands.
 */
import {
  constants,
  createGunzip,
  createGzip,
  createZstdCompress,
  createZstdDecompress,
} from "node:zlib";
import type { Transform } from "node:stream";
import { CoracleError } from "../errors.ts";
import { type Fd, read, write } from "../sys/at.ts";
import { throughProgram } from "./host_program.ts";
import { ZstdFrames } from "./zstd_frames.ts";

export type Compression = "none" | "gzip" | "zstd" | "xz" | "bzip2";

/** Chunks of this size are clearly faster than the runtimes' 16 KiB and not slower than larger ones. */
const CHUNK = 256 * 1024;
/** As many first bytes as `detectCompression` looks at. */
export const MAGIC_BYTES = 6;

const MAGICS: readonly (readonly [Compression, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
];

/** Which compression data that begins with `head` has; "none" when it is none of ours. */
export function detectCompression(head: Uint8Array): Compression {
  for (const [format, magic] of MAGICS) {
    if (magic.every((byte, i) => head[i] === byte)) return format;
  }
  // pzstd begins with a skippable frame.
  const isSkippable = head[1] === 0x2a && head[2] === 0x4d && head[3] === 0x18;
  return isSkippable && ((head[0] ?? 0) & 0xf0) === 0x50 ? "zstd" : "none";
}

/** The bytes of `fd` from its position on; each chunk is memory of its own. */
export async function* chunksOf(fd: Fd): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = new Uint8Array(new ArrayBuffer(CHUNK));
    const count = read(fd, chunk);
    if (count === 0) return;
    yield count === CHUNK ? chunk : chunk.subarray(0, count);
  }
}

/**
 * The plain bytes of compressed data. "auto" looks at the first bytes. Several gzip members or zstd
 * frames in a row are one stream; zeros after gzip data are ignored. Throws `corrupt` for data that
 * is damaged or cut off, `unsupported` when the program for xz or bzip2 is missing.
 */
export async function* decompressed(
  source: AsyncIterable<Uint8Array> | Fd,
  format: Compression | "auto" = "auto",
): AsyncGenerator<Uint8Array> {
  let chunks = typeof source === "number" ? chunksOf(source) : source;
  let known = format;
  if (known === "auto") {
    const { head, rest } = await peek(chunks);
    known = detectCompression(head);
    chunks = rest;
  }
  yield* plain(chunks, known);
}

function plain(
  chunks: AsyncIterable<Uint8Array>,
  format: Compression,
): AsyncIterable<Uint8Array> {
  switch (format) {
    case "none":
      return chunks;
    case "gzip":
      return through(createGunzip({ chunkSize: CHUNK }), chunks, "cannot decompress gzip data");
    case "zstd":
      return through(
        createZstdDecompress({ chunkSize: CHUNK }),
        wholeFrames(chunks),
        "cannot decompress zstd data",
      );
    case "xz":
      return throughProgram({ command: ["xz", "-dc"], package: "xz-utils" }, chunks);
    case "bzip2":
      return throughProgram({ command: ["bzip2", "-dc"], package: "bzip2" }, chunks);
  }
}

/** The first bytes of a stream, and the stream as if nothing had been read. */
async function peek(
  source: AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; rest: AsyncIterable<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < MAGIC_BYTES) {
    const next = await iterator.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  async function* rest(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) {
        yield next.value;
      }
    } finally {
      await iterator.return?.();
    }
  }
  return { head, rest: rest() };
}

async function* wholeFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const frames = new ZstdFrames();
  for await (const chunk of chunks) yield* frames.push(chunk);
  frames.end();
}

export interface CompressOptions {
  readonly format: "gzip" | "zstd";
  /** gzip 1-9 (default 6), zstd 1-19 (default 3). */
  readonly level?: number;
}

/** Compressed bytes of `source`: the same input, level and runtime give the same output. */
export function compressed(
  source: AsyncIterable<Uint8Array>,
  options: CompressOptions,
): AsyncGenerator<Uint8Array> {
  // zlib's own header has time 0 and no name.
  const stream = options.format === "gzip"
    ? createGzip({ chunkSize: CHUNK, level: options.level ?? 6 })
    : createZstdCompress({
      chunkSize: CHUNK,
      params: {
        [constants.ZSTD_c_compressionLevel]: options.level ?? 3,
        [constants.ZSTD_c_checksumFlag]: 1,
      },
    });
  return through(stream, source, `cannot compress with ${options.format}`);
}

/** Compresses the rest of one file into another, both from their positions. */
export async function compressFile(
  from: Fd,
  to: Fd,
  options: CompressOptions,
): Promise<{ readonly size: number }> {
  let size = 0;
  for await (const chunk of compressed(chunksOf(from), options)) {
    write(to, chunk);
    size += chunk.length;
  }
  return { size };
}

/** Sends `source` through `stream`; an error of the stream becomes `corrupt` with `what`. */
async function* through(
  stream: Transform,
  source: AsyncIterable<Uint8Array>,
  what: string,
): AsyncGenerator<Uint8Array> {
  const feeding = feed(stream, source);
  try {
    for await (const chunk of stream) yield chunk;
  } catch (error) {
    throw asCorrupt(what, error);
  } finally {
    stream.destroy();
    await feeding;
  }
}

function asCorrupt(what: string, error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const isCodec = code.startsWith("Z_") || code.startsWith("ZSTD_") || /zstd/i.test(String(error));
  if (error instanceof CoracleError || !isCodec) return error;
  const why = code === "Z_BUF_ERROR" ? "it is cut off" : String((error as Error).message);
  return new CoracleError("corrupt", what, { why, cause: error });
}

/** Never rejects: an error of the source ends the stream with it. */
async function feed(stream: Transform, source: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of source) {
      if (stream.destroyed) return;
      if (!stream.write(chunk)) await writable(stream);
    }
    if (!stream.destroyed) stream.end();
  } catch (error) {
    stream.destroy(error as Error);
  }
}

function writable(stream: Transform): Promise<void> {
  if (stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.on("drain", done);
    stream.on("close", done);
  });
}
