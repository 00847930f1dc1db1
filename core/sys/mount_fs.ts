/**
 * Mounting by the newer calls (fsopen, fsconfig, fsmount, move_mount; Linux 5.2): options one by one
 * without a length limit, the target by descriptor, and the kernel's own words when it refuses.
 */
import { CoracleError } from "../errors.ts";
import { raw } from "../terms.ts";
import { AT_FDCWD, close, type Fd, O, openAt } from "./at.ts";
import { ERRNO, errnoError, errnoWords } from "./errno.ts";
import { errno, fixed, libc, NR } from "./libc.ts";
import { cString } from "./path_buffer.ts";

const CLOEXEC = 1;
const CONFIG = { FLAG: 0, STRING: 1, CREATE: 6 } as const;
const MOVE_EMPTY_PATH = 4;

/** MOUNT_ATTR_*, by the words of mount(8). */
const ATTRIBUTES: Readonly<Record<string, number>> = {
  ro: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  relatime: 0,
  noatime: 0x10,
  strictatime: 0x20,
  nodiratime: 0x80,
  nosymfollow: 0x200000,
};

export interface FsMount {
  /** Name of the file system. */
  readonly type: string;
  readonly source?: string;
  /** Options in order: a word, or a key and a value; a key may come several times. */
  readonly options: readonly (string | readonly [key: string, value: string])[];
  /** Words of mount(8) for the mount itself: ro, nosuid, nodev, noexec, noatime, … */
  readonly flags?: readonly string[];
}

/** Has this kernel the calls? Asked once, with a call that does nothing. */
export function hasMountFs(): boolean {
  return known ??= probe();
}
let known: boolean | undefined;

function probe(): boolean {
  const fd = libc.sysBI(NR.fsopen, cString("tmpfs"), CLOEXEC);
  if (fd < 0) return false;
  close(fd);
  return true;
}

/** Mounts on `target` (a path, or an open directory). Fails with `failed` and the kernel's words. */
export function mountFs(spec: FsMount, target: string | Fd): void {
  const mounted = makeFs(spec);
  try {
    attach(mounted, target, spec.type);
  } finally {
    close(mounted);
  }
}

/** A mount that is nowhere yet: a descriptor that `attach` or openat can use. The caller closes it. */
export function makeFs(spec: FsMount): Fd {
  const context = libc.sysBI(NR.fsopen, cString(spec.type), CLOEXEC);
  if (context < 0) throw refused(spec.type, -1);
  try {
    if (spec.source !== undefined) configure(context, spec, CONFIG.STRING, "source", spec.source);
    for (const option of spec.options) {
      if (typeof option === "string") configure(context, spec, CONFIG.FLAG, option, null);
      else configure(context, spec, CONFIG.STRING, option[0], option[1]);
    }
    // A read-only file system and not only a read-only mount of it, as mount(2) does.
    if (spec.flags?.includes("ro")) configure(context, spec, CONFIG.FLAG, "ro", null);
    configure(context, spec, CONFIG.CREATE, null, null);
    const fd = libc.sysIIII(NR.fsmount, context, CLOEXEC, attributes(spec), 0);
    if (fd < 0) throw refused(spec.type, context);
    return fd;
  } finally {
    close(context);
  }
}

function attributes(spec: FsMount): number {
  let bits = 0;
  for (const word of spec.flags ?? []) {
    const bit = ATTRIBUTES[word];
    if (bit === undefined) {
      throw new CoracleError("usage", `cannot mount ${spec.type}`, {
        why: `unknown mount option ${JSON.stringify(word)}`,
      });
    }
    bits |= bit;
  }
  return bits;
}

function configure(
  context: Fd,
  spec: FsMount,
  command: number,
  key: string | null,
  value: string | null,
): void {
  const keyBytes = key === null ? null : cString(key);
  const valueBytes = value === null ? null : cString(value);
  if (libc.sysIIBBI(NR.fsconfig, context, command, keyBytes, valueBytes, 0) !== 0) {
    throw refused(spec.type, context);
  }
}

/** Puts a mount from `makeFs` where it is to be seen. */
export function attach(mounted: Fd, target: string | Fd, what: string): void {
  const dir = typeof target === "number" ? target : openAt(AT_FDCWD, raw(target), O.PATH);
  try {
    const empty = cString("");
    const result = libc.sysIBIBII(
      NR.move_mount,
      mounted,
      empty,
      dir,
      empty,
      MOVE_EMPTY_PATH | 0x40,
      0,
    );
    if (result !== 0) throw errnoError("mount", `${what} on ${target}`, errno());
  } finally {
    if (typeof target !== "number") close(dir);
  }
}

const message = fixed(1024);

/** The error, with what the kernel wrote into the context: "e overlay: Unknown parameter 'x'". */
function refused(type: string, context: Fd): CoracleError {
  const number = errno();
  if (number === ERRNO.ENOSYS) {
    return new CoracleError("unsupported", `cannot mount ${type}`, {
      why: "this kernel has no fsopen (Linux 5.2)",
    });
  }
  const said: string[] = [];
  for (let i = 0; context >= 0 && i < 32; i++) {
    const n = libc.read(context, message, message.length);
    if (n <= 0) break;
    said.push(Buffer.from(message.buffer, 0, n).toString("utf8").trim().replace(/^[ewi] /, ""));
  }
  const cause = errnoError("mount", type, number);
  const { words } = errnoWords(number);
  return new CoracleError(cause.code, `cannot mount ${type}`, {
    why: said.length === 0 ? words : `${said.join("; ")} (${words})`,
    cause,
  });
}
