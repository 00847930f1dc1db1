/**
 * The one table of C functions, opened once. Only symbols of glibc 2.17 or older are named; newer
 * kernel calls go through syscall(2) by number, so that the executable starts on old distributions.
 */
import { openAddress, openErrno, openLibrary } from "./ffi.ts";

/**
 * Results are i32 wherever they fit: Deno makes a BigInt of every i64. `syscall` is declared once
 * per shape (i: number, b: buffer); surplus arguments are 0 or null and the kernel ignores them.
 */
export const libc = await openLibrary("libc.so.6", {
  openat: { a: ["i32", "buf", "i32", "u32"], r: "i32" },
  close: { a: ["i32"], r: "i32" },
  read: { a: ["i32", "buf", "u64"], r: "i32" },
  write: { a: ["i32", "buf", "u64"], r: "i32" },
  pread: { a: ["i32", "buf", "u64", "i64"], r: "i32" },
  pwrite: { a: ["i32", "buf", "u64", "i64"], r: "i32" },
  lseek: { a: ["i32", "i64", "i32"], r: "i64" },
  ftruncate: { a: ["i32", "i64"], r: "i32" },
  fchownat: { a: ["i32", "buf", "u32", "u32", "i32"], r: "i32" },
  fchmodat: { a: ["i32", "buf", "u32", "i32"], r: "i32" },
  utimensat: { a: ["i32", "buf", "buf", "i32"], r: "i32" },
  futimens: { a: ["i32", "buf"], r: "i32" },
  fchown: { a: ["i32", "u32", "u32"], r: "i32" },
  fchmod: { a: ["i32", "u32"], r: "i32" },
  fsync: { a: ["i32"], r: "i32" },
  fdatasync: { a: ["i32"], r: "i32" },
  syncfs: { a: ["i32"], r: "i32" },
  mkdirat: { a: ["i32", "buf", "u32"], r: "i32" },
  symlinkat: { a: ["buf", "i32", "buf"], r: "i32" },
  linkat: { a: ["i32", "buf", "i32", "buf", "i32"], r: "i32" },
  renameat: { a: ["i32", "buf", "i32", "buf"], r: "i32" },
  unlinkat: { a: ["i32", "buf", "i32"], r: "i32" },
  readlinkat: { a: ["i32", "buf", "buf", "u64"], r: "i32" },
  flistxattr: { a: ["i32", "buf", "u64"], r: "i32" },
  llistxattr: { a: ["buf", "buf", "u64"], r: "i32" },
  fgetxattr: { a: ["i32", "buf", "buf", "u64"], r: "i32" },
  lgetxattr: { a: ["buf", "buf", "buf", "u64"], r: "i32" },
  fsetxattr: { a: ["i32", "buf", "buf", "u64", "i32"], r: "i32" },
  lsetxattr: { a: ["buf", "buf", "buf", "u64", "i32"], r: "i32" },
  fremovexattr: { a: ["i32", "buf"], r: "i32" },
  lremovexattr: { a: ["buf", "buf"], r: "i32" },
  flock: { a: ["i32", "i32"], r: "i32" },
  fcntl: { a: ["i32", "i32", "i64"], r: "i32" },
  ioctl: { a: ["i32", "u64", "buf"], r: "i32" },
  ioctlNumber: { a: ["i32", "u64", "i64"], r: "i32", sym: "ioctl" },
  tcgetattr: { a: ["i32", "buf"], r: "i32" },
  tcsetattr: { a: ["i32", "i32", "buf"], r: "i32" },
  mount: { a: ["buf", "buf", "buf", "u64", "buf"], r: "i32" },
  umount2: { a: ["buf", "i32"], r: "i32" },
  statfs: { a: ["buf", "buf"], r: "i32" },
  fchdir: { a: ["i32"], r: "i32" },
  poll: { a: ["buf", "u64", "i32"], r: "i32" },
  pipe2: { a: ["buf", "i32"], r: "i32" },
  socket: { a: ["i32", "i32", "i32"], r: "i32" },
  connect: { a: ["i32", "buf", "u32"], r: "i32" },
  bind: { a: ["i32", "buf", "u32"], r: "i32" },
  listen: { a: ["i32", "i32"], r: "i32" },
  accept4: { a: ["i32", "buf", "buf", "i32"], r: "i32" },
  shutdown: { a: ["i32", "i32"], r: "i32" },
  socketpair: { a: ["i32", "i32", "i32", "buf"], r: "i32" },
  sendmsg: { a: ["i32", "buf", "i32"], r: "i32" },
  recvmsg: { a: ["i32", "buf", "i32"], r: "i32" },
  kill: { a: ["i32", "i32"], r: "i32" },
  waitpid: { a: ["i32", "buf", "i32"], r: "i32" },
  signal: { a: ["i32", "i64"], r: "i64" },
  prctl: { a: ["i32", "u64", "u64", "u64", "u64"], r: "i32" },
  prctlText: { a: ["i32", "buf", "u64", "u64", "u64"], r: "i32", sym: "prctl" },
  prlimit: { a: ["i32", "i32", "buf", "buf"], r: "i32" },
  umask: { a: ["u32"], r: "i32" },
  exit: { a: ["i32"], r: "i32", sym: "_exit" },
  setsid: { a: [], r: "i32" },
  unshare: { a: ["i32"], r: "i32" },
  posix_spawn: { a: ["buf", "buf", "buf", "buf", "buf", "buf"], r: "i32" },
  posix_spawn_file_actions_init: { a: ["buf"], r: "i32" },
  posix_spawn_file_actions_destroy: { a: ["buf"], r: "i32" },
  posix_spawn_file_actions_adddup2: { a: ["buf", "i32", "i32"], r: "i32" },
  posix_spawnattr_init: { a: ["buf"], r: "i32" },
  posix_spawnattr_setflags: { a: ["buf", "i32"], r: "i32" },
  posix_spawnattr_setsigdefault: { a: ["buf", "buf"], r: "i32" },
  posix_spawnattr_setsigmask: { a: ["buf", "buf"], r: "i32" },
  /** statx, getdents64, mknodat. */
  sysIBIIB: { a: ["i64", "i64", "buf", "i64", "i64", "buf"], r: "i32", sym: "syscall" },
  /** openat2. */
  sysIBBI: { a: ["i64", "i64", "buf", "buf", "i64"], r: "i32", sym: "syscall" },
  /** renameat2, move_mount, copy_file_range. */
  sysIBIBII: { a: ["i64", "i64", "buf", "i64", "buf", "i64", "i64"], r: "i32", sym: "syscall" },
  /** pidfd_open, fsmount, close_range. */
  sysIIII: { a: ["i64", "i64", "i64", "i64", "i64"], r: "i32", sym: "syscall" },
  /** quotactl. */
  sysIIBIB: { a: ["i64", "i64", "buf", "i64", "buf"], r: "i32", sym: "syscall" },
  /** fsopen. */
  sysBI: { a: ["i64", "buf", "i64"], r: "i32", sym: "syscall" },
  /** fsconfig. */
  sysIIBBI: { a: ["i64", "i64", "i64", "buf", "buf", "i64"], r: "i32", sym: "syscall" },
});

/** errno of the call just made on this thread; anything in between may overwrite it. */
export const errno: () => number = await openErrno("libc.so.6");
/** Address of a buffer made by `fixed`. */
export const addressOf: (bytes: Uint8Array<ArrayBuffer>) => bigint = await openAddress();

export const isArm64: boolean = process.arch === "arm64";

/** Syscall numbers: from 424 on they are the same on every architecture. */
export const NR = {
  getdents64: isArm64 ? 61 : 217,
  mknodat: isArm64 ? 33 : 259,
  renameat2: isArm64 ? 276 : 316,
  copy_file_range: isArm64 ? 285 : 326,
  quotactl: isArm64 ? 60 : 179,
  statx: isArm64 ? 291 : 332,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  pidfd_open: 434,
  close_range: 436,
  openat2: 437,
} as const;

/**
 * Memory with a stable address. Bun moves the store of a small typed array once someone touches its
 * `.buffer`; one that is born on an ArrayBuffer stays.
 */
export function fixed(size: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(size));
}
