/**
 * A process by descriptor: unlike a pid it cannot come to mean another process. Linux 5.3.
 */
import { ERRNO, errnoError } from "./errno.ts";
import { errno, libc, NR } from "./libc.ts";

/** A descriptor of the process, "gone" when there is none, null where the kernel has no pidfd. */
export function openPidfd(pid: number): number | "gone" | null {
  const fd = libc.sysIIII(NR.pidfd_open, pid, 0, 0, 0);
  if (fd >= 0) return fd;
  const number = errno();
  if (number === ERRNO.ESRCH) return "gone";
  if (number === ERRNO.ENOSYS || number === ERRNO.EPERM) return null;
  throw errnoError("watch process", String(pid), number);
}
