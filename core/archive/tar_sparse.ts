/**
 * Sparse files in archives: the maps of GNU tar (tar manual, "Storing Sparse Files": the old GNU
 * header and pax 0.0, 0.1, 1.0) and the expansion of their data to the whole file.
 */
import type { ByteSink, RawPath } from "../terms.ts";
import type { PaxRecord } from "./pax.ts";
import { badMember, BLOCK, readNumber, ZEROS } from "./tar_header.ts";

/** A run of data; what lies between the runs is holes. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

export interface SparseMap {
  /** Size of the whole file, bytes. */
  readonly size: number;
  /** In order, without overlap. */
  readonly extents: readonly Extent[];
}

/** A map of this many runs needs tens of megabytes: no file has it by nature. */
const MOST_EXTENTS = 1_000_000;

/** Checks order and sums: `packed` is how many bytes of data the archive has. */
export function checkedMap(name: RawPath, map: SparseMap, packed: number): SparseMap {
  let end = 0;
  let sum = 0;
  for (const { offset, length } of map.extents) {
    if (!(offset >= end) || !(length >= 0)) {
      throw badMember(name, "its map of holes is not in order");
    }
    end = offset + length;
    sum += length;
  }
  if (!(map.size >= end) || !Number.isSafeInteger(map.size)) {
    throw badMember(name, "its map of holes reaches beyond its size");
  }
  if (sum !== packed) throw badMember(name, "its map of holes does not match its data");
  return map;
}

/** Adds the runs of an old GNU header (4 at 386) or of a following block (21 at 0). */
export function readGnuExtents(
  name: RawPath,
  block: Uint8Array,
  place: { readonly at: number; readonly count: number },
  into: Extent[],
): void {
  for (let i = 0; i < place.count; i++) {
    const at = place.at + i * 24;
    if (block[at] === 0 && block[at + 12] === 0) return;
    into.push({ offset: readNumber(block, at, 12), length: readNumber(block, at + 12, 12) });
  }
  if (into.length > MOST_EXTENTS) throw badMember(name, "its map of holes is too long");
}

/** The map of pax formats 0.0 and 0.1; null when the records have none. */
export function readPaxExtents(name: RawPath, records: readonly PaxRecord[]): Extent[] | null {
  let numbers: number[] | null = null;
  for (const [key, value] of records) {
    if (key === "GNU.sparse.map") numbers = value === "" ? [] : value.split(",").map(decimal);
    else if (key === "GNU.sparse.offset" || key === "GNU.sparse.numbytes") {
      numbers ??= [];
      // Offset and length must alternate.
      if ((numbers.length % 2 === 0) !== (key === "GNU.sparse.offset")) {
        throw badMember(name, "its map of holes is not in order");
      }
      numbers.push(decimal(value));
    }
  }
  return numbers === null ? null : pairs(name, numbers);
}

function decimal(value: string): number {
  return /^[0-9]{1,16}$/.test(value) ? Number(value) : NaN;
}

function pairs(name: RawPath, numbers: readonly number[]): Extent[] {
  if (numbers.length % 2 !== 0 || numbers.length > 2 * MOST_EXTENTS) {
    throw badMember(name, "its map of holes is not in order");
  }
  const extents: Extent[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    extents.push({ offset: numbers[i] ?? NaN, length: numbers[i + 1] ?? NaN });
  }
  return extents;
}

/**
 * Collects the map of pax format 1.0, which stands before the data: decimal numbers, one a line,
 * first the count of runs, padded to whole blocks.
 */
export class LeadingMap {
  readonly #name: RawPath;
  readonly #numbers: number[] = [];
  #digits = "";
  #taken = 0;
  #wanted = -1;

  constructor(name: RawPath) {
    this.#name = name;
  }

  /** Blocks of the archive the map has used so far, in bytes. */
  get taken(): number {
    return this.#taken;
  }

  /** Takes one block; gives the runs when the map is whole, else null. */
  block(bytes: Uint8Array): Extent[] | null {
    this.#taken += BLOCK;
    for (let i = 0; i < BLOCK; i++) {
      const byte = bytes[i]!;
      if (byte === 0x0a) this.#line();
      else if (byte >= 0x30 && byte <= 0x39 && this.#digits.length < 16) {
        this.#digits += String.fromCharCode(byte);
      } else throw badMember(this.#name, "its map of holes is not a list of numbers");
      if (this.#numbers.length === this.#wanted) return pairs(this.#name, this.#numbers);
    }
    return null;
  }

  #line(): void {
    const number = decimal(this.#digits);
    this.#digits = "";
    if (this.#wanted >= 0) this.#numbers.push(number);
    else if (!(number <= MOST_EXTENTS)) {
      throw badMember(this.#name, "its map of holes is too long");
    } else this.#wanted = number * 2;
  }
}

/** Turns the packed data of a sparse file into the whole content, holes as `ZEROS`. */
export class SparseExpander {
  readonly #out: ByteSink;
  readonly #map: SparseMap;
  #next = 0;
  /** Bytes of the current run that are still to come. */
  #left = 0;
  #at = 0;

  constructor(out: ByteSink, map: SparseMap) {
    this.#out = out;
    this.#map = map;
    this.#advance();
  }

  write(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const length = Math.min(this.#left, bytes.length - at);
      this.#out.write(bytes.subarray(at, at + length));
      at += length;
      this.#at += length;
      this.#left -= length;
      if (this.#left === 0) this.#advance();
    }
  }

  /** Sends the holes up to the next run, or to the end of the file. */
  #advance(): void {
    const { extents, size } = this.#map;
    while (this.#left === 0) {
      const extent = extents[this.#next++];
      this.#hole(extent === undefined ? size : extent.offset);
      if (extent === undefined) return;
      this.#left = extent.length;
    }
  }

  #hole(end: number): void {
    while (this.#at < end) {
      const length = Math.min(ZEROS.length, end - this.#at);
      this.#out.write(length === ZEROS.length ? ZEROS : ZEROS.subarray(0, length));
      this.#at += length;
    }
  }
}
