/**
 * Where `save` writes: a tar archive (to a file or a pipe) or a folder, behind one small interface.
 * The same files give the same bytes: owner 0, time 0, no names of users.
 */
import { formatPax } from "../archive/pax.ts";
import { BLOCK, OCTAL_12, padding, writeHeader } from "../archive/tar_header.ts";
import { CoracleError } from "../errors.ts";
import {
  AT_FDCWD,
  close,
  type Fd,
  mkdirAt,
  O,
  openAt,
  pwrite,
  seek,
  SEEK_CUR,
  truncate,
  write,
} from "../sys/at.ts";
import { copyFile, copyRange } from "../sys/copy.ts";
import { raw } from "../terms.ts";

/** Names are ASCII, with `/` between folders, at most 100 letters. */
export interface ArchiveTarget {
  /** Folders come before what is in them. */
  folder(name: string): void;
  file(name: string, bytes: Uint8Array): void;
  /** All `size` bytes of the open file `from`. */
  copy(name: string, from: Fd, size: number): void;
  /** Exactly `size` bytes that are at hand in pieces; fails with `corrupt` when they are not. */
  pieces(name: string, size: number, chunks: Iterable<Uint8Array>): void;
  /** Bytes whose number is not known before; `source` may be called twice. */
  stream(name: string, source: () => AsyncIterable<Uint8Array>): Promise<void>;
  end(): void;
}

const FILE_MODE = 0o644;
const FOLDER_MODE = 0o755;

/** A tar archive written to `fd` from its position on; `isSeekable` when it is a plain file. */
export function tarTarget(fd: Fd, isSeekable: boolean): ArchiveTarget {
  return {
    folder: (name) => write(fd, header({ name: `${name}/`, size: 0, type: 0x35 })),
    file(name, bytes) {
      write(fd, header({ name, size: bytes.length }));
      write(fd, bytes);
      pad(fd, bytes.length);
    },
    copy(name, from, size) {
      write(fd, header({ name, size }));
      const copied = copyRange(from, fd, { length: size, fromOffset: 0 });
      if (copied !== size) throw shrunk(name, copied, size);
      pad(fd, size);
    },
    pieces(name, size, chunks) {
      write(fd, header({ name, size }));
      writePieces(fd, name, size, chunks);
      pad(fd, size);
    },
    async stream(name, source) {
      if (isSeekable && await streamThenHeader(fd, name, source)) return;
      let size = 0;
      for await (const chunk of source()) size += chunk.length;
      write(fd, header({ name, size }));
      for await (const chunk of source()) write(fd, chunk);
      pad(fd, size);
    },
    end: () => write(fd, new Uint8Array(new ArrayBuffer(2 * BLOCK))),
  };
}

/** Leaves room for the header and fills it in afterwards; false when it turned out too small. */
async function streamThenHeader(
  fd: Fd,
  name: string,
  source: () => AsyncIterable<Uint8Array>,
): Promise<boolean> {
  const start = seek(fd, 0, SEEK_CUR);
  write(fd, header({ name, size: 0 }));
  let size = 0;
  for await (const chunk of source()) {
    write(fd, chunk);
    size += chunk.length;
  }
  if (size > OCTAL_12) {
    truncate(fd, start);
    seek(fd, start);
    return false;
  }
  pad(fd, size);
  pwrite(fd, header({ name, size }), start);
  return true;
}

function shrunk(name: string, found: number, wanted: number): CoracleError {
  return new CoracleError("corrupt", `cannot save ${JSON.stringify(name)}`, {
    why: `the store has ${found} of its ${wanted} bytes`,
    hint: "load the image again",
  });
}

function writePieces(fd: Fd, name: string, size: number, chunks: Iterable<Uint8Array>): void {
  let written = 0;
  for (const chunk of chunks) {
    written += chunk.length;
    if (written > size) break;
    write(fd, chunk);
  }
  if (written !== size) throw shrunk(name, written, size);
}

function pad(fd: Fd, size: number): void {
  const rest = padding(size);
  if (rest > 0) write(fd, new Uint8Array(new ArrayBuffer(rest)));
}

interface HeaderWish {
  readonly name: string;
  readonly size: number;
  readonly type?: number;
}

/** One block, or three when the size does not fit the field (from 8 GiB on). */
function header({ name, size, type = 0x30 }: HeaderWish): Uint8Array {
  const isLarge = size > OCTAL_12;
  const blocks = new Uint8Array(new ArrayBuffer(isLarge ? 3 * BLOCK : BLOCK));
  const common = { uid: 0, gid: 0, mtime: 0 };
  if (isLarge) {
    const records = Buffer.from(formatPax("size", `${size}`), "latin1");
    const fields = { name: "PaxHeaders.0/size", mode: FILE_MODE, size: records.length };
    writeHeader(blocks, 0, { ...common, ...fields, type: 0x78 });
    blocks.set(records, BLOCK);
  }
  writeHeader(blocks, isLarge ? 2 * BLOCK : 0, {
    ...common,
    name,
    mode: type === 0x35 ? FOLDER_MODE : FILE_MODE,
    size: isLarge ? 0 : size,
    type,
  });
  return blocks;
}

/** The folder `path`, which must be there; files that are there already are kept, folders too. */
export function folderTarget(path: string): ArchiveTarget {
  const create = (name: string, fill: (fd: Fd) => void): void => {
    const flags = O.WRONLY | O.CREAT | O.TRUNC | O.NOFOLLOW;
    const fd = openAt(AT_FDCWD, raw(`${path}/${name}`), flags, FILE_MODE);
    try {
      fill(fd);
    } finally {
      close(fd);
    }
  };
  return {
    folder: (name) => mkdirAt(AT_FDCWD, raw(`${path}/${name}`), FOLDER_MODE),
    file: (name, bytes) => create(name, (fd) => write(fd, bytes)),
    copy: (name, from, size) => create(name, (fd) => copyFile(from, fd, size)),
    pieces: (name, size, chunks) => create(name, (fd) => writePieces(fd, name, size, chunks)),
    async stream(name, source) {
      const flags = O.WRONLY | O.CREAT | O.TRUNC | O.NOFOLLOW;
      const fd = openAt(AT_FDCWD, raw(`${path}/${name}`), flags, FILE_MODE);
      try {
        for await (const chunk of source()) write(fd, chunk);
      } finally {
        close(fd);
      }
    },
    end: () => {},
  };
}
