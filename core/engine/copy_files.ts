/**
 * `cp`: files between a container and the host, or two containers. Podman's rules for what lands
 * where, podman-cp(1):
 *
 *     source      destination is a directory   is a file        is missing, its parent is there
 *     file        DEST/name                    replaced         made, with the name of DEST
 *     dir         DEST/name                    error            made, with the name of DEST
 *     dir/.       its content into DEST        error            made, with the content
 *
 * A destination that ends with a slash must be a directory. The name is that of what a link names.
 */
import { decompressed } from "../archive/compression.ts";
import { sendContent } from "../archive/send_content.ts";
import { TarReader } from "../archive/tar_reader.ts";
import { TarWriter } from "../archive/tar_writer.ts";
import { TreeReceiver } from "../archive/receive.ts";
import { walkTree } from "../archive/walk.ts";
import { resolveUser } from "../container/users.ts";
import { CoracleError } from "../errors.ts";
import { close, type Fd, O, type Stat, statFd, write } from "../sys/at.ts";
import { getXattr, listXattrs } from "../sys/xattr.ts";
import { joinRaw, raw, type RawPath, text, type TreeEntry, type TreeSink } from "../terms.ts";
import { recordOf } from "./container_state.ts";
import {
  findSpot,
  lookInside,
  openInside,
  type Place,
  type Spot,
  typedPath,
} from "./copy_place.ts";

export interface CopyOptions {
  /** In a container everything belongs to its user, instead of to whom it belonged before. */
  readonly chown: boolean;
  /** A file may take the place of a directory, and a directory that of a file. */
  readonly overwrite: boolean;
}

export interface CopySource {
  readonly place: Place;
  /** As typed. */
  readonly path: string;
}

/** Copies what is at `from` to `to`. Fails with `notfound`, `usage`, `exists`, `busy`. */
export function copyFiles(from: CopySource, to: CopySource, options: CopyOptions): void {
  const source = findSource(from);
  const goal = findGoal(to);
  const isDir = source.stat.type === "dir";
  if (isDir && goal.kind === "file") {
    throw new CoracleError("usage", `cannot copy ${JSON.stringify(from.path)}`, {
      why: "destination must be a directory when copying a directory",
    });
  }
  const own = isDir && isContent(from.path, source) ? "" : baseOf(source.path);
  const name = goal.kind === "directory" ? own : goal.name;
  receive(to.place, goal.directory, options, (sink) => send(from.place, source, named(sink, name)));
}

/** Writes a tar of what is at `from` to the descriptor. */
export function copyToStream(from: CopySource, out: Fd): void {
  const source = findSource(from);
  const isWhole = source.stat.type === "dir" && isContent(from.path, source);
  const writer = new TarWriter({ write: (bytes) => write(out, bytes) });
  send(from.place, source, named(writer, isWhole ? "" : baseOf(source.path)));
}

/** Unpacks a tar, compressed or not, in the directory `to`. */
export async function copyFromStream(
  input: Fd,
  to: CopySource,
  options: CopyOptions,
): Promise<void> {
  const spot = findSpot(to.place, typedPath(to.path));
  if (spot?.stat?.type !== "dir") {
    throw new CoracleError("usage", `cannot copy to ${JSON.stringify(to.path)}`, {
      why: "destination must be a directory when copying from stdin",
    });
  }
  const chunks = decompressed(input)[Symbol.asyncIterator]();
  let next = await chunks.next();
  const first = next.done ? new Uint8Array() : next.value;
  if (!isTar(first)) {
    throw new CoracleError("usage", `cannot copy to ${JSON.stringify(to.path)}`, {
      why: "source must be a (compressed) tar archive when copying from stdin",
    });
  }
  await receiveAsync(to.place, spot.path, options, async (sink) => {
    const reader = new TarReader(sink, { whiteouts: "keep", absolute: "strip" });
    for (; !next.done; next = await chunks.next()) reader.push(next.value);
    reader.end();
  });
}

const BLOCK = 512;
const MAGIC_AT = 257;

/** Every tar that is written today has "ustar" in its first header; an empty one is zeros. */
function isTar(head: Uint8Array): boolean {
  if (head.length < BLOCK) return false;
  const magic = new TextDecoder("latin1").decode(head.subarray(MAGIC_AT, MAGIC_AT + 5));
  return magic === "ustar" || head.subarray(0, BLOCK).every((byte) => byte === 0);
}

interface Found {
  readonly path: string;
  readonly stat: Stat;
}

function findSource({ place, path }: CopySource): Found {
  const spot = findSpot(place, typedPath(path));
  const stat = spot?.stat ?? null;
  if (spot === null || stat === null || (mustBeDirectory(path) && stat.type !== "dir")) {
    throw notFound(place, path);
  }
  return { path: spot.path, stat };
}

function notFound(place: Place, path: string): CoracleError {
  return new CoracleError("notfound", `cannot copy ${JSON.stringify(path)}`, {
    why: `${JSON.stringify(path)} could not be found on ${place.title}: no such file or directory`,
  });
}

function mustBeDirectory(path: string): boolean {
  return /(^|\/)\.{0,2}$/.test(path) && path !== "";
}

/** `dir/.`, `.` and the root have no name to be copied under: their content is. */
function isContent(path: string, { path: found }: Pick<Found, "path">): boolean {
  return path === "." || path.endsWith("/.") || found === "";
}

type Goal =
  | { readonly kind: "directory"; readonly directory: string }
  /** `name` is made in, or replaced in, the directory. */
  | { readonly kind: "file" | "nothing"; readonly directory: string; readonly name: string };

function findGoal({ place, path }: CopySource): Goal {
  const spot: Spot | null = findSpot(place, typedPath(path));
  if (spot === null) throw notFound(place, path);
  if (spot.stat?.type === "dir") return { kind: "directory", directory: spot.path };
  if (mustBeDirectory(path)) throw notFound(place, path);
  const name = baseOf(spot.path);
  const directory = spot.path.slice(0, Math.max(0, spot.path.length - name.length - 1));
  if (spot.stat === null) return { kind: "nothing", directory, name };
  if (spot.stat.type !== "file") {
    throw new CoracleError("usage", `cannot copy to ${JSON.stringify(path)}`, {
      why: `invalid destination: ${JSON.stringify(path)} must be a directory or a regular file`,
    });
  }
  return { kind: "file", directory, name };
}

function baseOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function send(place: Place, { path, stat }: Found, sink: TreeSink): void {
  if (stat.type === "dir") {
    const fd = openInside(place, path, O.RDONLY | O.DIRECTORY);
    try {
      walkTree(fd, sink);
    } finally {
      close(fd);
    }
    return;
  }
  sendOne(place, { path, stat }, sink);
  sink.end();
}

/** A single object; it is the root of what is sent. */
function sendOne(place: Place, { path, stat }: Found, sink: TreeSink): void {
  const { type, mode, uid, gid, mtime, major, minor } = stat;
  const entry = { path: raw(""), type, mode, uid, gid, mtime, size: 0 } as const;
  if (type === "char" || type === "block") {
    return sink.entry({ ...entry, device: { major, minor } });
  }
  if (type !== "file") return sink.entry(entry);
  const fd = openInside(place, path, O.RDONLY | O.NONBLOCK);
  try {
    const now = statFd(fd);
    const xattrs = new Map<RawPath, Uint8Array>();
    for (const name of listXattrs(fd)) {
      const value = getXattr(fd, name);
      if (value !== null) xattrs.set(name, value);
    }
    sink.entry({
      ...entry,
      mode: now.mode,
      size: now.size,
      ...(xattrs.size > 0 ? { xattrs } : {}),
    });
    if (now.size > 0) sendContent(fd, now, sink);
  } finally {
    close(fd);
  }
}

/** The root gets `name`; with "" its content comes without it. */
function named(sink: TreeSink, name: string): TreeSink {
  const below = (path: RawPath) => path === "" ? name as RawPath : joinRaw(name as RawPath, path);
  return {
    entry(entry) {
      const path = below(entry.path);
      if (path === "") return;
      const { linkTarget } = entry;
      const isHard = entry.type === "hardlink" && linkTarget !== undefined;
      sink.entry(isHard ? { ...entry, path, linkTarget: below(linkTarget) } : { ...entry, path });
    },
    write: (bytes) => sink.write(bytes),
    end: () => sink.end(),
  };
}

function receive(
  place: Place,
  directory: string,
  options: CopyOptions,
  work: (sink: TreeSink) => void,
): void {
  const fd = openInside(place, directory, O.RDONLY | O.DIRECTORY);
  const receiver = new TreeReceiver(fd, { whiteouts: "remove", crossMounts: true });
  try {
    work(guarded(place, directory, { ...options, receiver }));
  } finally {
    receiver.close();
    close(fd);
  }
}

async function receiveAsync(
  place: Place,
  directory: string,
  options: CopyOptions,
  work: (sink: TreeSink) => Promise<void>,
): Promise<void> {
  const fd = openInside(place, directory, O.RDONLY | O.DIRECTORY);
  const receiver = new TreeReceiver(fd, { whiteouts: "remove", crossMounts: true });
  try {
    await work(guarded(place, directory, { ...options, receiver }));
  } finally {
    receiver.close();
    close(fd);
  }
}

/** Owners as wished, and nothing replaced that must stay. */
function guarded(
  place: Place,
  directory: string,
  options: CopyOptions & { readonly receiver: TreeReceiver },
): TreeSink {
  const { receiver } = options;
  const owner = ownerIn(place, options);
  const prefix = directory === "" ? "" : `${directory}/`;
  return {
    entry(entry) {
      // Devices of a container are not for the host: whoever may open the file could use them.
      if (place.row === null && (entry.type === "char" || entry.type === "block")) return;
      // A tar of `.` begins with its root: the directory that is there stays as it is.
      if (entry.path === "") return;
      check(place, `${prefix}${entry.path}`, entry, options.overwrite);
      receiver.entry(owner === null ? entry : { ...entry, ...owner });
    },
    write: (bytes) => receiver.write(bytes),
    end: () => receiver.end(),
  };
}

function ownerIn(
  { row, root }: Place,
  { chown }: CopyOptions,
): { readonly uid: number; readonly gid: number } | null {
  if (row === null) return { uid: 0, gid: 0 };
  if (!chown) return null;
  const { uid, gid } = resolveUser(root, { user: recordOf(row).resolved.user, groupAdd: [] });
  return { uid, gid };
}

function check(place: Place, path: string, entry: TreeEntry, overwrite: boolean): void {
  const isDir = entry.type === "dir";
  if (!isDir && place.mountpoints.has(path)) {
    throw new CoracleError("busy", `cannot copy to ${place.title}`, {
      why: `"/${text(path as RawPath)}" is mounted there: device or resource busy`,
    });
  }
  if (overwrite) return;
  const there = lookInside(place, path);
  if (there === null || isDir === (there.type === "dir") || there.type === "symlink") return;
  throw new CoracleError("exists", `cannot copy to ${place.title}`, {
    why: `copying to ${place.row === null ? "host" : "container"}: ` +
      `error creating "/${text(path as RawPath)}": ` +
      `there is a ${there.type === "dir" ? "directory" : "file"} in its place: file exists`,
    hint: 'replace it with "--overwrite"',
  });
}
