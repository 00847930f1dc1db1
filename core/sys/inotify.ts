/**
 * Being told by the kernel that something changed in a directory, or that a process ended, instead
 * of asking again and again. inotify(7), pidfd_open(2).
 */
import { isErrno } from "../errors.ts";
import { raw } from "../terms.ts";
import { AT_FDCWD, close, type Fd, lookAt, read } from "./at.ts";
import { errnoError } from "./errno.ts";
import { errno, fixed, isArm64, libc } from "./libc.ts";
import { cString } from "./path_buffer.ts";
import { openPidfd } from "./pidfd.ts";
import { poll, sleep } from "./pipe.ts";
import { processStart } from "./process.ts";

const INOTIFY_INIT1 = isArm64 ? 26 : 294;
const INOTIFY_ADD_WATCH = isArm64 ? 27 : 254;
const IN_NONBLOCK_CLOEXEC = 0o4000 | 0o2000000;
const IN_MODIFY = 0x2;
const IN_MOVED_TO = 0x80;
const IN_CREATE = 0x100;
const IN_ONLYDIR = 0x1000000;
const LOOK_MS = 100;

/** A watch on directories; readable (poll "in") when something changed in one of them. */
export interface DirectoryWatch {
  readonly fd: Fd;
  /** Forgets what was reported so far; look at the directories after it, not before. */
  drain(): void;
  close(): void;
}

/**
 * Watches directories for names that appear (created or renamed into place) and, with `writes`, for
 * writes to their files. Not recursive. Fails with `notfound`, or EMFILE when the host's limit of
 * watches is reached (fs.inotify.max_user_instances).
 */
export function watchDirectories(
  paths: readonly string[],
  options: { readonly writes?: boolean } = {},
): DirectoryWatch {
  const fd = libc.sysIIII(INOTIFY_INIT1, IN_NONBLOCK_CLOEXEC, 0, 0, 0);
  if (fd < 0) throw errnoError("watch", paths[0] ?? "", errno());
  const mask = IN_CREATE | IN_MOVED_TO | IN_ONLYDIR | (options.writes ? IN_MODIFY : 0);
  for (const path of paths) {
    const watch = libc.sysIBIIB(INOTIFY_ADD_WATCH, fd, cString(path), mask, 0, null);
    if (watch >= 0) continue;
    const number = errno();
    close(fd);
    throw errnoError("watch", path, number);
  }
  const events = fixed(16384);
  return {
    fd,
    drain() {
      try {
        while (read(fd, events) > 0);
      } catch (error) {
        if (!isErrno(error, "EAGAIN")) throw error;
      }
    },
    close: () => close(fd),
  };
}

/** Looks of a millisecond each. */
const SHORT_LOOKS = 10;

/**
 * Waits until the file is there ("there"), or the process that would make it has ended without it
 * ("gone"), or `timeoutMs` have passed ("timeout"; without it: for ever). The directory must exist.
 */
export function waitForFile(
  path: string,
  options: { readonly pid?: number; readonly timeoutMs?: number } = {},
): "there" | "gone" | "timeout" {
  const { pid } = options;
  const isThere = () => lookAt(AT_FDCWD, raw(path)) !== null;
  // Taking a watch away waits for the kernel's grace period, 10 to 20 ms: what comes at once is
  // waited for without one.
  for (let look = 0; look < SHORT_LOOKS; look++) {
    if (isThere()) return "there";
    sleep(1);
  }
  const watch = watchDirectories([path.slice(0, path.lastIndexOf("/")) || "/"]);
  const process = pid === undefined ? null : openPidfd(pid);
  // Without pidfd (before Linux 5.3) the process is looked at now and then.
  const slice = pid !== undefined && process === null ? LOOK_MS : Infinity;
  const deadline = Date.now() + (options.timeoutMs ?? Infinity);
  try {
    for (;;) {
      watch.drain();
      if (isThere()) return "there";
      if (process === "gone" || (slice < Infinity && processStart(pid!) === null)) return "gone";
      const left = Math.min(deadline - Date.now(), slice);
      if (deadline <= Date.now()) return "timeout";
      const fds = [watch.fd, typeof process === "number" ? process : -1];
      const items = fds.map((fd) => ({ fd, events: "in" as const }));
      const ready = poll(items, left === Infinity ? -1 : left);
      // The file may have come between the look above and the end of the process.
      if (ready[1]?.ready) return isThere() ? "there" : "gone";
    }
  } finally {
    watch.close();
    if (typeof process === "number") close(process);
  }
}
