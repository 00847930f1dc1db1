/**
 * What aufs can do here, found by a real mount in the store. Asked once per boot and file system;
 * the answer lies in the runroot.
 */
import { CoracleError, hasCode, isErrno } from "../../core/errors.ts";
import {
  AT_FDCWD,
  close,
  lookAt,
  mkdirAt,
  O,
  openAt,
  statAt,
  unlinkAt,
} from "../../core/sys/at.ts";
import { exists, readTextOrNull, removeTree, writeAtomic } from "../../core/sys/files.ts";
import {
  FS_MAGIC,
  fsMagic,
  fsName,
  mountAt,
  mountRelative,
  splitMountOptions,
  unmount,
} from "../../core/sys/mount.ts";
import { bootId } from "../../core/sys/process.ts";
import { setXattr } from "../../core/sys/xattr.ts";
import { type Probe, raw } from "../../core/terms.ts";
import type { DriverPlace } from "../module.ts";
import { MOST_LOWERS } from "./aufs_plan.ts";
import { AUFS_SYSFS, branchesInOptions, readBranches, unionId } from "./aufs_sysfs.ts";

export interface AufsFeatures {
  /** Options that every mount gets, because this kernel takes them. */
  readonly options: readonly string[];
  /** Directory for the tables of inode numbers; null: wherever the kernel puts them. */
  readonly xino: string | null;
  /** Extended attributes of the layers show in the union (CONFIG_AUFS_XATTR). */
  readonly xattrs: boolean;
}

interface Answer extends AufsFeatures {
  /** Boot, file system and options of the configuration that this answer is for. */
  readonly key: string;
  /** Why aufs cannot be used here; null when it can. */
  readonly reason: string | null;
}

type Findings = Omit<Answer, "key">;

/**
 * File systems that aufs cannot write on, or that are known to lose what it relies on. btrfs takes
 * the mount, but limits hard links in one directory, which all whiteouts are; Docker refuses it too.
 */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [FS_MAGIC.overlay, "overlay"],
  [FS_MAGIC.aufs, "aufs"],
  [FS_MAGIC.ecryptfs, "ecryptfs"],
  [FS_MAGIC.btrfs, "btrfs"],
  [FS_MAGIC.fuse, "fuse"],
  [FS_MAGIC.nfs, "nfs"],
  [FS_MAGIC.ramfs, "ramfs"],
  [0x00c0ffee, "hostfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x4d44, "vfat"],
]);

export function isRefusedByAufs(magic: number): boolean {
  return REFUSED.has(magic);
}

export function aufsFeatures(place: DriverPlace): AufsFeatures {
  const answer = ask(place);
  if (answer.reason === null) return answer;
  throw new CoracleError("unsupported", `cannot keep layers by aufs in "${place.root}"`, {
    why: answer.reason,
    hint: 'choose another layer driver, for example "--layer-driver overlay"',
  });
}

export function probeAufs(place: DriverPlace): Probe {
  const answer = ask(place);
  if (answer.reason !== null) return { usable: false, reason: answer.reason };
  const backing = fsName(fsMagic(place.root));
  return {
    usable: true,
    reason: `aufs on ${backing}`,
    facts: {
      backing,
      options: answer.options.join(","),
      xattrs: answer.xattrs,
      lowers: MOST_LOWERS,
      nativeDiff: true,
      hardlinksSurviveCopyUp: true,
    },
  };
}

function ask(place: DriverPlace): Answer {
  const extra = (place.options.mount_options as string[] | undefined) ?? [];
  const file = `${place.runroot}/aufs-probe`;
  try {
    const { dev, ino } = statAt(AT_FDCWD, raw(place.root), { follow: true });
    const key = [bootId(), dev, ino, ...extra].join(" ");
    const cached = readTextOrNull(file);
    if (cached !== null) {
      const answer = JSON.parse(cached) as Answer;
      if (answer.key === key) return answer;
    }
    if (!isKnown(readTextOrNull("/proc/filesystems") ?? "")) {
      // Not kept: the module may be loaded in a moment.
      return { key: "", ...unusable("this kernel has no aufs, or not yet; try: modprobe aufs") };
    }
    const answer = { key, ...tryOut(place, extra) };
    writeAtomic(file, JSON.stringify(answer));
    return answer;
  } catch (error) {
    return { key: "", ...unusable(error instanceof Error ? error.message : String(error)) };
  }
}

/** `filesystems`: the text of /proc/filesystems; proc(5). */
export function isKnown(filesystems: string): boolean {
  return filesystems.split("\n").some((line) => line.split("\t")[1] === "aufs");
}

function unusable(reason: string): Findings {
  return { options: [], xino: null, xattrs: false, reason };
}

function tryOut({ root, runroot }: DriverPlace, extra: readonly string[]): Findings {
  const refused = REFUSED.get(fsMagic(root));
  if (refused !== undefined) {
    return unusable(`aufs cannot be trusted with ${refused}, where "${root}" is`);
  }
  if (!exists(AUFS_SYSFS)) {
    return unusable(`sysfs is not mounted, and mounts of aufs are proved by "${AUFS_SYSFS}"`);
  }
  const base = `${root}/.probe-${crypto.randomUUID()}`;
  try {
    for (const name of ["", "/a", "/b", "/u", "/m"]) mkdirAt(AT_FDCWD, raw(base + name), 0o700);
    for (const file of ["a/file", "b/other"]) {
      close(openAt(AT_FDCWD, raw(`${base}/${file}`), O.WRONLY | O.CREAT, 0o600));
    }
    return tryMounts(base, tableFolders(runroot), extra);
  } catch (error) {
    if (!hasCode(error, "denied", "failed", "unsupported", "notfound")) throw error;
    return unusable(reasonOf(error));
  } finally {
    removeTree(base);
  }
}

function reasonOf(error: CoracleError): string {
  if (isErrno(error, "ENODEV")) return "this kernel has no aufs; try: modprobe aufs";
  if (isErrno(error, "EPERM", "EACCES")) return "mounting is not allowed here; it needs root";
  return error.message;
}

/**
 * `dirperm1`: a directory's permissions are those of its topmost layer alone, as everywhere else.
 * `acl`: access lists can be set in the union; only where the file system below has them itself, as
 * aufs leaves the umask to whoever says it has.
 */
function tryMounts(
  base: string,
  folders: readonly string[],
  extra: readonly string[],
): Findings {
  const wanted = ["dirperm1", ...takesAccessLists(`${base}/b/other`) ? ["acl"] : []];
  const tries = (options: readonly string[], folder: string | null) =>
    mounts(base, [...xinoOptions(folder), ...options, ...extra]);
  let [options, xino] = [wanted, folders[0] ?? null];
  if (!tries(options, xino)) {
    const accepted = (words: readonly string[]) => mounts(base, words) && finish(base);
    xino = folders.find((folder) => accepted(xinoOptions(folder))) ?? null;
    options = wanted.filter((option) => accepted([...xinoOptions(xino), option]));
    if (!tries(options, xino)) {
      const all = [...xinoOptions(xino), ...options, ...extra].join(",");
      return unusable(`the kernel refuses a mount of aufs in "${base}" with "${all}"`);
    }
  }
  try {
    const reason = misbehaves(base);
    return { options, xino, xattrs: takesAttribute(`${base}/m/other`), reason };
  } finally {
    finish(base);
  }
}

const SHM = "/dev/shm";

/**
 * Where the tables of inode numbers may lie, best first: in memory, as they are written all the
 * time. Left to itself the kernel takes the writable branch, or /tmp where there is none.
 */
function tableFolders(runroot: string): string[] {
  const shm = exists(SHM) && fsMagic(SHM) === FS_MAGIC.tmpfs ? [SHM] : [];
  return /^[A-Za-z0-9_./-]+$/.test(runroot) ? [...shm, runroot] : shm;
}

/**
 * The file is there for the length of one mount(2) only. Its name cannot be guessed: anybody may
 * make files in /dev/shm, and one that exists makes the mount fail.
 */
export function xinoOptions(folder: string | null): string[] {
  return folder === null ? [] : [`xino=${folder}/.coracle-${crypto.randomUUID()}`];
}

/** Options come before branches: an unknown one is then refused before anything is taken in hand. */
function mounts(base: string, options: readonly string[]): boolean {
  const { flags, data } = splitMountOptions([...options, "br:u=rw:a=ro+wh"]);
  try {
    mountRelative(base, { source: "aufs", target: "m", type: "aufs", flags, data });
    return true;
  } catch (error) {
    if (isErrno(error, "EINVAL")) return false;
    throw error;
  }
}

function finish(base: string): true {
  unmount(`${base}/m`, { detach: true });
  return true;
}

/** What our layers need of the mount, tried; the reason when it fails. */
function misbehaves(base: string): string | null {
  const append = { source: "aufs", target: "m", type: "aufs", data: "append:b=ro+wh" };
  mountRelative(base, { ...append, flags: ["remount"] });
  if (fsMagic(`${base}/m`) !== FS_MAGIC.aufs) return "the kernel mounted something else";
  const info = mountAt(`${base}/m`);
  const id = unionId(info);
  const found = id === null ? [] : readBranches(id);
  if ((found.length > 0 ? found : branchesInOptions(info)).length !== 3) {
    return `the branches of a union are neither in "${AUFS_SYSFS}" nor in the mount table`;
  }
  unlinkAt(AT_FDCWD, raw(`${base}/m/file`));
  const mark = lookAt(AT_FDCWD, raw(`${base}/u/.wh.file`));
  if (mark?.type !== "file") return "deleted files do not become whiteouts on this file system";
  return lookAt(AT_FDCWD, raw(`${base}/m/other`)) === null ? "layers cannot be appended" : null;
}

function takesAttribute(path: string): boolean {
  return takes(path, "trusted.coracle", Buffer.from("1"));
}

/** user::rw-, group::r--, mask::r--, other::---, and one user; acl(5), version 2. */
const ACCESS_LIST = Buffer.from(
  "0200000001000600ffffffff0200040001000000" +
    "04000400ffffffff10000400ffffffff20000000ffffffff",
  "hex",
);

function takesAccessLists(path: string): boolean {
  return takes(path, "system.posix_acl_access", ACCESS_LIST);
}

function takes(path: string, name: string, value: Uint8Array): boolean {
  const fd = openAt(AT_FDCWD, raw(path), O.RDONLY);
  try {
    setXattr(fd, raw(name), value);
    return true;
  } catch (error) {
    if (isErrno(error, "ENOTSUP", "EOPNOTSUPP", "EPERM", "EINVAL")) return false;
    throw error;
  } finally {
    close(fd);
  }
}
