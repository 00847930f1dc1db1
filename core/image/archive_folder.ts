/**
 * The files of an image archive by name, whichever way it came: members of a plain tar that can be
 * sought in, members of a stream (staged, because the list of what is what comes last in some), or
 * files of a folder.
 */
import { CoracleError, isErrno } from "../errors.ts";
import { indexTar, TarMembers, type VisitedMember } from "../archive/tar_index.ts";
import { close, type Fd, O, openAt, openBeneath, pread, statFd } from "../sys/at.ts";
import { AT_FDCWD } from "../sys/at.ts";
import { joinRaw, raw, type RawPath, text } from "../terms.ts";
import type { BlobStaging, BlobWriter, StagedFile } from "./blob_staging.ts";
import { wrongDocument } from "./json_document.ts";

/** One file. */
export interface Piece {
  readonly size: number;
  /** Set when it is in the staging folder already, hashed. */
  readonly staged: StagedFile | null;
  /** Calls `work` with an open file in which the piece begins at `offset`. */
  use<T>(work: (fd: Fd, offset: number) => T): T;
}

export interface ArchiveFolder {
  /** The file of this name, links followed inside the archive; null when there is none. */
  piece(name: string): Piece | null;
  /** Names of the plain files and links, for archives without a list of what is what. */
  names(): string[];
  close(): void;
}

/** The bytes of a small file. Fails with `corrupt` when it is missing or larger than `limit`. */
export function readPiece(folder: ArchiveFolder, name: string, limit: number): Uint8Array {
  const document = JSON.stringify(name);
  const piece = folder.piece(name);
  if (piece === null) throw wrongDocument(document, "it is missing from the archive");
  if (piece.size > limit) {
    throw wrongDocument(document, `it has ${piece.size} bytes, the limit is ${limit}`);
  }
  return piece.use((fd, offset) => {
    const bytes = new Uint8Array(new ArrayBuffer(piece.size));
    for (let done = 0; done < bytes.length;) {
      const count = pread(fd, bytes.subarray(done), offset + done);
      if (count === 0) throw wrongDocument(document, "it is cut off");
      done += count;
    }
    return bytes;
  });
}

interface Member {
  readonly piece: Piece | null;
  readonly type: string;
  readonly linkTarget?: RawPath;
}

const MOST_HOPS = 16;
/** A layer has at most a few members; beyond this an archive of a stream is an attack on inodes. */
const MOST_STAGED = 100_000;

/** Follows links of members; a link can only lead to another member. */
function resolve(members: ReadonlyMap<RawPath, Member>, name: string): Piece | null {
  let at = raw(name);
  for (let hops = 0; hops < MOST_HOPS; hops++) {
    const member = members.get(at);
    if (member === undefined) return null;
    if (member.type === "hardlink") at = member.linkTarget ?? at;
    else if (member.type === "symlink") {
      const next = linkFrom(at, member.linkTarget ?? at);
      if (next === null) return null;
      at = next;
    } else return member.piece;
  }
  return null;
}

/** Where the symlink `link` leads; null when it leaves the archive. */
function linkFrom(link: RawPath, target: RawPath): RawPath | null {
  if (target.startsWith("/")) return null;
  const parts = link.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") {
      if (parts.pop() === undefined) return null;
    } else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/") as RawPath;
}

function memberNames(members: ReadonlyMap<RawPath, Member>): string[] {
  return [...members].filter(([, { type }]) => type !== "dir").map(([name]) => text(name));
}

/** A plain tar of `size` bytes in `fd`, which is closed with the folder. */
export function tarFolder(fd: Fd, size: number): ArchiveFolder {
  const members = new Map<RawPath, Member>();
  for (const [name, { offset, size: length, type, linkTarget }] of indexTar(fd, size)) {
    const piece: Piece = { size: length, staged: null, use: (work) => work(fd, offset) };
    members.set(name, {
      piece: type === "file" ? piece : null,
      type,
      ...(linkTarget === undefined ? {} : { linkTarget }),
    });
  }
  return {
    piece: (name) => resolve(members, name),
    names: () => memberNames(members),
    close: () => close(fd),
  };
}

/** A tar that arrives as a stream; its files are written to `staging` and hashed on the way. */
export async function stagedFolder(
  chunks: AsyncIterable<Uint8Array>,
  staging: BlobStaging,
): Promise<ArchiveFolder> {
  const members = new Map<RawPath, Member>();
  let current: { readonly member: VisitedMember; readonly writer: BlobWriter } | null = null;
  const reader = new TarMembers({
    onMember(member) {
      current = null;
      const { name, type, linkTarget } = member;
      if (members.size >= MOST_STAGED) {
        throw wrongDocument("archive", `it has more than ${MOST_STAGED} members`);
      }
      members.set(name, { piece: null, type, ...(linkTarget === undefined ? {} : { linkTarget }) });
      if (type !== "file") return null;
      current = { member, writer: staging.writer() };
      return current.writer;
    },
    onMemberEnd() {
      if (current === null) return;
      const file = current.writer.finish();
      members.set(current.member.name, { piece: stagedPiece(staging, file), type: "file" });
      current = null;
    },
  });
  try {
    for await (const chunk of chunks) reader.push(chunk);
    reader.end();
  } finally {
    (current as { readonly writer: BlobWriter } | null)?.writer.abort();
  }
  return {
    piece: (name) => resolve(members, name),
    names: () => memberNames(members),
    close: () => {},
  };
}

function stagedPiece(staging: BlobStaging, file: StagedFile): Piece {
  return { size: file.size, staged: file, use: (work) => staging.use(file, (fd) => work(fd, 0)) };
}

/** The files of the directory `path`. A link in it cannot lead out of it. */
export function diskFolder(path: string): ArchiveFolder {
  const dir = openAt(AT_FDCWD, raw(path), O.RDONLY | O.DIRECTORY);
  const open = (name: string): Fd | null => {
    try {
      return openBeneath(dir, raw(name), O.RDONLY | O.NONBLOCK);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR")) return null;
      throw error;
    }
  };
  const use = <T>(name: string, work: (fd: Fd) => T): T | null => {
    const fd = open(name);
    if (fd === null) return null;
    try {
      return work(fd);
    } finally {
      close(fd);
    }
  };
  return {
    piece(name) {
      const stat = use(name, statFd);
      if (stat === null || stat.type !== "file") return null;
      return {
        size: stat.size,
        staged: null,
        use(work) {
          const done = use(name, (fd) => ({ result: work(fd, 0) }));
          if (done !== null) return done.result;
          throw new CoracleError("notfound", `cannot read ${JSON.stringify(joined(path, name))}`, {
            why: "it has gone",
          });
        },
      };
    },
    names: () => [],
    close: () => close(dir),
  };
}

function joined(path: string, name: string): string {
  return text(joinRaw(raw(path), raw(name)));
}
