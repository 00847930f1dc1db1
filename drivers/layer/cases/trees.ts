/**
 * What the conformance cases build trees with and look at them with: plain system calls, nothing of
 * the code that is being proven.
 */
import { type CoracleError, type ErrorCode, hasCode, isErrno } from "../../../core/errors.ts";
import {
  chmodAt,
  chownAt,
  close,
  linkAt,
  listDir,
  lookAt,
  mkdirAt,
  mknodAt,
  O,
  openAt,
  read,
  readlinkAt,
  renameAt,
  type Stat,
  statAt,
  symlinkAt,
  utimeAt,
  write,
} from "../../../core/sys/at.ts";
import { removeTree } from "../../../core/sys/files.ts";
import {
  getXattr,
  getXattrAt,
  listXattrs,
  listXattrsAt,
  setXattr,
} from "../../../core/sys/xattr.ts";
import { raw, type RawPath, text, type TreeEntry, type TreeSink } from "../../../core/terms.ts";

const HERE = -100;

export interface Look {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly mtime?: bigint;
  readonly xattrs?: Readonly<Record<string, string>>;
}

/** Second of the fixture's clock; every object has a time with nanoseconds of its own. */
export const TIME = 1_234_567_890_123_456_789n;

export function writeFile(path: string, content: string | Uint8Array, look: Look = {}): void {
  const fd = openAt(HERE, raw(path), O.WRONLY | O.CREAT | O.TRUNC, 0o644);
  try {
    write(fd, typeof content === "string" ? Buffer.from(content) : content);
    for (const [name, value] of Object.entries(look.xattrs ?? {})) {
      setXattr(fd, raw(name), Buffer.from(value, "latin1"));
    }
  } finally {
    close(fd);
  }
  setLook(path, look);
}

export function appendFile(path: string, content: string): void {
  const fd = openAt(HERE, raw(path), O.WRONLY | O.APPEND);
  try {
    write(fd, Buffer.from(content));
  } finally {
    close(fd);
  }
}

export function makeDir(path: string, look: Look = {}): void {
  mkdirAt(HERE, raw(path), 0o755);
  if (look.xattrs !== undefined) setXattrs(path, look.xattrs);
  setLook(path, { mode: 0o755, ...look });
}

export function setXattrs(path: string, xattrs: Readonly<Record<string, string>>): void {
  const fd = openAt(HERE, raw(path), O.RDONLY | O.NOFOLLOW);
  try {
    for (const [name, value] of Object.entries(xattrs)) {
      setXattr(fd, raw(name), Buffer.from(value, "latin1"));
    }
  } finally {
    close(fd);
  }
}

/** chown before chmod: the kernel clears set-id bits when the owner changes. */
export function setLook(path: string, look: Look): void {
  const at = raw(path);
  if (look.uid !== undefined || look.gid !== undefined) {
    chownAt(HERE, at, look.uid ?? 0, look.gid ?? 0);
  }
  if (look.mode !== undefined) chmodAt(HERE, at, look.mode);
  if (look.mtime !== undefined) utimeAt(HERE, at, look.mtime);
}

export function makeLink(target: string, path: string): void {
  symlinkAt(raw(target), HERE, raw(path));
}

export function makeHardLink(from: string, to: string): void {
  linkAt(HERE, raw(from), HERE, raw(to));
}

export function makeNode(
  path: string,
  type: "fifo" | "char" | "block" | "socket",
  device?: { major: number; minor: number },
): void {
  mknodAt(HERE, raw(path), type, 0o644, device);
}

export function move(from: string, to: string): void {
  renameAt(HERE, raw(from), HERE, raw(to));
}

/** rm -rf. */
export function remove(path: string): void {
  removeTree(path);
}

export function look(path: string): Stat | null {
  return lookAt(HERE, raw(path));
}

export function readAll(path: string): string {
  const fd = openAt(HERE, raw(path), O.RDONLY);
  try {
    return readFd(fd);
  } finally {
    close(fd);
  }
}

function readFd(fd: number): string {
  const buffer = new Uint8Array(new ArrayBuffer(65536));
  let all = "";
  for (let got = read(fd, buffer); got > 0; got = read(fd, buffer)) {
    all += Buffer.from(buffer.subarray(0, got)).toString("latin1");
  }
  return all;
}

/** Keeps a file in use until it is closed. */
export function openForReading(path: string): { close(): void } {
  const fd = openAt(HERE, raw(path), O.RDONLY);
  return { close: () => close(fd) };
}

export function listNames(path: string): string[] {
  const fd = openAt(HERE, raw(path), O.RDONLY | O.DIRECTORY);
  try {
    return listDir(fd).map(({ name }) => text(name)).sort();
  } finally {
    close(fd);
  }
}

/** Long content as its length and a checksum, so that a failed comparison stays readable. */
function brief(content: string): string {
  if (content.length <= 60) return JSON.stringify(content);
  let sum = 0;
  for (let i = 0; i < content.length; i++) sum = (sum * 31 + content.charCodeAt(i)) >>> 0;
  return `${content.length} bytes ${sum.toString(16)}`;
}

const UNION_XATTR = /^(trusted|user)\.overlay\.|^security\.selinux$/;

/**
 * One line per object, sorted by path: everything that a person inside could see, and nothing that
 * depends on the file system. `times: false` leaves out modification times.
 */
export function describeTree(root: string, options: { times?: boolean } = {}): string[] {
  const lines: string[] = [];
  const firstNames = new Map<string, string>();
  const visit = (dir: number, name: RawPath, path: string) => {
    const stat = statAt(dir, name);
    const time = options.times === false ? "" : ` ${stat.mtime}`;
    let line = `${path} ${stat.type} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid}${time}`;
    if (stat.type === "char" || stat.type === "block") line += ` ${stat.major}:${stat.minor}`;
    if (stat.type === "symlink") line += ` -> ${readlinkAt(dir, name)}`;
    if (stat.type !== "dir" && stat.nlink > 1) {
      const key = `${stat.dev}:${stat.ino}`;
      const first = firstNames.get(key);
      if (first === undefined) firstNames.set(key, path);
      else line += ` = ${first}`;
    }
    if (stat.type !== "file" && stat.type !== "dir") {
      lines.push(
        line + describeXattrs(listXattrsAt(dir, name), (key) => getXattrAt(dir, name, key)),
      );
      return;
    }
    const fd = openAt(dir, name, O.RDONLY | O.NOFOLLOW);
    try {
      line += describeXattrs(listXattrs(fd), (key) => getXattr(fd, key));
      if (stat.type === "file") line += ` ${brief(readFd(fd))}`;
      lines.push(line);
      if (stat.type === "file") return;
      const names = listDir(fd).map((item) => item.name).sort();
      for (const item of names) visit(fd, item, `${path === "/" ? "" : path}/${item}`);
    } finally {
      close(fd);
    }
  };
  visit(HERE, raw(root), "/");
  return lines;
}

function describeXattrs(
  names: readonly RawPath[],
  get: (name: RawPath) => Uint8Array | null,
): string {
  return [...names].filter((name) => !UNION_XATTR.test(name)).sort()
    .map((name) => ` ${name}=${Buffer.from(get(name) ?? []).toString("hex")}`).join("");
}

/** A sink that remembers what it was sent, one line per entry. */
export class Recorder implements TreeSink {
  readonly entries: TreeEntry[] = [];
  readonly #contents: string[] = [];
  ended = false;

  entry(entry: TreeEntry): void {
    this.entries.push(entry);
    this.#contents.push("");
  }

  write(bytes: Uint8Array): void {
    this.#contents[this.#contents.length - 1] += Buffer.from(bytes).toString("latin1");
  }

  end(): void {
    this.ended = true;
  }

  /** Everything about every entry. */
  lines(): string[] {
    return this.entries.map((entry, index) => {
      const content = this.#contents[index] as string;
      const xattrs = [...entry.xattrs ?? []].sort(([a], [b]) => a < b ? -1 : 1)
        .map(([name, value]) => ` ${name}=${Buffer.from(value).toString("hex")}`).join("");
      const device = entry.device === undefined
        ? ""
        : ` ${entry.device.major}:${entry.device.minor}`;
      const link = entry.linkTarget === undefined ? "" : ` -> ${entry.linkTarget}`;
      const body = entry.type === "file" ? ` ${entry.size} ${brief(content)}` : "";
      return `${entry.path} ${entry.type} ${entry.mode.toString(8)} ${entry.uid}:${entry.gid}` +
        ` ${entry.mtime}${device}${link}${xattrs}${body}`;
    });
  }

  /** `type path`, the root left out. */
  outline(): string[] {
    return this.entries.filter((entry) => entry.path !== "")
      .map((entry) => `${entry.type} ${text(entry.path)}`);
  }

  /** Sends what was recorded once more. */
  replay(sink: TreeSink): void {
    this.entries.forEach((entry, index) => {
      sink.entry(entry);
      const content = this.#contents[index] as string;
      if (content !== "") sink.write(Buffer.from(content, "latin1"));
    });
    sink.end();
  }
}

/** A plain entry; what is not said is 0644 or 0755, owned by root, at the fixture's time. */
export function entry(
  type: TreeEntry["type"],
  path: string,
  more: Partial<TreeEntry> = {},
): TreeEntry {
  const mode = type === "dir" ? 0o755 : type === "symlink" ? 0o777 : 0o644;
  return { path: raw(path), type, mode, uid: 0, gid: 0, mtime: TIME, size: 0, ...more };
}

/** Sends a file with its content. */
export function sendFile(
  sink: TreeSink,
  path: string,
  content: string,
  more: Partial<TreeEntry> = {},
): void {
  const bytes = Buffer.from(content);
  sink.entry(entry("file", path, { size: bytes.length, ...more }));
  if (bytes.length > 0) sink.write(bytes);
}

/** Every path below `root`, sorted: for "leaves nothing behind". Does not follow links. */
export function everything(root: string): string[] {
  const found: string[] = [];
  const visit = (path: string) => {
    for (const name of listNames(path)) {
      const child = `${path}/${name}`;
      found.push(child.slice(root.length + 1));
      if (look(child)?.type === "dir") visit(child);
    }
  };
  visit(root);
  return found.sort();
}

/** Throws unless `work` fails with a CoracleError of one of these codes. */
export function expectCode(work: () => unknown, ...codes: ErrorCode[]): CoracleError {
  try {
    work();
  } catch (error) {
    if (hasCode(error, ...codes)) return error;
    throw new Error(`expected a failure with ${codes.join(" or ")}, got ${error}`, {
      cause: error,
    });
  }
  throw new Error(`expected a failure with ${codes.join(" or ")}, but it succeeded`);
}

/** Throws unless `work` fails with a system call error of one of these names. */
export function expectErrno(work: () => unknown, ...names: string[]): void {
  try {
    work();
  } catch (error) {
    if (isErrno(error, ...names)) return;
    throw new Error(`expected ${names.join(" or ")}, got ${error}`, { cause: error });
  }
  throw new Error(`expected ${names.join(" or ")}, but it succeeded`);
}
