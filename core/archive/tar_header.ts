/**
 * The 512-byte header block of a tar archive: ustar (POSIX pax(1), "ustar Interchange Format"), v7
 * and GNU (tar manual, "Basic Tar Format"). Names stay bytes (`RawPath`), owners stay numbers.
 */
import { CoracleError } from "../errors.ts";
import { type RawPath, text } from "../terms.ts";

export const BLOCK = 512;

/** 256 KiB of zeros, for holes and padding. A sink may know it by its `buffer` and skip the writing. */
export const ZEROS: Uint8Array = new Uint8Array(256 * 1024);

/** Largest numbers that fit the octal fields of 8 and 12 bytes with their terminator. */
export const OCTAL_8 = 0o7777777;
export const OCTAL_12 = 0o77777777777;

export type HeaderFormat = "v7" | "ustar" | "gnu";

/** The fields of one block as they stand there, before any extension changes them. */
export interface HeaderBlock {
  readonly format: HeaderFormat;
  /** `prefix` and `name` joined. */
  readonly name: RawPath;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Whole seconds since 1970. */
  readonly mtime: number;
  /** ASCII code of the type flag. */
  readonly type: number;
  readonly linkName: RawPath;
  readonly major: number;
  readonly minor: number;
}

/** An archive that cannot be read, with the name of the member that is wrong. */
export function badMember(name: RawPath, why: string): CoracleError {
  return new CoracleError("corrupt", `cannot read archive member ${JSON.stringify(text(name))}`, {
    why,
  });
}

/** An archive that cannot be read where no member's name is known. */
export function badArchive(why: string): CoracleError {
  return new CoracleError("corrupt", "cannot read the archive", { why });
}

/** View of the same bytes as a Buffer, whose conversions to text are native. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Bytes `from` to the first NUL, at most `length`, as a raw string. */
export function readName(block: Buffer, from: number, length: number): RawPath {
  if (block[from] === 0) return "" as RawPath;
  let end = from + 1;
  const limit = from + length;
  while (end < limit && block[end] !== 0) end++;
  return block.toString("latin1", from, end) as RawPath;
}

/**
 * A number field: octal with blanks or NUL around it, or base-256 when the first bit is set (GNU,
 * star). Gives NaN for anything else and for numbers beyond 2^53.
 */
export function readNumber(block: Uint8Array, from: number, length: number): number {
  const end = from + length;
  const first = block[from] ?? 0;
  if (first >= 0x80) return readBase256(block, from, end);
  let at = from;
  while (at < end && (block[at] === 0x20 || block[at] === 0)) at++;
  let value = 0;
  for (; at < end; at++) {
    const digit = (block[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 7) break;
    value = value * 8 + digit;
  }
  for (; at < end; at++) if (block[at] !== 0x20 && block[at] !== 0) return NaN;
  return value;
}

function readBase256(block: Uint8Array, from: number, end: number): number {
  const first = block[from] ?? 0;
  const negative = (first & 0x40) !== 0;
  let value = negative ? (first & 0x3f) - 0x40 : first & 0x3f;
  for (let at = from + 1; at < end; at++) value = value * 256 + (block[at] ?? 0);
  return Number.isSafeInteger(value) ? value : NaN;
}

export function isZeroBlock(block: Uint8Array, at: number): boolean {
  for (let i = at; i < at + BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** Sum of the bytes of a block with blanks for the checksum field. */
function sum(block: Uint8Array, at: number): number {
  let total = 256;
  for (let i = at, end = at + 148; i < end; i++) total += block[i]!;
  for (let i = at + 156, end = at + BLOCK; i < end; i++) total += block[i]!;
  return total;
}

/** The same with signed bytes, as some old systems had it. */
function signedSum(block: Uint8Array, at: number): number {
  let total = 256;
  for (let i = 0; i < BLOCK; i++) {
    if (i < 148 || i >= 156) total += (block[at + i]! << 24) >> 24;
  }
  return total;
}

function formatOf(block: Uint8Array, at: number): HeaderFormat {
  // "ustar" NUL "00", or "ustar  " NUL for GNU.
  if (
    block[at + 257] !== 0x75 || block[at + 258] !== 0x73 || block[at + 259] !== 0x74 ||
    block[at + 260] !== 0x61 || block[at + 261] !== 0x72
  ) return "v7";
  return block[at + 262] === 0x20 ? "gnu" : "ustar";
}

function nameOf(block: Buffer, at: number, format: HeaderFormat): RawPath {
  const name = readName(block, at, 100);
  if (format !== "ustar" || block[at + 345] === 0) return name;
  // star's variant ends the prefix after 131 bytes; it says "tar" NUL in the last four bytes.
  const isStar = block.toString("latin1", at + 508, at + 512) === "tar\0";
  return `${readName(block, at + 345, isStar ? 131 : 155)}/${name}` as RawPath;
}

/**
 * Reads the block at `at`. Throws `corrupt` when the checksum or a number is wrong; `offset` is the
 * block's place in the archive, for the message.
 */
export function readHeader(block: Buffer, at: number, offset: number): HeaderBlock {
  const wanted = readNumber(block, at + 148, 8);
  if (wanted !== sum(block, at) && wanted !== signedSum(block, at)) {
    throw badArchive(
      offset === 0
        ? "it does not begin with a tar header"
        : `the header at byte ${offset} has a wrong checksum`,
    );
  }
  const format = formatOf(block, at);
  const type = block[at + 156]!;
  const isDevice = type === 0x33 || type === 0x34;
  const header: HeaderBlock = {
    format,
    name: nameOf(block, at, format),
    mode: readNumber(block, at + 100, 8) & 0o7777,
    uid: readNumber(block, at + 108, 8),
    gid: readNumber(block, at + 116, 8),
    size: readNumber(block, at + 124, 12),
    mtime: readNumber(block, at + 136, 12),
    type,
    linkName: readName(block, at + 157, 100),
    major: isDevice && format !== "v7" ? readNumber(block, at + 329, 8) : 0,
    minor: isDevice && format !== "v7" ? readNumber(block, at + 337, 8) : 0,
  };
  checkNumbers(header);
  return header;
}

function checkNumbers(header: HeaderBlock): void {
  const { size, uid, gid, mtime, major, minor } = header;
  // NaN makes every comparison false.
  if (!(size >= 0)) throw badMember(header.name, "its size is not a number");
  if (!(uid >= 0 && uid <= 0xffffffff) || !(gid >= 0 && gid <= 0xffffffff)) {
    throw badMember(header.name, "its owner is not a number of 32 bits");
  }
  if (Number.isNaN(mtime)) throw badMember(header.name, "its time is not a number");
  if (!(major >= 0 && major <= 0xfff && minor >= 0 && minor <= 0xfffff)) {
    throw badMember(header.name, "its device numbers are out of range");
  }
}

/** What `writeHeader` needs; the caller has put what does not fit into a pax header. */
export interface HeaderFields {
  /** At most 100 bytes; longer is cut. */
  readonly name: string;
  /** At most 155 bytes. */
  readonly prefix?: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly mtime: number;
  /** ASCII code of the type flag. */
  readonly type: number;
  readonly linkName?: string;
  readonly major?: number;
  readonly minor?: number;
}

function writeOctal(block: Uint8Array, at: number, digits: number, value: number): void {
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const next = Math.floor(rest / 8);
    block[i] = 0x30 + (rest - next * 8);
    rest = next;
  }
}

function writeChars(block: Uint8Array, at: number, value: string, most: number): void {
  const length = Math.min(value.length, most);
  for (let i = 0; i < length; i++) block[at + i] = value.charCodeAt(i);
}

/** Writes a ustar block of 512 bytes at `at`. User and group names stay empty. */
export function writeHeader(block: Uint8Array, at: number, fields: HeaderFields): void {
  block.fill(0, at, at + BLOCK);
  writeChars(block, at, fields.name, 100);
  writeOctal(block, at + 100, 7, fields.mode);
  writeOctal(block, at + 108, 7, fields.uid);
  writeOctal(block, at + 116, 7, fields.gid);
  writeOctal(block, at + 124, 11, fields.size);
  writeOctal(block, at + 136, 11, fields.mtime);
  block[at + 156] = fields.type;
  if (fields.linkName !== undefined) writeChars(block, at + 157, fields.linkName, 100);
  writeChars(block, at + 257, "ustar\x0000", 8);
  writeOctal(block, at + 329, 7, fields.major ?? 0);
  writeOctal(block, at + 337, 7, fields.minor ?? 0);
  if (fields.prefix !== undefined) writeChars(block, at + 345, fields.prefix, 155);
  writeOctal(block, at + 148, 6, sum(block, at));
  block[at + 155] = 0x20;
}

/** Bytes from the end of a body of `size` bytes to the next block. */
export function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
