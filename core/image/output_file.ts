/**
 * A file of the user's that is written all at once: nothing is to be seen under its name until it is
 * whole, and a kill leaves nothing (where the file system has O_TMPFILE) or a hidden file beside it
 * that the next `save` to the same place removes.
 */
import { CoracleError, isErrno } from "../errors.ts";
import { AT_FDCWD, close, type Fd, linkFd, O, openAt } from "../sys/at.ts";
import { listNames, lookAtText, moveInto, openBeside, openText, removeFile } from "../sys/files.ts";
import { isAlive, selfIdentity } from "../sys/process.ts";
import { raw } from "../terms.ts";

export interface OutputFile {
  readonly fd: Fd;
  /** Can what was written be changed afterwards? */
  readonly isSeekable: boolean;
  /** Puts the whole file in place. */
  commit(): void;
  /** Closes it, and throws away what was not committed. Safe to repeat. */
  close(): void;
}

/**
 * Opens `path` for writing. What is there and no plain file (a pipe, /dev/null) is written directly;
 * a plain file is replaced by `commit`. Fails with `notfound` when the folder is missing.
 */
export function openOutputFile(path: string): OutputFile {
  const there = lookAtText(path);
  if (there !== null && there.type !== "file") {
    if (there.type === "dir") {
      throw new CoracleError("usage", `cannot write ${JSON.stringify(path)}`, {
        why: "it is a directory",
      });
    }
    const fd = openText(path, O.WRONLY);
    let isOpen = true;
    const end = () => {
      if (isOpen) close(fd);
      isOpen = false;
    };
    return { fd, isSeekable: false, commit: end, close: end };
  }
  const { folder, name } = split(path);
  removeLeftovers(folder, name);
  return openUnnamed(folder, path, name) ?? openHidden(folder, path, name);
}

function split(path: string): { folder: string; name: string } {
  const slash = path.lastIndexOf("/");
  const folder = slash < 0 ? "." : path.slice(0, slash) || "/";
  return { folder, name: path.slice(slash + 1) };
}

const MODE = 0o644;

function openUnnamed(folder: string, path: string, name: string): OutputFile | null {
  let fd: Fd;
  try {
    fd = openAt(AT_FDCWD, raw(folder), O.TMPFILE | O.RDWR, MODE);
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP", "EISDIR", "EINVAL", "ENOENT")) return null;
    throw error;
  }
  return atOnce(fd, () => {
    // linkat(2) cannot replace a file: it gets a name beside it first.
    const hidden = hiddenPath(folder, name);
    linkFd(fd, AT_FDCWD, raw(hidden));
    moveInto(hidden, path);
  });
}

function openHidden(folder: string, path: string, name: string): OutputFile {
  const hidden = hiddenPath(folder, name);
  const fd = openBeside(path, hidden, O.RDWR | O.CREAT | O.EXCL | O.NOFOLLOW, MODE);
  return atOnce(fd, () => moveInto(hidden, path), () => removeFile(hidden));
}

function atOnce(fd: Fd, place: () => void, discard: () => void = () => {}): OutputFile {
  let isOpen = true;
  return {
    fd,
    isSeekable: true,
    commit() {
      place();
      isOpen = false;
      close(fd);
    },
    close() {
      if (!isOpen) return;
      isOpen = false;
      close(fd);
      discard();
    },
  };
}

/** A path beside `name` that says whose it is. */
export function hiddenPath(folder: string, name: string): string {
  const { pid, start } = selfIdentity();
  return `${folder}/.${name}.${pid}-${start}.part`;
}

/** Hidden files and folders of dead processes for this output. */
export function leftovers(folder: string, name: string): string[] {
  return listNames(folder).filter((other) => {
    if (!other.startsWith(`.${name}.`) || !other.endsWith(".part")) return false;
    const [pid = "", start = ""] = other.slice(name.length + 2, -".part".length).split("-");
    return /^\d+$/.test(pid) && !isAlive({ pid: Number(pid), start });
  }).map((other) => `${folder}/${other}`);
}

function removeLeftovers(folder: string, name: string): void {
  for (const path of leftovers(folder, name)) removeFile(path);
}
