/**
 * A recipe: a tar archive without the content of the files that were unpacked from it. With the tree
 * it gives back the same bytes, without keeping them twice (design, section 7, items 14 and 15).
 *
 * A file of the magic line and blocks; a block is two numbers (packed and plain length) and zstd data
 * with a checksum. The plain text is a row of steps, never cut by the end of a block:
 *
 *     1 length bytes                             bytes of the archive that are no content
 *     2 crc size path-length path                content of the file `path`, the whole of it
 *     3 crc size path-length path count (offset length)…     runs of data of a file with holes
 *     0 length                                   the end; length of the archive
 *
 * Sums are CRC-32: they tell which file differs, at no measurable cost while unpacking. That nothing
 * differs at all is proven by the digest of the whole archive, which the recipe's name is.
 */
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { CoracleError } from "../errors.ts";
import { type Fd, pread, write } from "../sys/at.ts";
import type { RawPath } from "../terms.ts";
import type { Extent } from "./tar_sparse.ts";

const MAGIC = "coracle recipe 1\n";
/** Plain bytes of a block, roughly; a step is never cut. */
const BLOCK_BYTES = 1024 * 1024;
const RAW_BYTES = 256 * 1024;
/** Beyond what a block of ours can have: the longest path and the longest map of holes. */
const MOST_BYTES = 64 * 1024 * 1024;
const RAW = 1;
const FILE = 2;
const RUNS = 3;
const END = 0;

/** What a recipe says of the content of one file. */
export interface RecipeFile {
  /** In the tree, cleaned. */
  readonly path: RawPath;
  /** Size of the file in the tree, bytes. */
  readonly size: number;
  /** Runs of data in the archive; null when it has the whole file. */
  readonly extents: readonly Extent[] | null;
  /** CRC-32 of the bytes in the archive. */
  readonly crc: number;
}

/** Told of an archive's bytes in their order; see `TarReadOptions.recorder`. */
export interface TarRecorder {
  /** Bytes that are no content of a file in the tree; must not be kept. */
  raw(bytes: Uint8Array): void;
  /** Content of this file follows in calls of `body`. */
  file(file: Pick<RecipeFile, "path" | "size" | "extents">): void;
  body(bytes: Uint8Array): void;
  /** The content is whole. */
  fileEnd(): void;
}

/** Writes a recipe to `fd` while an archive is read. */
export class RecipeWriter implements TarRecorder {
  readonly #fd: Fd;
  /** Files, counted from 0, whose content is written into the recipe because the tree has another. */
  readonly #inline: ReadonlySet<number>;
  #buffer = Buffer.allocUnsafe(2 * BLOCK_BYTES);
  #used = 0;
  /** Where the length of the raw step stands that is being written; -1 for none. */
  #rawAt = -1;
  #file: Pick<RecipeFile, "path" | "size" | "extents"> | null = null;
  #count = 0;
  #crc = 0;
  #length = 0;

  constructor(fd: Fd, inline: ReadonlySet<number> = new Set()) {
    this.#fd = fd;
    this.#inline = inline;
    write(fd, Buffer.from(MAGIC, "latin1"));
  }

  raw(bytes: Uint8Array): void {
    this.#length += bytes.length;
    for (let at = 0; at < bytes.length; at += RAW_BYTES) {
      const piece = bytes.length <= RAW_BYTES ? bytes : bytes.subarray(at, at + RAW_BYTES);
      if (this.#used > BLOCK_BYTES) this.#flush();
      this.#room(piece.length + 5);
      if (this.#rawAt < 0) {
        this.#buffer[this.#used] = RAW;
        this.#rawAt = this.#used + 1;
        this.#used += 5;
      }
      this.#buffer.set(piece, this.#used);
      this.#used += piece.length;
    }
  }

  file(file: Pick<RecipeFile, "path" | "size" | "extents">): void {
    this.#crc = 0;
    this.#file = this.#inline.has(this.#count++) ? null : file;
  }

  body(bytes: Uint8Array): void {
    if (this.#file === null) return this.raw(bytes);
    this.#length += bytes.length;
    this.#crc = crc32(bytes, this.#crc);
  }

  fileEnd(): void {
    const file = this.#file;
    if (file === null) return;
    this.#file = null;
    this.#endRaw();
    if (this.#used > BLOCK_BYTES) this.#flush();
    const { path, size, extents } = file;
    this.#room(32 + path.length + (extents?.length ?? 0) * 16);
    this.#buffer[this.#used++] = extents === null ? FILE : RUNS;
    this.#number32(this.#crc);
    this.#number(size);
    this.#number32(path.length);
    this.#used += this.#buffer.write(path, this.#used, "latin1");
    if (extents === null) return;
    this.#number32(extents.length);
    for (const { offset, length } of extents) {
      this.#number(offset);
      this.#number(length);
    }
  }

  /** The archive is whole; the caller closes the file. */
  end(): void {
    this.#endRaw();
    this.#room(16);
    this.#buffer[this.#used++] = END;
    this.#number(this.#length);
    this.#flush();
  }

  #number32(value: number): void {
    this.#used = this.#buffer.writeUInt32LE(value >>> 0, this.#used);
  }

  #number(value: number): void {
    this.#used = this.#buffer.writeDoubleLE(value, this.#used);
  }

  #endRaw(): void {
    if (this.#rawAt < 0) return;
    this.#buffer.writeUInt32LE(this.#used - this.#rawAt - 4, this.#rawAt);
    this.#rawAt = -1;
  }

  #room(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(2 * (this.#used + bytes));
    this.#buffer.copy(larger, 0, 0, this.#used);
    this.#buffer = larger;
  }

  #flush(): void {
    this.#endRaw();
    if (this.#used === 0) return;
    const packed = zstdCompressSync(this.#buffer.subarray(0, this.#used), {
      // The quickest level: it runs while the archive is unpacked.
      params: { [constants.ZSTD_c_checksumFlag]: 1, [constants.ZSTD_c_compressionLevel]: 1 },
    });
    const head = Buffer.allocUnsafe(8);
    head.writeUInt32LE(packed.length, 0);
    head.writeUInt32LE(this.#used, 4);
    write(this.#fd, head);
    write(this.#fd, packed);
    this.#used = 0;
  }
}

export type RecipeStep =
  | { readonly kind: "raw"; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly file: RecipeFile };

/** The steps of the recipe in `fd`. Throws `corrupt` when it is damaged or cut off. */
export function* readRecipe(fd: Fd): Generator<RecipeStep> {
  let at = MAGIC.length;
  if (readAt(fd, 0, at).toString("latin1") !== MAGIC) throw damaged("it is none of ours");
  let length = 0;
  for (;;) {
    const head = readAt(fd, at, 8);
    const [packed, plain] = [head.readUInt32LE(0), head.readUInt32LE(4)];
    if (packed > MOST_BYTES || plain > MOST_BYTES) throw damaged("a block is too long");
    const block = unpacked(readAt(fd, at + 8, packed), plain);
    at += 8 + packed;
    for (let from = 0; from < block.length;) {
      const step = stepAt(block, from);
      from = step.next;
      if (step.kind === "end") {
        if (step.length !== length) throw damaged("its length is wrong");
        return;
      }
      length += step.kind === "raw" ? step.bytes.length : contentBytes(step.file);
      yield step;
    }
  }
}

/** Bytes of the archive that the file's content makes. */
export function contentBytes({ size, extents }: RecipeFile): number {
  return extents === null ? size : extents.reduce((sum, run) => sum + run.length, 0);
}

function readAt(fd: Fd, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const count = pread(fd, bytes.subarray(done), offset + done);
    if (count === 0) throw damaged("it is cut off");
    done += count;
  }
  return bytes;
}

function unpacked(packed: Uint8Array, length: number): Buffer {
  try {
    const plain = zstdDecompressSync(packed, { maxOutputLength: Math.max(length, 1) });
    if (plain.length === length) return plain;
  } catch (cause) {
    throw damaged("a block does not match its checksum", cause);
  }
  throw damaged("a block is cut off");
}

function damaged(why: string, cause?: unknown): CoracleError {
  return new CoracleError("corrupt", "cannot read the recipe of a layer", { why, cause });
}

type Found = RecipeStep & { readonly next: number } | {
  readonly kind: "end";
  readonly length: number;
  readonly next: number;
};

function stepAt(block: Buffer, from: number): Found {
  try {
    const kind = block[from];
    if (kind === END) {
      return { kind: "end", length: block.readDoubleLE(from + 1), next: block.length };
    }
    if (kind === RAW) {
      const next = from + 5 + block.readUInt32LE(from + 1);
      if (next > block.length) throw damaged("a step is cut off");
      return { kind: "raw", bytes: block.subarray(from + 5, next), next };
    }
    if (kind === FILE || kind === RUNS) return fileAt(block, from, kind === RUNS);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
  }
  throw damaged("it has a step that is not known");
}

function fileAt(block: Buffer, from: number, hasRuns: boolean): Found {
  const crc = block.readUInt32LE(from + 1);
  const size = block.readDoubleLE(from + 5);
  let next = from + 17 + block.readUInt32LE(from + 13);
  const path = block.toString("latin1", from + 17, next) as RawPath;
  if (!hasRuns) return { kind: "file", file: { path, size, extents: null, crc }, next };
  const extents: Extent[] = [];
  const end = next + 4 + 16 * block.readUInt32LE(next);
  for (next += 4; next < end; next += 16) {
    extents.push({ offset: block.readDoubleLE(next), length: block.readDoubleLE(next + 8) });
  }
  return { kind: "file", file: { path, size, extents, crc }, next };
}
