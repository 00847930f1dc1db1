/**
 * Writes a tree as a tar archive in one canonical form: the same entries give the same bytes, on
 * every host and in every run. ustar where it fits, pax records for the rest, owners as numbers
 * only, two blocks of zeros at the end and no padding to a record of 10,240 bytes.
 */
import { CoracleError } from "../errors.ts";
import type { ByteSink, RawPath, TreeEntry, TreeSink } from "../terms.ts";
import { baseOf, isReservedName, parentOf, quoted, WHITEOUT_PREFIX } from "./member_path.ts";
import { encodeKeyName, formatPax, formatPaxTime } from "./pax.ts";
import { BLOCK, OCTAL_12, OCTAL_8, padding, writeHeader, ZEROS } from "./tar_header.ts";

export interface TarWriteOptions {
  /** "oci": whiteouts are written as `.wh.` files. "refuse" (default): a tree with one is an error. */
  readonly whiteouts?: "oci" | "refuse";
  /**
   * What to do, with whiteouts "oci", with real files whose names begin with `.wh.`: in the image
   * they would delete other files. "refuse" (default) fails in `end` with the list of names.
   */
  readonly reservedNames?: "refuse" | "skip";
}

/** What could not be written and was left out. */
export interface TarWriteNotes {
  /** tar has no sockets. */
  sockets: number;
  /** Names left out by `reservedNames: "skip"`. */
  reserved: RawPath[];
}

const TYPE_FLAGS: Readonly<Record<TreeEntry["type"], number>> = {
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  char: 0x33,
  block: 0x34,
  dir: 0x35,
  fifo: 0x36,
  whiteout: 0x30,
  opaque: 0x30,
  socket: 0,
};

const BATCH = 256 * 1024;
/** Pieces from this size on go straight to the output. */
const DIRECT = 32 * 1024;
const NOT_ASCII = /[\u0080-\uffff]/;
const NOT_UTF8 = "\ufffd";

export class TarWriter implements TreeSink {
  readonly notes: TarWriteNotes = { sockets: 0, reserved: [] };
  readonly #out: ByteSink;
  readonly #options: TarWriteOptions;
  readonly #batch = new Uint8Array(new ArrayBuffer(BATCH));
  #used = 0;
  /** Bytes of the current file that are still to come. */
  #left = 0;
  #padding = 0;
  #isSkipping = false;
  #current: RawPath = "" as RawPath;

  constructor(out: ByteSink, options: TarWriteOptions = {}) {
    this.#out = out;
    this.#options = options;
  }

  entry(entry: TreeEntry): void {
    this.#finishFile();
    this.#current = entry.path;
    this.#left = entry.type === "file" ? entry.size : 0;
    this.#padding = padding(this.#left);
    this.#isSkipping = this.#isLeftOut(entry);
    if (this.#isSkipping) return;
    this.#header(
      entry.type === "whiteout" || entry.type === "opaque" ? this.#whiteout(entry) : entry,
    );
  }

  write(bytes: Uint8Array): void {
    if (bytes.length > this.#left) throw this.#wrongSize(`more than ${this.#left} bytes came`);
    this.#left -= bytes.length;
    if (!this.#isSkipping) this.#bytes(bytes);
  }

  end(): void {
    this.#finishFile();
    const { reserved } = this.notes;
    if (reserved.length > 0 && this.#options.reservedNames !== "skip") {
      throw reservedError(reserved);
    }
    this.#bytes(ZEROS.subarray(0, 2 * BLOCK));
    this.#flush();
  }

  #finishFile(): void {
    if (this.#left > 0) throw this.#wrongSize(`${this.#left} bytes are missing`);
    if (this.#padding > 0 && !this.#isSkipping) this.#bytes(ZEROS.subarray(0, this.#padding));
    this.#padding = 0;
  }

  /** A source that breaks its promise is a bug of ours, not a user's error. */
  #wrongSize(what: string): Error {
    return new Error(`file ${quoted(this.#current)} was announced with another size: ${what}`);
  }

  #isLeftOut(entry: TreeEntry): boolean {
    if (entry.type === "socket") {
      this.notes.sockets++;
      return true;
    }
    if (this.#options.whiteouts !== "oci") return false;
    const isReserved = isReservedName(entry.path) ||
      (entry.type === "hardlink" && isReservedName(entry.linkTarget ?? entry.path));
    if (isReserved) this.notes.reserved.push(entry.path);
    return isReserved;
  }

  #whiteout(entry: TreeEntry): TreeEntry {
    if (this.#options.whiteouts !== "oci") {
      throw new CoracleError(
        "unsupported",
        `cannot write ${quoted(entry.path)} to a plain archive`,
        {
          why: `it is a ${entry.type} of a layer`,
        },
      );
    }
    const directory = entry.type === "opaque" ? entry.path : parentOf(entry.path);
    const name = entry.type === "opaque" ? ".wh..opq" : baseOf(entry.path);
    const path = `${directory}${directory === "" ? "" : "/"}${WHITEOUT_PREFIX}${name}` as RawPath;
    return { path, type: "file", mode: 0, uid: 0, gid: 0, mtime: 0n, size: 0 };
  }

  #header(entry: TreeEntry): void {
    const path = memberName(entry);
    const place = splitName(path);
    const records = paxRecords(entry, path, place !== null);
    if (records !== "") this.#paxHeader(path, records);
    const seconds = wholeSeconds(entry.mtime);
    this.#block({
      name: place === null ? path : place.name,
      prefix: place?.prefix,
      mode: entry.mode,
      uid: entry.uid > OCTAL_8 ? 0 : entry.uid,
      gid: entry.gid > OCTAL_8 ? 0 : entry.gid,
      size: entry.type === "file" && entry.size <= OCTAL_12 ? entry.size : 0,
      mtime: seconds < 0 || seconds > OCTAL_12 ? 0 : seconds,
      type: TYPE_FLAGS[entry.type],
      linkName: entry.linkTarget,
      major: entry.device?.major,
      minor: entry.device?.minor,
    });
  }

  /** The name of the extended header itself matters to nobody; Go's and star's readers know this one. */
  #paxHeader(path: string, records: string): void {
    const body = Buffer.from(records, "latin1");
    const name = `PaxHeaders.0/${baseOf(path.replace(/\/$/, "") as RawPath)}`;
    const fields = { mode: 0o644, uid: 0, gid: 0, mtime: 0, type: 0x78 };
    this.#block({ name: name.replace(/[^\x20-\x7e]/g, "_"), size: body.length, ...fields });
    this.#bytes(body);
    this.#bytes(ZEROS.subarray(0, padding(body.length)));
  }

  #block(fields: Parameters<typeof writeHeader>[2]): void {
    if (this.#used + BLOCK > BATCH) this.#flush();
    writeHeader(this.#batch, this.#used, fields);
    this.#used += BLOCK;
  }

  #bytes(bytes: Uint8Array): void {
    if (this.#used + bytes.length > BATCH) {
      this.#flush();
      if (bytes.length > BATCH) return this.#out.write(bytes);
    }
    if (bytes.length >= DIRECT) {
      this.#flush();
      return this.#out.write(bytes);
    }
    this.#batch.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #flush(): void {
    if (this.#used === 0) return;
    const used = this.#used;
    this.#used = 0;
    this.#out.write(used === BATCH ? this.#batch : this.#batch.subarray(0, used));
  }
}

function reservedError(names: readonly RawPath[]): CoracleError {
  const shown = names.slice(0, 10).map(quoted).join(", ");
  const more = names.length > 10 ? ` and ${names.length - 10} more` : "";
  return new CoracleError("unsupported", "cannot write the tree as a layer", {
    why: `names that begin with ".wh." would delete files in the image: ${shown}${more}`,
    hint: "rename these files, or leave them out with --reserved-names=skip",
  });
}

function memberName(entry: TreeEntry): string {
  if (entry.type !== "dir") return entry.path;
  return entry.path === "" ? "./" : `${entry.path}/`;
}

/** How the name goes into the block, or null when it needs a pax record. */
function splitName(path: string): { name: string; prefix?: string } | null {
  if (path.length <= 100) return !NOT_ASCII.test(path) ? { name: path } : null;
  if (path.length > 256 || NOT_ASCII.test(path)) return null;
  // The slash between the two is not written; a directory's last slash must stay in the name.
  const slash = path.indexOf("/", path.length - 101);
  if (slash <= 0 || slash > 155 || slash === path.length - 1) return null;
  return { name: path.slice(slash + 1), prefix: path.slice(0, slash) };
}

function wholeSeconds(nanos: bigint): number {
  const seconds = nanos / 1_000_000_000n;
  return Number(nanos < 0n && nanos % 1_000_000_000n !== 0n ? seconds - 1n : seconds);
}

function isUtf8(bytes: string): boolean {
  if (!NOT_ASCII.test(bytes)) return true;
  const decoded = Buffer.from(bytes, "latin1").toString("utf8");
  return !decoded.includes(NOT_UTF8) || Buffer.from(decoded, "utf8").toString("latin1") === bytes;
}

/** The records the entry needs, in a fixed order; "" for none. */
function paxRecords(entry: TreeEntry, path: string, nameFits: boolean): string {
  const link = entry.linkTarget ?? "";
  const linkFits = link.length <= 100 && !NOT_ASCII.test(link);
  let records = "";
  if (!nameFits && !isUtf8(path) || !linkFits && !isUtf8(link)) {
    records += formatPax("hdrcharset", "BINARY");
  }
  if (!nameFits) records += formatPax("path", path);
  if (!linkFits) records += formatPax("linkpath", link);
  if (entry.type === "file" && entry.size > OCTAL_12) records += formatPax("size", `${entry.size}`);
  if (entry.uid > OCTAL_8) records += formatPax("uid", `${entry.uid}`);
  if (entry.gid > OCTAL_8) records += formatPax("gid", `${entry.gid}`);
  const { mtime } = entry;
  if (mtime < 0n || mtime % 1_000_000_000n !== 0n || mtime > BigInt(OCTAL_12) * 1_000_000_000n) {
    records += formatPax("mtime", formatPaxTime(mtime));
  }
  return entry.xattrs === undefined ? records : records + xattrRecords(entry.xattrs);
}

function xattrRecords(xattrs: ReadonlyMap<RawPath, Uint8Array>): string {
  let records = "";
  for (const name of [...xattrs.keys()].sort()) {
    const value = Buffer.from(xattrs.get(name) ?? []).toString("latin1");
    records += formatPax(`SCHILY.xattr.${encodeKeyName(name)}`, value);
  }
  return records;
}
