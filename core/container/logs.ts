/**
 * Reads a container's k8s-file log (containers.md, section 5): all of it or its last lines, between
 * two times, and on as the container writes, through rotation, until it has ended.
 */
import { isErrno } from "../errors.ts";
import { AT_FDCWD, close, type Fd, lookAt, O, pread, statFd } from "../sys/at.ts";
import { exists, openText } from "../sys/files.ts";
import { type DirectoryWatch, watchDirectories } from "../sys/inotify.ts";
import { openPidfd } from "../sys/pidfd.ts";
import { poll, pollOne } from "../sys/pipe.ts";
import { raw } from "../terms.ts";
import { type LogSink, openPrinter, type PrintOptions } from "./log_printer.ts";
import { searchTail } from "./log_tail.ts";

export interface LogOptions extends PrintOptions {
  /** Only the last so many lines of what is there now; the parts of one line count once. */
  readonly tail?: number;
  /** Go on with what the container writes from now on. */
  readonly follow?: FollowOptions;
}

/** How the end of a followed container is noticed. */
export interface FollowOptions {
  /** Appears when all output is in the log (see the monitor's contract). */
  readonly exitFile: string;
  /** Its death without an exit file is an end too. */
  readonly monitorPid?: number;
}

/** A log being read, for callers that follow several at once. */
export interface LogReader {
  /** Wait for one of these ("in") between two calls of `pump`; empty when nothing is followed. */
  readonly wake: readonly Fd[];
  /** Prints what is there; true when nothing more will come. */
  pump(): boolean;
  close(): void;
}

const CHUNK = 256 * 1024;

/** Prints a log to the end; with `follow` until the container has ended. Blocks. */
export function readLog(paths: readonly string[], options: LogOptions, sink: LogSink): void {
  const reader = openLog(paths, options, sink);
  try {
    while (!reader.pump()) {
      if (reader.wake.length > 0) poll(reader.wake.map((fd) => ({ fd, events: "in" })), -1);
    }
  } finally {
    reader.close();
  }
}

/**
 * Opens the log files of one container, oldest first; the last one is the one being written. Files
 * that are not there are left out; fails with `notfound` when the last one is not.
 */
export function openLog(
  paths: readonly string[],
  options: LogOptions,
  sink: LogSink,
): LogReader {
  const live = paths.at(-1) ?? "";
  const printer = openPrinter(options, sink);
  // Watching begins before the first look at the files, so that nothing falls in between.
  const ending = options.follow ? watchEnd(live, options.follow) : null;
  let files: OpenFile[] = [];
  try {
    files = openFiles(paths, options.tail);
  } catch (error) {
    ending?.close();
    throw error;
  }
  const buffer = Buffer.alloc(CHUNK);

  /** Sends all that can be read from the files at hand to the printer; the last one stays open. */
  function readOn(): void {
    for (;;) {
      const file = files[0];
      if (file === undefined) return;
      const count = pread(file.fd, buffer, file.offset);
      if (count > 0) {
        file.offset += count;
        printer.feed(buffer.subarray(0, count));
        if (printer.isPastUntil()) return;
      } else if (files.length > 1) {
        printer.endFile();
        close(files.shift()!.fd);
      } else return;
    }
  }

  return {
    wake: ending?.wake ?? [],
    pump() {
      // The order matters: what is read after the end was seen is all there is.
      const isLast = ending === null || ending.hasEnded();
      readOn();
      while (ending !== null && !printer.isPastUntil() && reopened(live, files)) readOn();
      if (isLast || printer.isPastUntil()) printer.endFile();
      printer.flush();
      return isLast || printer.isPastUntil();
    },
    close() {
      for (const { fd } of files.splice(0)) close(fd);
      ending?.close();
    },
  };
}

interface OpenFile {
  readonly fd: Fd;
  offset: number;
}

function openFiles(paths: readonly string[], tail: number | undefined): OpenFile[] {
  const files: OpenFile[] = [];
  try {
    for (const [i, path] of paths.entries()) {
      try {
        files.push({ fd: openText(path, O.RDONLY), offset: 0 });
      } catch (error) {
        if (i === paths.length - 1 || !isErrno(error, "ENOENT")) throw error;
      }
    }
    return tail === undefined ? files : skipToTail(files, tail);
  } catch (error) {
    for (const { fd } of files) close(fd);
    throw error;
  }
}

function skipToTail(files: OpenFile[], tail: number): OpenFile[] {
  const search = searchTail(tail);
  for (let i = files.length - 1; i >= 0; i--) {
    const file = files[i]!;
    const offset = search.search(file.fd, statFd(file.fd).size);
    if (offset === null) continue;
    file.offset = offset;
    for (const { fd } of files.slice(0, i)) close(fd);
    return files.slice(i);
  }
  return files;
}

/**
 * Looks whether the monitor has begun a new file under the log's name (conmon renames an empty one
 * over it) or has cut the old one; then the next reading begins there. The old file was read to its
 * end before, and nobody writes to it any more.
 */
function reopened(path: string, files: OpenFile[]): boolean {
  const file = files.at(-1);
  const found = lookAt(AT_FDCWD, raw(path));
  if (file === undefined || found === null) return false;
  const old = statFd(file.fd);
  if (old.ino === found.ino && old.dev === found.dev) {
    if (old.size >= file.offset) return false;
    file.offset = 0;
    return true;
  }
  // Between the last reading and the rename the old file may have grown.
  if (old.size > file.offset) return true;
  files.push({ fd: openText(path, O.RDONLY), offset: 0 });
  return true;
}

interface Ending {
  readonly wake: readonly Fd[];
  hasEnded(): boolean;
  close(): void;
}

function watchEnd(log: string, follow: FollowOptions): Ending {
  const directory = (path: string) => path.slice(0, path.lastIndexOf("/")) || "/";
  const watch: DirectoryWatch = watchDirectories([directory(log)], { writes: true });
  const exits: DirectoryWatch = watchDirectories([directory(follow.exitFile)]);
  const monitor = follow.monitorPid === undefined ? null : openPidfd(follow.monitorPid);
  const wake = [watch.fd, exits.fd, ...typeof monitor === "number" ? [monitor] : []];
  return {
    wake,
    hasEnded() {
      watch.drain();
      exits.drain();
      if (exists(follow.exitFile) || monitor === "gone") return true;
      return typeof monitor === "number" && pollOne(monitor, "in", 0);
    },
    close() {
      watch.close();
      exits.close();
      if (typeof monitor === "number") close(monitor);
    },
  };
}
