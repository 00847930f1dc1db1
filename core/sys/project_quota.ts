/**
 * Project quotas: a limit for the space of a directory with all that will be made in it. The same
 * calls serve ext4 and xfs: ioctl_xfs_fsgetxattr(2) for the project of a directory, quotactl(2) with
 * the Q_X commands for its limit, which the kernel translates for file systems other than xfs.
 */
import type { Fd } from "./at.ts";
import { errnoError } from "./errno.ts";
import { errno, fixed, libc, NR } from "./libc.ts";
import { type MountInfo, mountTable, realPath } from "./mount_table.ts";
import { cString, fdError } from "./path_buffer.ts";

const FS_IOC_FSGETXATTR = 0x801c581f;
const FS_IOC_FSSETXATTR = 0x401c5820;
/** What is made in the directory belongs to its project. linux/fs.h. */
const FS_XFLAG_PROJINHERIT = 0x200;
const Q_XSETQLIM = 0x5804;
const PRJQUOTA = 2;
/** linux/dqblk_xfs.h. */
const FS_DQUOT_VERSION = 1;
const FS_PROJ_QUOTA = 2;
const LIMITS = 4 | 8; // FS_DQ_BSOFT, FS_DQ_BHARD
/** A "basic block" of these limits, whatever the file system's blocks are. */
const BASIC_BLOCK = 512;

/** The mount that holds `path`. */
function mountOf(path: string): MountInfo | undefined {
  const real = realPath(path);
  let best: MountInfo | undefined;
  for (const mount of mountTable()) {
    const { target } = mount;
    const holds = target === "/" || real === target || real.startsWith(`${target}/`);
    if (holds && target.length >= (best?.target.length ?? 0)) best = mount;
  }
  return best;
}

/** Null when directories on the file system of `path` can have limits, else why they cannot. */
export function projectQuotaProblem(path: string): string | null {
  const mount = mountOf(path);
  if (mount === undefined) return `nothing says what file system ${JSON.stringify(path)} is on`;
  const { type, target, superOptions } = mount;
  if (type !== "ext4" && type !== "xfs") return `the file system ${type} has no project quotas`;
  if (superOptions.includes("prjquota") || superOptions.includes("pquota")) return null;
  return `the file system ${type} at ${JSON.stringify(target)} is not mounted with "prjquota"`;
}

/** Puts an empty directory, and all that will be made in it, into the project. */
export function setProject(fd: Fd, project: number): void {
  const attributes = fixed(28);
  const view = new DataView(attributes.buffer);
  if (libc.ioctl(fd, FS_IOC_FSGETXATTR, attributes) !== 0) throw fdError("read the project of", fd);
  view.setUint32(0, view.getUint32(0, true) | FS_XFLAG_PROJINHERIT, true);
  view.setUint32(12, project, true);
  if (libc.ioctl(fd, FS_IOC_FSSETXATTR, attributes) !== 0) throw fdError("set the project of", fd);
}

/** Limits the space of a project on the file system of `path`; 0 bytes: no limit. */
export function setProjectLimit(path: string, project: number, bytes: number): void {
  const limits = fixed(112);
  const view = new DataView(limits.buffer);
  view.setInt8(0, FS_DQUOT_VERSION);
  view.setInt8(1, FS_PROJ_QUOTA);
  view.setUint16(2, LIMITS, true);
  view.setUint32(4, project, true);
  const blocks = BigInt(Math.ceil(bytes / BASIC_BLOCK));
  view.setBigUint64(8, blocks, true);
  view.setBigUint64(16, blocks, true);
  const command = Q_XSETQLIM * 256 + PRJQUOTA;
  const device = mountOf(path)?.source ?? "";
  const done = libc.sysIIBIB(NR.quotactl, command, cString(device), project, limits);
  if (done !== 0) throw errnoError("limit the space of a project on", device, errno());
}
