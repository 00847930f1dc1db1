/**
 * mount(2), umount2(2), the newer mount calls and statfs(2). Mounts are data (`Mount` in terms.ts);
 * this is where they happen.
 */
import { CoracleError, isErrno } from "../errors.ts";
import { sysError } from "./errno.ts";
import { libc } from "./libc.ts";
import { cString } from "./path_buffer.ts";
import { withDirectory } from "./working_directory.ts";

export { FS_MAGIC, fsMagic, fsName, type FsSpace, fsSpace } from "./file_system.ts";
export { attach, type FsMount, hasMountFs, makeFs, mountFs } from "./mount_fs.ts";
export { mountAt, type MountInfo, mountsBelow, mountTable } from "./mount_table.ts";

/** Words of mount(8) and what each sets or clears. mount(2), linux/mount.h. */
const FLAGS: Readonly<Record<string, { readonly set?: number; readonly clear?: number }>> = {
  ro: { set: 1 },
  rw: { clear: 1 },
  nosuid: { set: 2 },
  suid: { clear: 2 },
  nodev: { set: 4 },
  dev: { clear: 4 },
  noexec: { set: 8 },
  exec: { clear: 8 },
  sync: { set: 16 },
  async: { clear: 16 },
  remount: { set: 32 },
  mand: { set: 64 },
  nomand: { clear: 64 },
  dirsync: { set: 128 },
  nosymfollow: { set: 256 },
  symfollow: { clear: 256 },
  noatime: { set: 1024 },
  atime: { clear: 1024 },
  nodiratime: { set: 2048 },
  diratime: { clear: 2048 },
  bind: { set: 4096 },
  rbind: { set: 4096 | 16384 },
  move: { set: 8192 },
  silent: { set: 32768 },
  loud: { clear: 32768 },
  relatime: { set: 0x200000 },
  norelatime: { clear: 0x200000 },
  iversion: { set: 0x800000 },
  noiversion: { clear: 0x800000 },
  strictatime: { set: 0x1000000 },
  nostrictatime: { clear: 0x1000000 },
  lazytime: { set: 0x2000000 },
  nolazytime: { clear: 0x2000000 },
  defaults: {},
};

/** Propagation is set by a call of its own. */
const PROPAGATION: Readonly<Record<string, number>> = {
  unbindable: 1 << 17,
  runbindable: (1 << 17) | 16384,
  private: 1 << 18,
  rprivate: (1 << 18) | 16384,
  slave: 1 << 19,
  rslave: (1 << 19) | 16384,
  shared: 1 << 20,
  rshared: (1 << 20) | 16384,
};
const BIND = 4096;
const REMOUNT = 32;
/** Flags a bind mount takes only by a remount after it: ro, nosuid, nodev, noexec, *atime, nosymfollow. */
const PER_MOUNT = 1 | 2 | 4 | 8 | 256 | 1024 | 2048 | 0x200000 | 0x1000000;
/** The kernel copies one page and cuts the rest without a word. */
const DATA_LIMIT = 4096;

export interface MountSpec {
  /** Device, directory (bind) or any word; "none" when left out. */
  readonly source?: string;
  readonly target: string;
  /** Name of the file system; may be left out for bind, remount, move and propagation. */
  readonly type?: string;
  /** Words of mount(8): flags and propagation. An unknown one is an error. */
  readonly flags?: readonly string[];
  /** The file system's own options, comma-separated; less than 4096 bytes. */
  readonly data?: string;
}

/** Is this word a flag of mount(2), and not an option of a file system? */
export function isMountFlag(word: string): boolean {
  return Object.hasOwn(FLAGS, word) || Object.hasOwn(PROPAGATION, word);
}

/** mount(8) words as one list into flags and the file system's own options. */
export function splitMountOptions(options: readonly string[]): { flags: string[]; data: string } {
  return {
    flags: options.filter(isMountFlag),
    data: options.filter((word) => !isMountFlag(word)).join(","),
  };
}

function numbers(
  words: readonly string[],
  target: string,
): { flags: number; propagation: number[] } {
  let flags = 0;
  const propagation: number[] = [];
  for (const word of words) {
    const flag = Object.hasOwn(FLAGS, word) ? FLAGS[word] : undefined;
    if (flag !== undefined) flags = (flags | (flag.set ?? 0)) & ~(flag.clear ?? 0);
    else if (Object.hasOwn(PROPAGATION, word)) propagation.push(PROPAGATION[word]!);
    else {
      throw new CoracleError("usage", `cannot mount ${JSON.stringify(target)}`, {
        why: `unknown mount option ${JSON.stringify(word)}`,
      });
    }
  }
  return { flags, propagation };
}

/**
 * Mounts. A bind mount with `ro`, `nosuid`, … is made in two calls, because the kernel ignores them
 * in the first; propagation words are applied last. When a later call fails the mount is undone.
 */
export function mount(spec: MountSpec): void {
  const { source = "none", target, type = "none", data = "" } = spec;
  const { flags, propagation } = numbers(spec.flags ?? [], target);
  const isOnlyPropagation = flags === 0 && propagation.length > 0 && spec.type === undefined;
  if (!isOnlyPropagation) mountOnce(source, target, type, flags, data);
  try {
    const perMount = flags & PER_MOUNT;
    if ((flags & BIND) !== 0 && (flags & REMOUNT) === 0 && perMount !== 0) {
      mountOnce("none", target, "none", BIND | REMOUNT | perMount, "");
    }
    for (const bits of propagation) mountOnce("none", target, "none", bits, "");
  } catch (error) {
    if (!isOnlyPropagation && (flags & REMOUNT) === 0) unmount(target, { detach: true });
    throw error;
  }
}

function mountOnce(
  source: string,
  target: string,
  type: string,
  flags: number,
  data: string,
): void {
  const dataBytes = cString(data);
  if (dataBytes.length > DATA_LIMIT) {
    throw new CoracleError("unsupported", `cannot mount ${JSON.stringify(target)}`, {
      why: `its options are ${dataBytes.length - 1} bytes long and the kernel takes 4095`,
    });
  }
  const [from, to, kind] = [cString(source), cString(target), cString(type)];
  if (libc.mount(from, to, kind, flags, data === "" ? null : dataBytes) !== 0) {
    throw sysError("mount", target);
  }
}

/**
 * Mounts with the working directory set to `dir` for the moment, so that `source`, `target` and the
 * paths inside `data` may be relative and short. The working directory belongs to the whole process:
 * nothing else runs in between, because this is synchronous and we have no other threads of ours.
 */
export function mountRelative(dir: string, spec: MountSpec): void {
  withDirectory(dir, () => mount(spec));
}

const UMOUNT = { DETACH: 2, NOFOLLOW: 8 } as const;

/**
 * Unmounts the topmost mount on `target`, which must not be a symlink. `detach` takes it out of
 * sight now and ends it when the last user is gone. Fails with EINVAL when nothing is mounted.
 */
export function unmount(target: string, options: { readonly detach?: boolean } = {}): void {
  const flags = UMOUNT.NOFOLLOW | (options.detach ? UMOUNT.DETACH : 0);
  if (libc.umount2(cString(target), flags) !== 0) throw sysError("unmount", target);
}

/** Unmounts when something is mounted there; true when it did. Quiet when there is no such path. */
export function unmountIfMounted(
  target: string,
  options: { readonly detach?: boolean } = {},
): boolean {
  try {
    unmount(target, options);
    return true;
  } catch (error) {
    if (isErrno(error, "EINVAL", "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

/** A private mount namespace for this thread alone: what is mounted here is not seen outside. */
export function unshareMounts(): void {
  const CLONE_NEWNS = 0x20000;
  if (libc.unshare(CLONE_NEWNS) !== 0) throw sysError("make", "mount namespace");
  mount({ target: "/", flags: ["rprivate"] });
}
