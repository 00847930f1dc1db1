/** Gives a directory and all in it to a user, for the mount option `U`. */
import { chownAt, close, listDir, lookAt, O, openAt } from "../../sys/at.ts";
import { openText } from "../../sys/files.ts";
import { raw } from "../../terms.ts";

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Links are not followed and other file systems below are left alone. */
export function giveTree(path: string, owner: Owner): void {
  const top = openText(path, O.RDONLY | O.DIRECTORY);
  try {
    const device = lookAt(top, raw("."))?.dev;
    give(top, owner, device);
    chownAt(top, raw("."), owner.uid, owner.gid);
  } finally {
    close(top);
  }
}

function give(directory: number, owner: Owner, device: number | undefined): void {
  for (const { name } of listDir(directory)) {
    // A name may vanish while we work: somebody else uses the directory too.
    const stat = lookAt(directory, name);
    if (stat === null || stat.dev !== device) continue;
    if (stat.type === "dir") {
      const below = openAt(directory, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
      try {
        give(below, owner, device);
      } finally {
        close(below);
      }
    }
    if (stat.uid !== owner.uid || stat.gid !== owner.gid) {
      chownAt(directory, name, owner.uid, owner.gid);
    }
  }
}
