/**
 * Where `cp` reads and writes: the host's tree, or a container's as its processes see it. A running
 * container is seen through its first process; one that does not run through its mounted layer and
 * the volumes and binds over it. Nothing in a container can lead a path out of it.
 */
import { CoracleError, isErrno } from "../errors.ts";
import { processHolder } from "../layer/holders.ts";
import { mountLayer, unmountLayer } from "../layer/store.ts";
import type { ResolvedMount } from "../container/resolve.ts";
import type { ContainerRow } from "../state/containers.ts";
import { volumeByName } from "../state/volumes.ts";
import {
  AT_FDCWD,
  close,
  type Fd,
  lookAt,
  O,
  openBeneath,
  readlinkAt,
  type Stat,
  statFd,
} from "../sys/at.ts";
import { workingDirectory } from "../sys/environment.ts";
import { openText } from "../sys/files.ts";
import { mountTable } from "../sys/mount.ts";
import { raw, type RawPath } from "../terms.ts";
import { derived, recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { isMountedVolume, mountVolume, unmountVolumes, volumeData } from "./volume_mount.ts";
import { fillVolume } from "./volume_store.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

/** A tree with another one over it: `fd` is what is seen at `path` (no slash at either end). */
interface Piece {
  readonly path: string;
  open(): Fd;
}

/** Close it after use. */
export interface Place extends Disposable {
  /** For messages: `the host`, `container web`. */
  readonly title: string;
  /** The container; null for the host. */
  readonly row: ContainerRow | null;
  /** Absolute; relative paths begin here. */
  readonly directory: string;
  readonly root: Fd;
  /** Paths (no slash at either end) at which something is mounted: no file there may be replaced. */
  readonly mountpoints: ReadonlySet<string>;
  /** What lies over the root, longest path first; nothing where the kernel follows mounts itself. */
  readonly pieces: readonly Piece[];
}

/** Where a path leads when all links are followed. */
export interface Spot {
  /** Without links, slashes at the ends, `.` and `..`; "" is the root. */
  readonly path: string;
  /** Null: there is nothing, but there is a directory in which it can be made. */
  readonly stat: Stat | null;
}

export function hostPlace(): Place {
  const root = openText("/", O.PATH | O.DIRECTORY);
  return {
    title: "the host",
    row: null,
    directory: workingDirectory(),
    root,
    mountpoints: new Set(),
    pieces: [],
    [Symbol.dispose]: () => close(root),
  };
}

/** Fails with `notfound` when the root directory of the user's is gone. */
export function containerPlace(engine: Parts, row: ContainerRow): Place {
  const { state } = derived(engine, row);
  const facts = {
    title: `container ${row.name}`,
    row,
    directory: recordOf(row).resolved.workdir,
  };
  if (state === "running" || state === "paused" || state === "created") {
    const root = openText(`/proc/${row.pid}/root`, O.PATH | O.DIRECTORY);
    const mounted = mountTable(row.pid).map(({ target }) => trimmed(target));
    return {
      ...facts,
      root,
      mountpoints: new Set(mounted),
      pieces: [],
      [Symbol.dispose]: () => close(root),
    };
  }
  return restingPlace(engine, row, facts);
}

function restingPlace(
  engine: Parts,
  row: ContainerRow,
  facts: Pick<Place, "title" | "row" | "directory">,
): Place {
  const { layer } = row;
  const { request, mounts } = recordOf(row).resolved;
  using undo = new DisposableStack();
  let rootfs = request.rootfs ?? "";
  if (layer !== null) {
    const holder = processHolder();
    rootfs = mountLayer(engine.layers, layer, holder);
    undo.defer(() => void unmountLayer(engine.layers, layer, holder));
  }
  const root = openText(rootfs, O.PATH | O.DIRECTORY);
  undo.defer(() => close(root));
  const opened = new Map<ResolvedMount, Fd>();
  undo.defer(() => {
    for (const fd of opened.values()) close(fd);
    if (opened.size > 0) unmountVolumes(engine, row);
  });
  const open = (mount: ResolvedMount): Fd => {
    const fd = opened.get(mount) ?? openMount(engine, mount, root);
    opened.set(mount, fd);
    return fd;
  };
  const pieces = mounts.filter(({ type }) => type === "volume" || type === "bind")
    .map((mount) => ({ path: trimmed(mount.destination), open: () => open(mount) }))
    .sort((a, b) => b.path.length - a.path.length);
  const held = undo.move();
  return {
    ...facts,
    root,
    mountpoints: new Set(pieces.map(({ path }) => path)),
    pieces,
    [Symbol.dispose]: () => held.dispose(),
  };
}

/** A volume is filled from the image first: once something is in it that would not happen any more. */
function openMount(engine: Parts, mount: ResolvedMount, root: Fd): Fd {
  if (mount.type === "bind") return openText(mount.source, O.PATH);
  const volume = volumeByName(engine.db, mount.source);
  if (volume === undefined) {
    throw new CoracleError("notfound", `cannot open volume "${mount.source}"`, {
      why: `no volume with name "${mount.source}" found: no such volume`,
    });
  }
  if (isMountedVolume(volume)) mountVolume(engine, volume);
  if (!mount.noCopy) fillVolume(engine, volume, { root, destination: mount.destination });
  return openText(volumeData(engine.paths, mount.source), O.PATH | O.DIRECTORY);
}

/** A path of text as kernel bytes, without slashes at its ends. */
function trimmed(path: string): string {
  return raw(path.replace(/^\/+|\/+$/g, ""));
}

/** As many symbolic links as the kernel follows in one path. */
const MOST_LINKS = 40;

/**
 * Follows `path` in the place, name by name. Null when there is nothing and nothing could be made:
 * a directory on the way is missing or none.
 */
export function findSpot(place: Place, path: string): Spot | null {
  const start = path.startsWith("/") ? path : `${raw(place.directory)}/${path}`;
  if (place.row === null) {
    // A link such as /dev/stdout -> /proc/self/fd/1 leads to what only the kernel can name.
    const stat = lookAt(AT_FDCWD, asRaw(start), { follow: true });
    const isNode = stat !== null && stat.type !== "file" && stat.type !== "dir";
    if (isNode) return { path: start.replace(/^\/+/, ""), stat };
  }
  const todo = start.split("/").filter(isName);
  const real: string[] = [];
  for (let links = 0; todo.length > 0;) {
    const name = todo.shift() ?? "";
    if (name === "..") {
      real.pop();
      continue;
    }
    const here = [...real, name].join("/");
    const stat = lookInside(place, here);
    if (stat === null) return todo.length === 0 ? { path: here, stat } : null;
    if (stat.type === "symlink") {
      if (++links > MOST_LINKS) return null;
      const target = linkInside(place, here);
      if (target.startsWith("/")) real.length = 0;
      todo.unshift(...target.split("/").filter(isName));
      continue;
    }
    if (stat.type !== "dir" && todo.length > 0) return null;
    real.push(name);
  }
  const found = real.join("/");
  return { path: found, stat: lookInside(place, found) };
}

function isName(part: string): boolean {
  return part !== "" && part !== ".";
}

/** The piece that shows a path, and the rest of the path in it. */
function pieceOf(place: Place, path: string): { readonly fd: Fd; readonly rest: string } {
  for (const piece of place.pieces) {
    if (path === piece.path) return { fd: piece.open(), rest: "" };
    if (path.startsWith(`${piece.path}/`)) {
      return { fd: piece.open(), rest: path.slice(piece.path.length + 1) };
    }
  }
  return { fd: place.root, rest: path };
}

/** Opens what is at a path of a `Spot`; the caller closes. */
export function openInside(place: Place, path: string, flags: number): Fd {
  const { fd, rest } = pieceOf(place, path);
  if (rest === "" && statFd(fd).type !== "dir") return openText(`/proc/self/fd/${fd}`, flags);
  return openBeneath(fd, asRaw(rest === "" ? "." : rest), flags | O.NOFOLLOW, {
    scope: "in-root",
  });
}

/** Null when there is nothing. Links are not followed in the last place. */
export function lookInside(place: Place, path: string): Stat | null {
  let fd: Fd;
  try {
    const { fd: base, rest } = pieceOf(place, path);
    if (rest === "") return statFd(base);
    fd = openBeneath(base, asRaw(rest), O.PATH | O.NOFOLLOW, { scope: "in-root" });
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG")) return null;
    throw error;
  }
  try {
    return statFd(fd);
  } finally {
    close(fd);
  }
}

function linkInside(place: Place, path: string): string {
  const { fd: base, rest } = pieceOf(place, path);
  const fd = openBeneath(base, asRaw(rest), O.PATH | O.NOFOLLOW, { scope: "in-root" });
  try {
    return readlinkAt(fd, "" as RawPath);
  } finally {
    close(fd);
  }
}

/** Paths of links are kernel bytes already; what the user typed is turned into them at the door. */
function asRaw(path: string): RawPath {
  return path as RawPath;
}

/** The user's text as a path for `findSpot`. */
export function typedPath(path: string): string {
  return raw(path);
}
