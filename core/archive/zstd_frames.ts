/**
 * Finds the frames in zstd data (RFC 8878, section 3) without decompressing. Needed because the
 * runtimes' decompressors take a cut-off frame for a whole one, and Deno's stops after the first
 * frame of a piece.
 */
import { CoracleError } from "../errors.ts";

const MAGIC = 0xfd2fb528;
/** Sixteen magic numbers of frames to be passed over. */
const SKIPPABLE = 0x184d2a50;

type Place =
  | "magic"
  | "descriptor"
  | "header"
  | "block header"
  | "block"
  | "last block"
  | "checksum"
  | "skip size"
  | "skip";

/**
 * Cuts data into pieces of at most one block, checksums apart; skippable frames are left out. So one
 * piece never gives more output (128 KiB) than a decompressor's buffer holds: an error that Deno's
 * meets in a second round for the same piece ends the process instead of being reported.
 */
export class ZstdFrames {
  #place: Place = "magic";
  /** Bytes of the current place still to come. */
  #left = 4;
  /** The number being read, little-endian, and how many of its bytes are there. */
  #number = 0;
  #read = 0;
  #hasChecksum = false;
  #frames = 0;

  /** The pieces of `bytes`, as views of it where possible. */
  push(bytes: Uint8Array): Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let from = this.#isSilent() ? -1 : 0;
    for (let at = 0; at < bytes.length;) {
      const magicBegan = this.#place === "magic" && this.#read === 0 ? at : -1;
      const wasMagic = this.#place === "magic";
      at += this.#take(bytes, at);
      if (this.#left > 0) break;
      const isBlock = this.#place === "block";
      const ends = this.#next();
      if (wasMagic && this.#place === "descriptor") {
        if (magicBegan >= 0) from = magicBegan;
        else {
          pieces.push(Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd));
          from = at;
        }
      } else if (from >= 0 && (ends || isBlock || this.#place === "checksum")) {
        pieces.push(bytes.subarray(from, at));
        from = ends ? -1 : at;
      }
    }
    if (from >= 0 && from < bytes.length && !this.#isSilent()) pieces.push(bytes.subarray(from));
    return pieces;
  }

  /** The data ends here: throws `corrupt` when it is cut off. */
  end(): void {
    if (this.#place !== "magic" || this.#read > 0 || this.#frames === 0) {
      throw broken("it is cut off");
    }
  }

  /** Are the bytes that come next not for the decompressor, or not yet? */
  #isSilent(): boolean {
    return this.#place === "magic" || this.#place === "skip size" || this.#place === "skip";
  }

  /** Takes what it can of the current place; gives the number of bytes. */
  #take(bytes: Uint8Array, at: number): number {
    const length = Math.min(this.#left, bytes.length - at);
    this.#left -= length;
    if (this.#place !== "block" && this.#place !== "last block" && this.#place !== "skip") {
      for (let i = 0; i < length && this.#read < 4; i++) {
        this.#number += (bytes[at + i] ?? 0) * 2 ** (8 * this.#read++);
      }
    }
    return length;
  }

  #go(place: Place, length: number): void {
    this.#place = place;
    this.#left = length;
    this.#number = 0;
    this.#read = 0;
  }

  /** The current place is complete; true when the frame is. Places of length 0 are passed at once. */
  #next(): boolean {
    const number = this.#number;
    switch (this.#place) {
      case "magic":
        return this.#afterMagic(number);
      case "descriptor":
        this.#go("header", this.#headerLength(number));
        return this.#left === 0 && this.#next();
      case "header":
      case "block":
        this.#go("block header", 3);
        return false;
      case "block header":
        return this.#afterBlockHeader(number);
      case "last block":
        if (!this.#hasChecksum) return this.#frameEnd();
        this.#go("checksum", 4);
        return false;
      case "skip size":
        this.#go("skip", number);
        return number === 0 && this.#next();
      case "checksum":
      case "skip":
        return this.#frameEnd();
    }
  }

  #afterMagic(number: number): boolean {
    if (number === MAGIC) this.#go("descriptor", 1);
    else if (number >= SKIPPABLE && number <= SKIPPABLE + 15) this.#go("skip size", 4);
    else throw broken("what follows a frame is not a frame");
    return false;
  }

  #headerLength(descriptor: number): number {
    const isSingle = (descriptor & 0x20) !== 0;
    this.#hasChecksum = (descriptor & 0x04) !== 0;
    const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
    const size = [isSingle ? 1 : 0, 2, 4, 8][descriptor >> 6] ?? 0;
    return (isSingle ? 0 : 1) + dictionary + size;
  }

  #afterBlockHeader(header: number): boolean {
    const type = (header >> 1) & 3;
    if (type === 3) throw broken("a block has a reserved type");
    // A run-length block stores its one byte, whatever its size.
    this.#go((header & 1) === 1 ? "last block" : "block", type === 1 ? 1 : header >> 3);
    return this.#left === 0 && this.#next();
  }

  #frameEnd(): boolean {
    this.#frames++;
    this.#go("magic", 4);
    return true;
  }
}

function broken(why: string): CoracleError {
  return new CoracleError("corrupt", "cannot decompress zstd data", { why });
}
