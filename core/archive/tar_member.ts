/**
 * Puts a member together from its header block and what goes before it: pax headers (x, g), GNU long
 * names (L, K) and old GNU sparse maps. Knows nothing of where the bytes come from.
 */
import { type RawPath, text } from "../terms.ts";
import { decodeKeyName, parsePax, parsePaxNumber, parsePaxTime, type PaxRecord } from "./pax.ts";
import {
  asBuffer,
  badArchive,
  badMember,
  BLOCK,
  type HeaderBlock,
  isZeroBlock,
  readHeader,
  readName,
  readNumber,
} from "./tar_header.ts";
import {
  checkedMap,
  type Extent,
  readGnuExtents,
  readPaxExtents,
  type SparseMap,
} from "./tar_sparse.ts";

export type MemberType =
  | "file"
  | "dir"
  | "symlink"
  | "hardlink"
  | "fifo"
  | "char"
  | "block"
  /** A volume label and the like: to be passed over. */
  | "label";

/** One member of an archive, its name not yet cleaned. */
export interface TarMember {
  readonly name: RawPath;
  readonly type: MemberType;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  /** Bytes of body in the archive, without padding. */
  readonly size: number;
  readonly linkName: RawPath;
  readonly major: number;
  readonly minor: number;
  readonly xattrs: ReadonlyMap<RawPath, Uint8Array> | undefined;
  /** Runs of data of a sparse file; "leading" when they stand at the start of the body (pax 1.0). */
  readonly sparse: SparseMap | { readonly size: number; readonly extents: "leading" } | undefined;
  /** Where the member's own header block stands in the archive. */
  readonly offset: number;
}

/** What the block was: an extension whose body of `bytes` bytes must be handed to `meta`, … */
export type Step =
  | { readonly kind: "meta"; readonly bytes: number }
  /** … one more block of an old GNU sparse map follows, … */
  | { readonly kind: "map" }
  /** … a block of zeros, … */
  | { readonly kind: "zeros" }
  /** … or the header of a member. */
  | { readonly kind: "member"; readonly member: TarMember };

const ZEROS_STEP: Step = { kind: "zeros" };
const MAP_STEP: Step = { kind: "map" };
const GNU_MAP_MORE = 482;
const GNU_REAL_SIZE = 483;

export class MemberAssembler {
  readonly #metaBytes: number;
  #globals: readonly PaxRecord[] = [];
  #records: readonly PaxRecord[] | null = null;
  #longName: RawPath | null = null;
  #longLink: RawPath | null = null;
  #metaType = 0;
  #gnuSparse: { header: HeaderBlock; size: number; extents: Extent[]; offset: number } | null =
    null;
  /** Name of the member read last, for messages about what follows it. */
  lastName: RawPath | null = null;

  /** `metaBytes`: most bytes of one extended header or long name. */
  constructor(metaBytes: number) {
    this.#metaBytes = metaBytes;
  }

  /** Has an extension been read whose member has not come yet? */
  get isPending(): boolean {
    return this.#records !== null || this.#longName !== null || this.#longLink !== null ||
      this.#gnuSparse !== null;
  }

  /** Takes the header block at `at`; `offset` is its place in the archive. */
  block(block: Buffer, at: number, offset: number): Step {
    if (this.#gnuSparse !== null) return this.#mapBlock(block, at);
    if (block[at] === 0 && isZeroBlock(block, at)) return ZEROS_STEP;
    const header = readHeader(block, at, offset);
    switch (header.type) {
      case 0x78: // x
      case 0x58: // X, Solaris
      case 0x67: // g
      case 0x4c: // L
      case 0x4b: // K
        return this.#metaStep(header);
      case 0x53: // S
        return this.#oldSparse(block, at, header, offset);
      default:
        return this.#member(header, offset);
    }
  }

  #metaStep(header: HeaderBlock): Step {
    if (header.size > this.#metaBytes) {
      throw badMember(header.name, `its extended header has more than ${this.#metaBytes} bytes`);
    }
    this.#metaType = header.type;
    this.lastName ??= header.name;
    return { kind: "meta", bytes: header.size };
  }

  /** Takes the body that a "meta" step asked for. */
  meta(body: Uint8Array): void {
    if (this.#metaType === 0x4c) this.#longName = readName(asBuffer(body), 0, body.length);
    else if (this.#metaType === 0x4b) this.#longLink = readName(asBuffer(body), 0, body.length);
    else {
      const records = parsePax(body);
      if (typeof records === "string") {
        throw badArchive(
          this.lastName === null
            ? records
            : `${records}, after ${JSON.stringify(text(this.lastName))}`,
        );
      }
      if (this.#metaType === 0x67) this.#globals = mergedGlobals(this.#globals, records);
      else this.#records = this.#records === null ? records : [...this.#records, ...records];
    }
  }

  #oldSparse(block: Buffer, at: number, header: HeaderBlock, offset: number): Step {
    const extents: Extent[] = [];
    readGnuExtents(header.name, block, { at: at + 386, count: 4 }, extents);
    const size = readNumber(block, at + GNU_REAL_SIZE, 12);
    this.#gnuSparse = { header, size, extents, offset };
    this.lastName = this.#longName ?? header.name;
    return block[at + GNU_MAP_MORE] === 0 ? this.#oldSparseMember() : MAP_STEP;
  }

  #mapBlock(block: Buffer, at: number): Step {
    const sparse = this.#gnuSparse;
    if (sparse === null) return MAP_STEP;
    readGnuExtents(sparse.header.name, block, { at, count: 21 }, sparse.extents);
    return block[at + BLOCK - 8] === 0 ? this.#oldSparseMember() : MAP_STEP;
  }

  #oldSparseMember(): Step {
    const sparse = this.#gnuSparse;
    if (sparse === null) return ZEROS_STEP;
    this.#gnuSparse = null;
    const map = checkedMap(sparse.header.name, sparse, sparse.header.size);
    return this.#member(sparse.header, sparse.offset, map);
  }

  #member(header: HeaderBlock, offset: number, sparse?: SparseMap): Step {
    let member: TarMember = {
      name: this.#longName ?? header.name,
      type: sparse === undefined ? typeOf(header) : "file",
      mode: header.mode,
      uid: header.uid,
      gid: header.gid,
      mtime: BigInt(header.mtime) * 1_000_000_000n,
      size: header.size,
      linkName: this.#longLink ?? header.linkName,
      major: header.major,
      minor: header.minor,
      xattrs: undefined,
      sparse,
      offset,
    };
    if (this.#globals.length > 0) member = withPax(member, this.#globals);
    if (this.#records !== null) member = withPax(member, this.#records);
    this.#records = this.#longName = this.#longLink = null;
    this.lastName = member.name;
    return { kind: "member", member: withoutAmbiguity(member) };
  }
}

/** Only what is harmless for all members may stand in a global header; readers differ on the rest. */
function mergedGlobals(old: readonly PaxRecord[], add: readonly PaxRecord[]): PaxRecord[] {
  const merged = new Map(old);
  for (const [key, value] of add) {
    if (/^(?:path|linkpath|size|GNU\.sparse\..*|(?:SCHILY|LIBARCHIVE)\.xattr\..*)$/s.test(key)) {
      throw badArchive(`a global extended header sets ${JSON.stringify(key)} for every member`);
    }
    merged.set(key, value);
  }
  return [...merged];
}

function typeOf(header: HeaderBlock): MemberType {
  switch (header.type) {
    case 0:
    case 0x30: // 0
    case 0x37: // 7, contiguous
      return "file";
    case 0x31:
      return "hardlink";
    case 0x32:
      return "symlink";
    case 0x33:
      return "char";
    case 0x34:
      return "block";
    case 0x35:
      return "dir";
    case 0x36:
      return "fifo";
    case 0x56: // V
      return "label";
  }
  throw badMember(
    header.name,
    `its type ${JSON.stringify(String.fromCharCode(header.type))} is not known`,
  );
}

/**
 * A directory written as a file with a slash (v7). And bodies where readers differ: GNU tar passes
 * over the body of a directory or symlink, Go's tar does not, so that one archive would show two
 * trees. Hard links have a size without a body in some archives; all readers agree on that.
 */
function withoutAmbiguity(member: TarMember): TarMember {
  let type = member.type;
  if (type === "file" && member.sparse === undefined && member.name.endsWith("/")) type = "dir";
  if (type === "file" || type === "label") return member;
  if (type === "hardlink") return member.size === 0 ? member : { ...member, size: 0 };
  if (member.size !== 0) throw badMember(member.name, `it is a ${type} with content`);
  return type === member.type ? member : { ...member, type };
}

type Writable = { -readonly [K in keyof TarMember]: TarMember[K] };

function withPax(member: TarMember, records: readonly PaxRecord[]): TarMember {
  const out: Writable = { ...member };
  const xattrs = new Map<RawPath, Uint8Array>(member.xattrs);
  let sparse: Map<string, string> | null = null;
  for (const [key, value] of records) {
    if (key.startsWith("SCHILY.xattr.")) {
      xattrs.set(decodeKeyName(key.slice(13)) as RawPath, Buffer.from(value, "latin1"));
    } else if (key.startsWith("LIBARCHIVE.xattr.")) {
      const name = unescaped(key.slice(17));
      if (!xattrs.has(name)) xattrs.set(name, Buffer.from(value, "base64"));
    } else if (key.startsWith("GNU.sparse.")) (sparse ??= new Map()).set(key.slice(11), value);
    else if (value !== "") applyRecord(out, key, value);
  }
  if (xattrs.size > 0) out.xattrs = xattrs;
  if (sparse !== null) applySparse(out, sparse, records);
  return out;
}

/** libarchive writes the bytes of an attribute's name that are not plain as %XX. */
function unescaped(name: string): RawPath {
  return name.replace(
    /%([0-9A-Fa-f]{2})/g,
    (_, hex) => String.fromCharCode(parseInt(hex, 16)),
  ) as RawPath;
}

function applyRecord(out: Writable, key: string, value: string): void {
  switch (key) {
    case "path":
      out.name = value as RawPath;
      return;
    case "linkpath":
      out.linkName = value as RawPath;
      return;
    case "size":
      out.size = needed(out.name, key, parsePaxNumber(value));
      return;
    case "uid":
    case "gid": {
      const id = needed(out.name, key, parsePaxNumber(value));
      if (id > 0xffffffff) throw badMember(out.name, "its owner is not a number of 32 bits");
      out[key] = id;
      return;
    }
    case "mtime":
      out.mtime = needed(out.name, key, parsePaxTime(value));
      return;
  }
}

function needed<T>(name: RawPath, key: string, value: T | null): T {
  if (value === null) throw badMember(name, `"${key}" in its extended header is not a number`);
  return value;
}

function applySparse(
  out: Writable,
  fields: ReadonlyMap<string, string>,
  records: readonly PaxRecord[],
): void {
  if (out.type !== "file") throw badMember(out.name, `it is a ${out.type} with a map of holes`);
  const name = fields.get("name");
  if (name !== undefined && name !== "") out.name = name as RawPath;
  const size = parsePaxNumber(fields.get("realsize") ?? fields.get("size") ?? "");
  if (size === null) throw badMember(out.name, "the size of a file with holes is not a number");
  if (fields.has("major")) {
    if (fields.get("major") !== "1" || fields.get("minor") !== "0") {
      throw badMember(out.name, "its map of holes has an unknown version");
    }
    out.sparse = { size, extents: "leading" };
    return;
  }
  const extents = readPaxExtents(out.name, records);
  if (extents === null) throw badMember(out.name, "its map of holes is missing");
  out.sparse = checkedMap(out.name, { size, extents }, out.size);
}
