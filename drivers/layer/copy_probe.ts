/** What the copy driver finds: may we mount, and can files share blocks. Tried once per boot. */
import { isErrno } from "../../core/errors.ts";
import { AT_FDCWD, close, mkdirAt, O, openAt, statAt, write } from "../../core/sys/at.ts";
import { cloneFile } from "../../core/sys/copy.ts";
import { readTextOrNull, removeTree, writeAtomic } from "../../core/sys/files.ts";
import { fsMagic, fsName, mount, unmount } from "../../core/sys/mount.ts";
import { bootId } from "../../core/sys/process.ts";
import { type Probe, raw } from "../../core/terms.ts";
import type { DriverPlace } from "../module.ts";

interface Answer {
  /** Boot and directory that this answer is for. */
  readonly key: string;
  readonly reflink: boolean;
  /** Why it cannot be used; null when it can. */
  readonly reason: string | null;
}

export function hasReflink(place: DriverPlace): boolean {
  return ask(place).reflink;
}

export function probeCopy(place: DriverPlace): Probe {
  const { reflink, reason } = ask(place);
  if (reason !== null) return { usable: false, reason };
  const backing = fsName(fsMagic(place.root));
  return {
    usable: true,
    reason: reflink
      ? `every container is a clone on ${backing}, which shares the blocks`
      : `every container takes the time and the space of a full copy, as ${backing} cannot share blocks`,
    facts: { backing, reflink, hardlinksSurviveCopyUp: true },
  };
}

function ask(place: DriverPlace): Answer {
  const file = `${place.runroot}/copy-probe`;
  try {
    const { dev, ino } = statAt(AT_FDCWD, raw(place.root), { follow: true });
    const key = [bootId(), dev, ino].join(" ");
    const cached = readTextOrNull(file);
    if (cached !== null) {
      const answer = JSON.parse(cached) as Answer;
      if (answer.key === key) return answer;
    }
    const answer = { key, ...tryOut(place.root) };
    writeAtomic(file, JSON.stringify(answer));
    return answer;
  } catch (error) {
    return { key: "", reflink: false, reason: error instanceof Error ? error.message : `${error}` };
  }
}

function tryOut(root: string): Omit<Answer, "key"> {
  const base = `${root}/.probe-${crypto.randomUUID()}`;
  try {
    for (const name of ["", "/a", "/b"]) mkdirAt(AT_FDCWD, raw(base + name), 0o700);
    const reflink = tryClone(base);
    mount({ source: `${base}/a`, target: `${base}/b`, flags: ["bind"] });
    unmount(`${base}/b`);
    return { reflink, reason: null };
  } catch (error) {
    if (!isErrno(error, "EPERM", "EACCES")) throw error;
    return { reflink: false, reason: "mounting is not allowed here; it needs root" };
  } finally {
    removeTree(base);
  }
}

function tryClone(base: string): boolean {
  const from = openAt(AT_FDCWD, raw(`${base}/from`), O.RDWR | O.CREAT, 0o600);
  try {
    write(from, new Uint8Array(4096));
    const to = openAt(AT_FDCWD, raw(`${base}/to`), O.RDWR | O.CREAT, 0o600);
    try {
      return cloneFile(from, to);
    } finally {
      close(to);
    }
  } finally {
    close(from);
  }
}
