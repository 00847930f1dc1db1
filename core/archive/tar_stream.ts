/**
 * Cuts a stream of bytes into members: a push parser that owns one header block and passes bodies
 * through without copying. The layer below `TarReader` and `TarMembers`.
 */
import type { RawPath } from "../terms.ts";
import { asBuffer, badArchive, badMember, BLOCK, padding } from "./tar_header.ts";
import { MemberAssembler, type TarMember } from "./tar_member.ts";

/** Told what is in the archive; calls come in the order of the archive. */
export interface MemberHandler {
  member(member: TarMember): void;
  /** The next bytes of the member's body; must not be kept. */
  body(bytes: Uint8Array): void;
  /** The body is whole (also called when it is empty). */
  bodyEnd(): void;
}

export interface TarStreamOptions {
  /** Most bytes of one extended header. */
  readonly metaBytes: number;
  /**
   * Must the archive end with at least one block of zeros? Without one, an archive that was cut
   * between two members looks whole.
   */
  readonly endMarker: "required" | "optional";
  /** Shown every byte that is no body, in the order of the archive, also what follows the end. */
  readonly onRaw?: (bytes: Uint8Array) => void;
}

type Place = "header" | "meta" | "body" | "padding" | "done";

export class TarStream {
  readonly #handler: MemberHandler;
  readonly #endMarker: "required" | "optional";
  readonly #onRaw: ((bytes: Uint8Array) => void) | undefined;
  readonly #assembler: MemberAssembler;
  readonly #block = Buffer.alloc(BLOCK);
  #held = 0;
  #place: Place = "header";
  /** Bytes that are still to come of what `#place` says. */
  #left = 0;
  #paddingAfter = 0;
  #meta: Buffer = Buffer.alloc(0);
  #offset = 0;
  #zeros = 0;

  constructor(handler: MemberHandler, options: TarStreamOptions) {
    this.#handler = handler;
    this.#endMarker = options.endMarker;
    this.#onRaw = options.onRaw;
    this.#assembler = new MemberAssembler(options.metaBytes);
  }

  /** Has the end marker been read? What follows it is ignored. */
  get isDone(): boolean {
    return this.#place === "done";
  }

  push(bytes: Uint8Array): void {
    const buffer = asBuffer(bytes);
    let at = 0;
    while (at < buffer.length) {
      if (this.#place === "header") at = this.#headers(buffer, at);
      else if (this.#place !== "done") at = this.#content(buffer, at);
      else {
        this.#onRaw?.(buffer.subarray(at));
        return;
      }
    }
  }

  #headers(buffer: Buffer, from: number): number {
    if (this.#held === 0 && buffer.length - from >= BLOCK) {
      this.#onRaw?.(buffer.subarray(from, from + BLOCK));
      this.#header(buffer, from);
      return from + BLOCK;
    }
    const length = Math.min(BLOCK - this.#held, buffer.length - from);
    this.#onRaw?.(buffer.subarray(from, from + length));
    buffer.copy(this.#block, this.#held, from, from + length);
    this.#held += length;
    if (this.#held === BLOCK) {
      this.#held = 0;
      this.#header(this.#block, 0);
    }
    return from + length;
  }

  #header(block: Buffer, at: number): void {
    const offset = this.#offset;
    this.#offset += BLOCK;
    const step = this.#assembler.block(block, at, offset);
    if (step.kind === "zeros") {
      if (this.#assembler.isPending) throw this.#cut();
      if (++this.#zeros === 2) this.#place = "done";
      return;
    }
    if (this.#zeros > 0) throw badArchive(`a block of zeros stands before byte ${offset}`);
    if (step.kind === "meta") this.#startMeta(step.bytes);
    else if (step.kind === "member") this.#startBody(step.member);
  }

  #startMeta(size: number): void {
    this.#meta = Buffer.alloc(size);
    this.#place = "meta";
    this.#left = size;
    this.#paddingAfter = padding(size);
    if (size === 0) this.#metaEnd();
  }

  #startBody(member: TarMember): void {
    this.#handler.member(member);
    this.#place = "body";
    this.#left = member.size;
    this.#paddingAfter = padding(member.size);
    if (member.size === 0) this.#bodyEnd();
  }

  #content(buffer: Buffer, from: number): number {
    const length = Math.min(this.#left, buffer.length - from);
    const end = from + length;
    this.#left -= length;
    this.#offset += length;
    if (this.#place !== "body") this.#onRaw?.(buffer.subarray(from, end));
    if (this.#place === "body") {
      this.#handler.body(length === buffer.length ? buffer : buffer.subarray(from, end));
      if (this.#left === 0) this.#bodyEnd();
    } else if (this.#place === "meta") {
      buffer.copy(this.#meta, this.#meta.length - this.#left - length, from, end);
      if (this.#left === 0) this.#metaEnd();
    } else if (this.#left === 0) this.#place = "header";
    return end;
  }

  #metaEnd(): void {
    this.#assembler.meta(this.#meta);
    this.#startPadding();
  }

  #bodyEnd(): void {
    this.#handler.bodyEnd();
    this.#startPadding();
  }

  #startPadding(): void {
    this.#left = this.#paddingAfter;
    this.#place = this.#left === 0 ? "header" : "padding";
  }

  #cut(): Error {
    const last = this.#assembler.lastName;
    if (last === null) return badArchive("it is empty or cut off in its first header");
    return badMember(last, "the archive is cut off in or after it");
  }

  /** No more bytes come. Throws `corrupt` when the archive is not whole. */
  end(): void {
    if (this.#place === "done") return;
    const isBetween = this.#place === "header" && this.#held === 0 && !this.#assembler.isPending;
    // GNU tar too takes a single block of zeros at the end of a file for the end marker.
    if (isBetween && this.#zeros > 0) return;
    if (isBetween && this.#endMarker === "optional" && this.#offset > 0) return;
    throw this.#cut();
  }

  /** Name of the member read last; null before the first. */
  get lastName(): RawPath | null {
    return this.#assembler.lastName;
  }
}
