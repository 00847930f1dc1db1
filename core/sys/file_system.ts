/**
 * What a file system is and how full: statfs(2).
 */
import { raw } from "../terms.ts";
import { fixed, libc } from "./libc.ts";
import { AT_FDCWD, pathBytes, pathError } from "./path_buffer.ts";

/** struct statfs of 64-bit Linux, with room to spare. */
const buffer = fixed(256);
const view = new DataView(buffer.buffer);

function statfs(path: string): void {
  if (libc.statfs(pathBytes(raw(path)), buffer) !== 0) {
    throw pathError("look at the file system of", AT_FDCWD, raw(path));
  }
}

/** f_type of the file system that holds `path`: compare with FS_MAGIC. */
export function fsMagic(path: string): number {
  statfs(path);
  return view.getUint32(0, true);
}

/** linux/magic.h and the file systems' own headers. */
export const FS_MAGIC = {
  aufs: 0x61756673,
  bcachefs: 0xca451a4e,
  btrfs: 0x9123683e,
  cgroup: 0x0027e0eb,
  cgroup2: 0x63677270,
  ecryptfs: 0xf15f,
  ext: 0xef53,
  f2fs: 0xf2f52010,
  fuse: 0x65735546,
  nfs: 0x6969,
  overlay: 0x794c7630,
  proc: 0x9fa0,
  ramfs: 0x858458f6,
  sysfs: 0x62656572,
  tmpfs: 0x01021994,
  xfs: 0x58465342,
  zfs: 0x2fc12fc1,
} as const;

/** The name of a magic number, "unknown" when we do not know it. */
export function fsName(magic: number): string {
  return Object.entries(FS_MAGIC).find(([, number]) => number === magic)?.[0] ?? "unknown";
}

export interface FsSpace {
  /** Size, bytes. */
  readonly bytes: number;
  /** What a user without privileges may still take, bytes. */
  readonly free: number;
  readonly inodes: number;
  readonly freeInodes: number;
}

/** Room on the file system that holds `path`. btrfs and others without a fixed count give 0 inodes. */
export function fsSpace(path: string): FsSpace {
  statfs(path);
  const number = (at: number) => Number(view.getBigUint64(at, true));
  const fragment = number(72) || number(8);
  return {
    bytes: number(16) * fragment,
    free: number(32) * fragment,
    inodes: number(40),
    freeInodes: number(48),
  };
}
