/**
 * Members of an archive as plain pieces of bytes, for archives that carry other things (images):
 * an index of a seekable file, and a visitor for a stream.
 */
import type { ByteSink, RawPath } from "../terms.ts";
import { type Fd, pread } from "../sys/at.ts";
import { cleanPath } from "./member_path.ts";
import { badArchive, badMember, BLOCK, padding } from "./tar_header.ts";
import { MemberAssembler, type MemberType, type TarMember } from "./tar_member.ts";
import { TAR_LIMITS } from "./tar_reader.ts";
import { TarStream } from "./tar_stream.ts";

/** Where a member's body is. */
export interface IndexedMember {
  /** Of the body's first byte in the archive. */
  readonly offset: number;
  readonly size: number;
  readonly type: MemberType;
  /** Symlink: as written. Hard link: the cleaned name of the other member. */
  readonly linkTarget?: RawPath;
}

const RULES = {
  absolute: "refuse",
  pathBytes: TAR_LIMITS.pathBytes,
  depth: TAR_LIMITS.depth,
} as const;
/** An outer archive has a few members per layer. */
const MOST_MEMBERS = 1_000_000;

function nameOf(member: TarMember): RawPath {
  if (member.sparse !== undefined) {
    throw badMember(member.name, "a file with holes cannot be read in place");
  }
  return cleanPath(member.name, member.name, RULES);
}

function linkOf(member: TarMember): { linkTarget?: RawPath } {
  if (member.type === "symlink") return { linkTarget: member.linkName };
  if (member.type !== "hardlink") return {};
  return { linkTarget: cleanPath(member.linkName, member.name, RULES) };
}

/**
 * The members of the plain tar in `fd`, `size` bytes long, by cleaned name; a name that comes twice
 * has its last member. Bodies are not read. Throws `corrupt`.
 */
export function indexTar(fd: Fd, size: number): Map<RawPath, IndexedMember> {
  const found = new Map<RawPath, IndexedMember>();
  const assembler = new MemberAssembler(TAR_LIMITS.metaBytes);
  const block = Buffer.alloc(BLOCK);
  let at = 0;
  for (let zeros = 0; zeros === 0;) {
    readWhole(fd, block, { at, size, last: assembler.lastName });
    const step = assembler.block(block, 0, at);
    at += BLOCK;
    if (step.kind === "zeros") zeros++;
    else if (step.kind === "meta") {
      const body = Buffer.alloc(step.bytes);
      readWhole(fd, body, { at, size, last: assembler.lastName });
      assembler.meta(body);
      at += step.bytes + padding(step.bytes);
    } else if (step.kind === "member") {
      const { member } = step;
      if (at + member.size > size) throw badMember(member.name, "the archive is cut off in it");
      if (member.type !== "label") addMember(found, member, at);
      at += member.size + padding(member.size);
    }
  }
  return found;
}

function addMember(found: Map<RawPath, IndexedMember>, member: TarMember, offset: number): void {
  found.set(nameOf(member), { offset, size: member.size, type: member.type, ...linkOf(member) });
  if (found.size > MOST_MEMBERS) throw badArchive(`it has more than ${MOST_MEMBERS} members`);
}

function readWhole(
  fd: Fd,
  into: Buffer,
  place: { readonly at: number; readonly size: number; readonly last: RawPath | null },
): void {
  const { at, size, last } = place;
  for (let done = 0; done < into.length;) {
    const count = at + done < size ? pread(fd, into.subarray(done), at + done) : 0;
    if (count === 0) {
      throw last === null
        ? badArchive("it is empty or cut off in its first header")
        : badMember(last, "the archive is cut off in or after it");
    }
    done += count;
  }
}

/** A member in a stream, before its body. */
export interface VisitedMember {
  readonly name: RawPath;
  readonly type: MemberType;
  readonly size: number;
  readonly linkTarget?: RawPath;
}

export interface MemberVisitor {
  /** Returns where the body goes, or null to pass over it. */
  onMember(member: VisitedMember): ByteSink | null;
  /** The body of the member announced last is whole. */
  onMemberEnd?(): void;
}

/** Visits the members of an archive that arrives as a stream. */
export class TarMembers {
  readonly #stream: TarStream;
  #sink: ByteSink | null = null;

  constructor(
    visitor: MemberVisitor,
    options: { readonly endMarker?: "required" | "optional" } = {},
  ) {
    this.#stream = new TarStream({
      member: (member) => {
        this.#sink = null;
        if (member.type === "label") return;
        const { type, size } = member;
        this.#sink = visitor.onMember({ name: nameOf(member), type, size, ...linkOf(member) });
      },
      body: (bytes) => this.#sink?.write(bytes),
      bodyEnd: () => visitor.onMemberEnd?.(),
    }, { metaBytes: TAR_LIMITS.metaBytes, endMarker: options.endMarker ?? "required" });
  }

  push(bytes: Uint8Array): void {
    this.#stream.push(bytes);
  }

  /** Throws `corrupt` when the archive is cut off. */
  end(): void {
    this.#stream.end();
  }
}
