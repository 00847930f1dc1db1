/**
 * An example of a plugin: a layer driver that keeps every layer as a whole, plain copy of its tree.
 * Simple and wasteful. A plugin imports only types of ours (they are gone at run time); the rest
 * arrives in the `kit`.
 *
 *     ROOT/layers/<id>/tree   what the layer shows
 *                      kind   "image" (read-only) or "container"
 *                      maker  pid and start time of the process that made it
 *                      below  which directories are copies of the parent's, by inode and birth
 *     ROOT/stages/<name>      being made, then renamed into `layers`; the same files
 *     ROOT/trash/<name>       being removed
 *     ROOT/mnt/<id>           where the tree of a layer is bind-mounted
 *
 * What a layer changed is found by comparing its tree with its parent's. A directory of the parent's
 * that is not the copy any more was made anew, and hides what was there.
 */
import { createHash, type Hash } from "node:crypto";
import type { DriverModule, DriverPlace, Kit } from "../drivers/module.ts";
import type {
  BeginSpec,
  LayerDriver,
  LayerRef,
  LayerStage,
  MountPlan,
  View,
} from "../drivers/layer/driver.ts";
import type { Change, LayerId, RawPath, TreeEntry, TreeSink } from "../core/terms.ts";

export default {
  api: 1,
  kind: "layer",
  name: "plain",
  summary: "whole copies in plain directories",
  options: {
    note: { type: "string", description: "a word shown by coracle drivers" },
  },

  probe({ options }, { sys }) {
    if (!sys.host.isRoot()) return { usable: false, reason: "mounting needs root" };
    return { usable: true, reason: `copies; ${options.note ?? "an example"}` };
  },

  open: (place, kit) => openPlain(place, kit),
} satisfies DriverModule<"layer">;

const LOWERS = 127;
const ID = /^[a-z0-9]{26}$/;

/** What a tree holds, by path: the entry as text, with the digest of a file's content. */
type Listing = Map<RawPath, {
  readonly text: string;
  readonly isDir: boolean;
  /** The first name of the same file. */
  readonly leader: RawPath;
}>;

function openPlain(place: DriverPlace, kit: Kit): LayerDriver {
  const { files, mount: mounts, process: processes } = kit.sys;
  const at = (...names: string[]) => [place.root, ...names].join("/");
  for (const name of ["layers", "stages", "trash", "mnt"]) files.makeDirs(at(name), 0o700);
  /** Trees of stages that are open in this process: a layer above may be begun before the commit. */
  const staged = new Map<LayerId, string>();

  const treeOf = (id: LayerId): string => staged.get(id) ?? at("layers", id, "tree");
  const own = (id: LayerId): string => {
    if (!files.exists(at("layers", id))) throw fail("notfound", id, "there is no such layer");
    return treeOf(id);
  };
  const kindOf = (id: LayerId) => files.readText(at("layers", id, "kind"));
  const fail = (
    code: "notfound" | "exists" | "busy" | "state" | "unsupported",
    id: string,
    why: string,
  ) => new kit.errors.CoracleError(code, `cannot use layer "${id}"`, { why });
  const me = () => {
    const { pid, start } = processes.selfIdentity();
    return `${pid}-${start}`;
  };
  const isMakerAlive = (text: string) => {
    const [pid, start = ""] = text.split("-").slice(-2);
    return processes.isAlive({ pid: Number(pid), start });
  };
  const withTree = <T>(path: string, work: (fd: number) => T): T => {
    const fd = files.openText(path, kit.sys.at.O.RDONLY | kit.sys.at.O.DIRECTORY);
    try {
      return work(fd);
    } finally {
      kit.sys.at.close(fd);
    }
  };
  const inDirectory = (root: number, path: RawPath, work: (fd: number) => void) => {
    const { at: { O, openBeneath, close } } = kit.sys;
    let fd: number;
    try {
      // Beneath the root and through no link: the layer may have put one in a directory's place.
      const name = path === "" ? kit.terms.raw(".") : path;
      fd = openBeneath(root, name, O.RDONLY | O.DIRECTORY, { noSymlinks: true });
    } catch {
      return; // deleted or replaced by the layer
    }
    work(fd);
    close(fd);
  };
  /** Numbers of inodes are given again; the time of birth tells which is which. */
  const identities = (root: number, paths: Iterable<RawPath>): Record<string, string> => {
    const found: Record<string, string> = Object.create(null);
    for (const path of paths) {
      inDirectory(root, path, (fd) => {
        found[path] = `${kit.sys.at.statFd(fd).ino}-${kit.sys.at.birthOf(fd)}`;
      });
    }
    return found;
  };
  /** An archive may put a file below what is no directory in the layers below. */
  const makeWay = (root: number, { path }: TreeEntry, made: ReadonlySet<RawPath>) => {
    // Longer ones cannot be asked for at once; what is so deep is made by the archive itself.
    if (path.length > 4000) return;
    for (const parent of parentsOf(path)) {
      const found = kit.sys.at.lookAt(root, parent);
      if (found === null || found.type === "dir" || made.has(parent)) continue;
      return kit.sys.at.unlinkAt(root, parent);
    }
  };
  const isTaken = (id: LayerId) =>
    files.exists(at("layers", id)) ||
    files.listNames(at("stages")).some((name) => name.startsWith(`${id}-`) && isMakerAlive(name));
  const list = (path: string | undefined): Listing => {
    const found: Listing = new Map();
    if (path !== undefined) withTree(path, (fd) => kit.archive.walkTree(fd, listing(found)));
    return found;
  };
  const compared = ({ id, chain }: LayerRef): Delta => {
    const now = list(own(id));
    const before = list(chain[0] === undefined ? undefined : treeOf(chain[0]));
    const copies = JSON.parse(files.readTextOrNull(`${own(id)}/../below`) ?? "{}");
    const both = [...now].filter(([path, { isDir }]) => isDir && before.get(path)?.isDir);
    const paths = both.map(([path]) => path);
    const here = withTree(own(id), (fd) => identities(fd, paths));
    return compare(now, before, paths.filter((path) => here[path] !== copies[path]));
  };
  const socketsIn = (path: string | undefined): RawPath[] => {
    const found: RawPath[] = [];
    const see = ({ type, path }: TreeEntry) => void (type === "socket" && found.push(path));
    const sink = { entry: see, write: () => {}, end: () => {} };
    if (path !== undefined) {
      withTree(path, (fd) => kit.archive.walkTree(fd, sink, { sockets: true }));
    }
    return found;
  };
  const viewOf = (id: LayerId): View | null => {
    const found = files.exists(at("mnt", id)) ? mounts.mountAt(at("mnt", id)) : null;
    return found === null ? null : found.options.includes("ro") ? "ro" : "rw";
  };

  return {
    name: "plain",
    can: {
      volatile: false,
      quota: false,
      hardlinksSurviveCopyUp: true,
      renamesLowerDirs: true,
      sharesBlocks: false,
    },
    limits: { lowers: LOWERS },

    begin({ id, chain, kind, replaces, ...more }: BeginSpec): LayerStage {
      for (const word of ["quotaBytes", "volatile"] as const) {
        if (more[word]) throw fail("unsupported", id, `the driver "plain" has no "${word}"`);
      }
      if (replaces) {
        own(id);
        if (kindOf(id) !== kind) throw fail("state", id, `it is no layer of kind "${kind}"`);
      } else if (isTaken(id)) throw fail("exists", id, "the id is taken");
      // A view of an image layer shows the layer itself too.
      if (chain.length + (kind === "image" ? 1 : 0) > LOWERS) {
        throw fail("unsupported", id, "it stands on too many layers");
      }
      const [below] = chain;
      if (below !== undefined && !staged.has(below)) own(below);
      const stage = at("stages", `${id}-${me()}`);
      files.makeDirs(`${stage}/tree`);
      files.writeAtomic(`${stage}/kind`, kind);
      files.writeAtomic(`${stage}/maker`, me());
      const fd = files.openText(`${stage}/tree`, kit.sys.at.O.RDONLY);
      const receive = () => new kit.archive.TreeReceiver(fd, { whiteouts: "remove" });
      /** Times of directories that no entry names; what is made in one would change its time. */
      const times = new Map<RawPath, bigint>();
      if (below === undefined) times.set("" as RawPath, 0n);
      else {
        const copy = looking(receive(), ({ path, type, mtime }) => {
          if (type === "dir") times.set(path, mtime);
        });
        withTree(treeOf(below), (from) => kit.archive.walkTree(from, copy));
      }
      const copies = identities(fd, times.keys());
      const made = new Set<RawPath>();
      const sink = looking(receive(), (entry) => {
        times.delete(entry.path);
        if (entry.type === "opaque") delete copies[entry.path];
        else if (entry.type !== "whiteout") makeWay(fd, entry, made.add(entry.path));
      });
      if (!replaces) staged.set(id, `${stage}/tree`);
      let isOpen = true;
      const end = () => {
        if (isOpen) kit.sys.at.close(fd);
        isOpen = false;
        staged.delete(id);
      };
      return {
        ...sink,
        end() {
          sink.end();
          for (const [path, mtime] of times) {
            inDirectory(fd, path, (directory) => kit.sys.at.utimeFd(directory, mtime));
          }
        },
        commit() {
          const { AT_FDCWD, renameAt } = kit.sys.at;
          files.writeAtomic(`${stage}/below`, JSON.stringify(copies));
          const [from, to] = [stage, at("layers", id)].map(kit.terms.raw) as [RawPath, RawPath];
          if (replaces) {
            renameAt(AT_FDCWD, from, AT_FDCWD, to, "exchange");
            files.removeTree(stage);
          } else {
            if (files.exists(at("layers", id))) throw fail("exists", id, "the id is taken");
            files.moveInto(stage, at("layers", id));
          }
          end();
        },
        abort() {
          if (!isOpen) return;
          end();
          files.removeTree(stage);
        },
      };
    },

    sync: () => withTree(place.root, (fd) => kit.sys.at.syncfs(fd)),

    seal({ id }) {
      own(id);
      if (viewOf(id) !== null) throw fail("busy", id, "it is mounted");
      files.writeAtomic(at("layers", id, "kind"), "image");
    },

    plan: ({ id }, view): MountPlan => ({
      path: at("mnt", id),
      type: "bind",
      base: place.root,
      lowers: [],
      upper: `layers/${id}/tree`,
      options: ["bind", ...view === "ro" ? ["ro"] : []],
    }),

    mount(layer, { view, label }) {
      const { id } = layer;
      const source = own(id);
      if (label) throw fail("unsupported", id, 'the driver "plain" sets no SELinux labels');
      if (view === "rw" && kindOf(id) !== "container") throw fail("state", id, "it is read-only");
      const { path, options } = this.plan(layer, view);
      const found = viewOf(id);
      if (found === view) return { path };
      if (found !== null) throw fail("busy", id, `it is mounted "${found}"`);
      files.makeDirs(path, 0o700);
      mounts.mount({ source, target: path, flags: options });
      return { path };
    },

    isMounted: ({ id }) => viewOf(id) !== null,

    unmount({ id }, options = {}) {
      if (!files.exists(at("mnt", id))) return;
      if (viewOf(id) !== null) mounts.unmount(at("mnt", id), options);
      files.removeTree(at("mnt", id));
    },

    changes: (layer) => compared(layer).changes,

    entries(layer, sink, options = {}) {
      const now = socketsIn(own(layer.id));
      if (options.whole) {
        withTree(own(layer.id), (fd) => kit.archive.walkTree(fd, sink));
        return { sockets: now };
      }
      const [parent] = layer.chain;
      const before = new Set(socketsIn(parent === undefined ? undefined : treeOf(parent)));
      const { changes, opaque, sent } = compared(layer);
      const gone = changes.filter(({ kind, path }) => kind === "delete" && !isIn(opaque, path));
      const marked = withMarks(sink, { gone: gone.map(({ path }) => path), opaque });
      withTree(own(layer.id), (fd) => kit.archive.walkTree(fd, marked, { only: sent }));
      return { sockets: now.filter((path) => !before.has(path)) };
    },

    usage(layer) {
      let bytes = 0;
      let allocated = 0;
      let inodes = 0;
      withTree(own(layer.id), (root) => {
        const sum = ({ type, size, path, linkTarget }: TreeEntry) => {
          if (type === "hardlink" || type === "whiteout" || type === "opaque") return;
          inodes++;
          bytes += type === "symlink" ? linkTarget?.length ?? 0 : size;
          if (type === "file") allocated += 512 * (kit.sys.at.lookAt(root, path)?.blocks ?? 0);
        };
        this.entries(layer, { entry: sum, write: () => {}, end: () => {} });
      });
      return { bytes, allocated, inodes };
    },

    openTree: (id) => files.openText(own(id), kit.sys.at.O.RDONLY | kit.sys.at.O.DIRECTORY),

    remove(id) {
      if (!files.exists(at("layers", id))) return;
      if (viewOf(id) !== null) throw fail("busy", id, "it is mounted");
      const trash = at("trash", `${id}-${me()}`);
      files.moveInto(at("layers", id), trash);
      files.removeTree(trash);
    },

    list: () => files.listNames(at("layers")).filter((name) => ID.test(name)) as LayerId[],

    recover(isKnown) {
      const removed: string[] = [];
      const take = (path: string) => {
        removed.push(path.slice(path.lastIndexOf("/") + 1));
        files.removeTree(path);
      };
      for (const folder of ["stages", "trash"]) {
        const dead = files.listNames(at(folder)).filter((name) => !isMakerAlive(name));
        for (const name of dead) take(at(folder, name));
      }
      for (const id of this.list()) {
        if (isKnown(id) || isMakerAlive(files.readTextOrNull(at("layers", id, "maker")) ?? "")) {
          continue;
        }
        this.unmount({ id, chain: [] }, { detach: true });
        this.remove(id);
        removed.push(id);
      }
      return { removed, bytes: 0 };
    },

    verify({ id }, depth) {
      const wrong = (kind: "missing" | "changed", detail: string) => [
        { layer: id, path: kit.terms.raw(""), kind, detail },
      ];
      if (!files.exists(at("layers", id, "tree"))) return wrong("missing", "no tree");
      try {
        // There is nothing to compare the content with, but all of it must be readable.
        if (depth !== "exists") list(treeOf(id));
        return [];
      } catch (error) {
        return wrong("changed", String(error));
      }
    },
  };
}

/** A sink that describes what is sent. */
function listing(found: Listing): TreeSink {
  let last: TreeEntry | undefined;
  let hash: Hash = createHash("sha256");
  const close = () => {
    if (last === undefined) return;
    const { path, xattrs, linkTarget, ...facts } = last;
    const first = last.type === "hardlink" && linkTarget ? found.get(linkTarget) : undefined;
    if (first !== undefined) return void found.set(path, first);
    const attributes = [...xattrs ?? []].map(([name, value]) => [name, [...value]]);
    const values = Object.entries(facts).map(([name, value]) => [name, String(value)]);
    // A device is an object, which String would not show.
    const device = last.device === undefined ? "" : `${last.device.major}:${last.device.minor}`;
    found.set(path, {
      text: JSON.stringify([values, attributes, device, linkTarget, hash.digest("hex")]),
      isDir: last.type === "dir",
      leader: path,
    });
  };
  return {
    entry(entry) {
      close();
      last = entry;
      hash = createHash("sha256");
    },
    write: (bytes) => void hash.update(bytes),
    end: close,
  };
}

const parentOf = (path: RawPath): RawPath =>
  path.slice(0, Math.max(0, path.lastIndexOf("/"))) as RawPath;

/** Nearest last. */
function parentsOf(path: RawPath): RawPath[] {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, i) => parts.slice(0, i + 1).join("/") as RawPath);
}

/** Is it beneath one of the directories? */
const isIn = (directories: ReadonlySet<RawPath>, path: RawPath): boolean =>
  directories.has("" as RawPath) || parentsOf(path).some((parent) => directories.has(parent));

interface Delta {
  readonly changes: Change[];
  /** Directories that hide what the parent has there. */
  readonly opaque: ReadonlySet<RawPath>;
  /** Paths to be sent: what changed, and all that is in opaque directories. */
  readonly sent: readonly RawPath[];
}

function compare(now: Listing, before: Listing, madeAnew: readonly RawPath[]): Delta {
  const opaque = new Set<RawPath>();
  for (const path of madeAnew) if (path === "" || !isIn(opaque, path)) opaque.add(path);
  const kinds = new Map<RawPath, Change["kind"]>();
  for (const [path, { text }] of now) {
    const old = before.get(path);
    if (path === "" || old?.text === text && !opaque.has(path) && !isIn(opaque, path)) continue;
    kinds.set(path, old === undefined ? "add" : "modify");
  }
  // A further name needs its file in the same archive.
  const leaders = new Set([...kinds.keys()].map((path) => now.get(path)?.leader));
  for (const [path, { isDir, leader }] of now) {
    if (!isDir && leaders.has(leader) && !kinds.has(path)) kinds.set(path, "modify");
  }
  for (const path of before.keys()) {
    // What was below a directory that is gone, or no directory any more, went with it.
    if (!now.has(path) && now.get(parentOf(path))?.isDir) kinds.set(path, "delete");
  }
  for (const path of [...kinds.keys()]) {
    for (let up = parentOf(path); up !== ""; up = parentOf(up)) {
      if (!kinds.has(up)) kinds.set(up, "modify");
    }
  }
  const changes = [...kinds].map(([path, kind]) => ({ path, kind }))
    .sort((a, b) => a.path < b.path ? -1 : 1);
  const sent = changes.filter(({ kind }) => kind !== "delete").map(({ path }) => path);
  return { changes, opaque, sent };
}

/** A sink that shows each entry before it passes it on. */
function looking(sink: TreeSink, look: (entry: TreeEntry) => void): TreeSink {
  return {
    entry(entry) {
      look(entry);
      sink.entry(entry);
    },
    write: (bytes) => sink.write(bytes),
    end: () => sink.end(),
  };
}

/** Sends whiteouts between the entries, so that all names are in byte order, and opaque marks. */
function withMarks(
  sink: TreeSink,
  { gone, opaque }: { readonly gone: readonly RawPath[]; readonly opaque: ReadonlySet<RawPath> },
): TreeSink {
  const key = (path: string) => path.replaceAll("/", "\0");
  const left = [...gone].sort((a, b) => key(a) < key(b) ? -1 : 1);
  const mark = (type: "whiteout" | "opaque", path: RawPath) =>
    sink.entry({ path, type, mode: 0, uid: 0, gid: 0, mtime: 0n, size: 0 });
  const sendBefore = (path?: RawPath) => {
    while (left[0] !== undefined && (path === undefined || key(left[0]) < key(path))) {
      mark("whiteout", left.shift() as RawPath);
    }
  };
  return {
    entry(entry) {
      sendBefore(entry.path);
      sink.entry(entry);
      if (entry.type === "dir" && opaque.has(entry.path)) mark("opaque", entry.path);
    },
    write: (bytes) => sink.write(bytes),
    end() {
      sendBefore();
      sink.end();
    },
  };
}
