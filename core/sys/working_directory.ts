/**
 * The working directory of the process, changed for one synchronous action.
 */
import { raw } from "../terms.ts";
import { AT_FDCWD, close, type Fd, O, openAt } from "./at.ts";
import { libc } from "./libc.ts";
import { fdError } from "./path_buffer.ts";

/** Runs `action` with the working directory `dir` and goes back. */
export function withDirectory<T>(dir: string, action: () => T): T {
  const before = openAt(AT_FDCWD, raw("."), O.PATH | O.DIRECTORY);
  try {
    const there = openAt(AT_FDCWD, raw(dir), O.PATH | O.DIRECTORY);
    try {
      enter(there);
    } finally {
      close(there);
    }
    try {
      return action();
    } finally {
      enter(before);
    }
  } finally {
    close(before);
  }
}

function enter(dir: Fd): void {
  if (libc.fchdir(dir) !== 0) throw fdError("change into", dir);
}
