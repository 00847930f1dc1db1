/**
 * The names in a directory, by getdents64(2): no stat per name, and names stay bytes.
 */
import type { RawPath } from "../terms.ts";
import type { Fd } from "./descriptor.ts";
import { fixed, libc, NR } from "./libc.ts";
import { fdError } from "./path_buffer.ts";
import type { FileType } from "./stat.ts";

export interface DirName {
  readonly name: RawPath;
  /** "unknown" where the file system does not store types in directories. */
  readonly type: FileType | "unknown";
}

/** By d_type. */
const TYPES: readonly (FileType | undefined)[] = [
  undefined,
  "fifo",
  "char",
  undefined,
  "dir",
  undefined,
  "block",
  undefined,
  "file",
  undefined,
  "symlink",
  undefined,
  "socket",
];
const ROOM = 64 * 1024;
const buffer = fixed(ROOM);
const bytes = Buffer.from(buffer.buffer);

/** One linux_dirent64: inode 8, offset 8, length 2, type 1, name with NUL. */
function take(at: number, out: DirName[]): number {
  const length = buffer[at + 16]! | (buffer[at + 17]! << 8);
  const start = at + 19;
  const end = buffer.indexOf(0, start);
  const isDot = buffer[start] === 46 &&
    (end === start + 1 || (end === start + 2 && buffer[start + 1] === 46));
  if (!isDot) {
    const name = bytes.toString("latin1", start, end) as RawPath;
    out.push({ name, type: TYPES[buffer[at + 18]!] ?? "unknown" });
  }
  return at + length;
}

/**
 * The names in the directory `fd` without `.` and `..`, in the file system's order. Starts where the
 * descriptor stands: a fresh one, or one set back with `seek(fd, 0)`.
 */
export function listDir(fd: Fd): DirName[] {
  const out: DirName[] = [];
  for (;;) {
    const n = libc.sysIBIIB(NR.getdents64, fd, buffer, ROOM, 0, null);
    if (n < 0) throw fdError("list", fd);
    if (n === 0) return out;
    for (let at = 0; at < n;) at = take(at, out);
  }
}
