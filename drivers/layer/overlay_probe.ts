/**
 * What overlayfs can do here, found by a real mount in the store: kernels of one version differ, and
 * so do file systems. Asked once per boot, kernel and file system; the answer lies in the runroot.
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
import { readTextOrNull, removeTree, writeAtomic } from "../../core/sys/files.ts";
import { FS_MAGIC, fsMagic, fsName, mountRelative, unmount } from "../../core/sys/mount.ts";
import { bootId } from "../../core/sys/process.ts";
import { setXattr } from "../../core/sys/xattr.ts";
import { type Probe, raw } from "../../core/terms.ts";
import type { DriverPlace } from "../module.ts";

export interface OverlayFeatures {
  /** Options that every mount gets, because this kernel knows them. */
  readonly options: readonly string[];
  readonly volatile: boolean;
}

interface Answer extends OverlayFeatures {
  /** Boot, file system and options of the configuration that this answer is for. */
  readonly key: string;
  /** Why overlay cannot be used here; null when it can. */
  readonly reason: string | null;
}

/**
 * Wanted in every mount, whatever the module's parameters say. `index` refuses a second mount after
 * a leaked one and ties a store to its disk; `metacopy` and followed redirects would let a layer
 * from outside name files of other layers, and would make a delta depend on the layers below.
 */
const WANTED: readonly (readonly string[])[] = [
  ["index=off"],
  ["metacopy=off"],
  ["redirect_dir=nofollow", "redirect_dir=off"],
];

/** File systems that cannot hold an upper directory; overlayfs.rst, "Upper and lower". */
const REFUSED: ReadonlyMap<number, string> = new Map([
  [FS_MAGIC.overlay, "overlay"],
  [FS_MAGIC.aufs, "aufs"],
  [FS_MAGIC.ecryptfs, "ecryptfs"],
  [FS_MAGIC.nfs, "nfs"],
  [0x00c0ffee, "hostfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x4d44, "vfat"],
]);

export function overlayFeatures(place: DriverPlace): OverlayFeatures {
  const answer = ask(place);
  if (answer.reason === null) return answer;
  throw new CoracleError("unsupported", `cannot keep layers by overlay in "${place.root}"`, {
    why: answer.reason,
    hint: 'choose another layer driver, for example "--layer-driver copy"',
  });
}

export function probeOverlay(place: DriverPlace): Probe {
  const answer = ask(place);
  if (answer.reason !== null) return { usable: false, reason: answer.reason };
  const backing = fsName(fsMagic(place.root));
  return {
    usable: true,
    reason: `overlayfs on ${backing}`,
    facts: {
      backing,
      options: answer.options.join(","),
      volatile: answer.volatile,
      lowers: 500,
      nativeDiff: true,
      hardlinksSurviveCopyUp: false,
    },
  };
}

function ask(place: DriverPlace): Answer {
  const extra = (place.options.mount_options as string[] | undefined) ?? [];
  const file = `${place.runroot}/overlay-probe`;
  try {
    const { dev, ino } = statAt(AT_FDCWD, raw(place.root), { follow: true });
    const key = [bootId(), dev, ino, ...extra].join(" ");
    const cached = readTextOrNull(file);
    if (cached !== null) {
      const answer = JSON.parse(cached) as Answer;
      if (answer.key === key) return answer;
    }
    const answer = { key, ...tryOut(place.root, extra) };
    writeAtomic(file, JSON.stringify(answer));
    return answer;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { key: "", options: [], volatile: false, reason };
  }
}

function tryOut(root: string, extra: readonly string[]): Omit<Answer, "key"> {
  const refused = REFUSED.get(fsMagic(root));
  if (refused !== undefined) {
    return unusable(`overlay cannot write on ${refused}, where "${root}" is`);
  }
  const base = `${root}/.probe-${crypto.randomUUID()}`;
  try {
    for (const name of ["", "/a", "/b", "/u", "/w", "/m"]) {
      mkdirAt(AT_FDCWD, raw(base + name), 0o700);
    }
    close(openAt(AT_FDCWD, raw(`${base}/b/file`), O.WRONLY | O.CREAT, 0o600));
    return tryMounts(base, extra);
  } catch (error) {
    if (!hasCode(error, "denied", "failed", "unsupported", "notfound")) throw error;
    return unusable(reasonOf(error));
  } finally {
    removeTree(base);
  }
}

function unusable(reason: string): Omit<Answer, "key"> {
  return { options: [], volatile: false, reason };
}

function reasonOf(error: CoracleError): string {
  if (isErrno(error, "ENODEV")) return "this kernel has no overlayfs; try: modprobe overlay";
  if (isErrno(error, "EPERM", "EACCES")) return "mounting is not allowed here; it needs root";
  return error.message;
}

/** One mount when the kernel knows everything, which is the usual case; else option by option. */
function tryMounts(base: string, extra: readonly string[]): Omit<Answer, "key"> {
  const best = WANTED.map((choices) => choices[0] as string);
  if (mounts(base, [...best, ...extra, "volatile"])) {
    return { options: best, volatile: true, reason: misbehaves(base) };
  }
  const isVolatile = mounts(base, ["volatile"]) && finish(base);
  const options: string[] = [];
  for (const choices of WANTED) {
    const option = choices.find((choice) => mounts(base, [choice]) && finish(base));
    if (option !== undefined) options.push(option);
  }
  const all = [...options, ...extra];
  if (!mounts(base, all)) {
    return unusable(`the kernel refuses an overlay mount in "${base}" with "${all.join(",")}"`);
  }
  return { options, volatile: isVolatile, reason: misbehaves(base) };
}

/** A new mount needs a new work directory: the last one may be marked volatile. */
function mounts(base: string, options: readonly string[]): boolean {
  removeTree(`${base}/w`);
  mkdirAt(AT_FDCWD, raw(`${base}/w`), 0o700);
  const data = ["lowerdir=a:b", "upperdir=u", "workdir=w", ...options].join(",");
  try {
    mountRelative(base, { source: "overlay", target: "m", type: "overlay", data });
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

/** What our layers need of the mount, tried; the reason when it fails. Unmounts. */
function misbehaves(base: string): string | null {
  try {
    if (fsMagic(`${base}/m`) !== FS_MAGIC.overlay) return "the kernel mounted something else";
    unlinkAt(AT_FDCWD, raw(`${base}/m/file`));
    const mark = lookAt(AT_FDCWD, raw(`${base}/u/file`));
    if (mark?.type !== "char" || mark.major !== 0 || mark.minor !== 0) {
      return "deleted files do not become whiteouts on this file system";
    }
    const upper = openAt(AT_FDCWD, raw(`${base}/u`), O.RDONLY | O.DIRECTORY);
    try {
      setXattr(upper, raw("trusted.overlay.opaque"), Buffer.from("y"));
    } finally {
      close(upper);
    }
    return null;
  } finally {
    finish(base);
  }
}
