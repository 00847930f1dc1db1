/**
 * aufs without a kernel that has it: what a union of branch directories shows, by the rules of its
 * look-up (fs/aufs/dentry.c), and a writable branch as it leaves one, made from overlayfs' form.
 */
import { spawnSync } from "node:child_process";
import { existsSync, linkSync, lstatSync, mkdirSync, mkdtempSync } from "node:fs";
import {
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { AT_FDCWD, close, O, openAt } from "../../../core/sys/at.ts";
import { getXattr } from "../../../core/sys/xattr.ts";
import { raw } from "../../../core/terms.ts";
import { bootId } from "../../../core/sys/process.ts";
import { lookAtText } from "../../../core/sys/files.ts";
import { driver as aufs } from "../../../drivers/layer/aufs.ts";
import type { LayerDriver } from "../../../drivers/layer/driver.ts";
import { driver as overlay } from "../../../drivers/layer/overlay.ts";

export interface Pair {
  readonly base: string;
  readonly aufs: LayerDriver;
  readonly overlay: LayerDriver;
  close(): void;
}

/** Both drivers in fresh roots; aufs is told that a probe succeeded, so that it opens anywhere. */
export function openPair(): Pair {
  const base = mkdtempSync("/dev/shm/layer-aufs-");
  const place = (name: string) => {
    const made = { root: `${base}/${name}`, runroot: `${base}/run-${name}`, options: {} };
    mkdirSync(made.root);
    mkdirSync(made.runroot);
    return made;
  };
  const own = place("aufs");
  const { dev, ino } = lookAtText(own.root) ?? { dev: 0, ino: 0n };
  const answer = { options: ["dirperm1"], xino: null, xattrs: true, reason: null };
  writeFileSync(
    `${own.runroot}/aufs-probe`,
    JSON.stringify({ key: `${bootId()} ${dev} ${ino}`, ...answer }),
  );
  const pair = { aufs: aufs.open(own), overlay: overlay.open(place("overlay")) };
  return {
    ...pair,
    base,
    close() {
      for (const id of pair.overlay.list()) {
        pair.overlay.unmount({ id, chain: [] }, { detach: true });
      }
      rmSync(base, { recursive: true });
    },
  };
}

/** One line per object that the union shows. `branches`: topmost first. Throws for what is EIO. */
export function showUnion(branches: readonly string[]): string[] {
  const lines: string[] = [];
  const visit = (directories: readonly string[], path: string) => {
    for (const name of namesIn(directories)) {
      const found = lookUp(directories, name);
      const [top] = found;
      if (top === undefined) continue;
      const child = `${path}/${name}`;
      lines.push(`${child} ${describe(top)}`);
      if (lstatSync(top).isDirectory()) visit(aboveOpaque(found), child);
    }
  };
  visit(branches, "");
  return lines.sort();
}

function namesIn(directories: readonly string[]): Set<string> {
  const names = directories.flatMap((directory) => readdirSync(directory));
  return new Set(names.filter((name) => !name.startsWith(".wh.")));
}

/** The objects that make up a name. An object of another type is passed over, not the end. */
function lookUp(directories: readonly string[], name: string): string[] {
  const found: string[] = [];
  for (const directory of directories) {
    const path = `${directory}/${name}`;
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (existsSync(`${directory}/.wh.${name}`)) {
      if (stat !== undefined) throw new Error(`${path} and its whiteout: EIO`);
      break;
    }
    if (stat === undefined) continue;
    const isDirectory = stat.isDirectory();
    if (found.length > 0 && !isDirectory) continue;
    found.push(path);
    if (!isDirectory) break;
  }
  return found;
}

function aboveOpaque(directories: readonly string[]): string[] {
  const end = directories.findIndex((each) => existsSync(`${each}/.wh..wh..opq`));
  return directories.slice(0, end < 0 ? directories.length : end + 1);
}

function describe(path: string): string {
  const stat = lstatSync(path);
  if (stat.isDirectory()) return `dir ${(stat.mode & 0o7777).toString(8)}`;
  if (stat.isSymbolicLink()) return `symlink ${readlinkSync(path)}`;
  return `file ${(stat.mode & 0o7777).toString(8)} ${readFileSync(path, "utf8")}`;
}

/** The same lines for a plain tree. */
export function showTree(root: string): string[] {
  return showUnion([root]);
}

/** Fills `branch` with what aufs would have written where overlayfs wrote `upper`. */
export function asBranch(upper: string, branch: string): void {
  rmSync(branch, { recursive: true });
  const copied = spawnSync("cp", ["-a", upper, branch], { encoding: "utf8" });
  if (copied.status !== 0) throw new Error(copied.stderr);
  const { mtimeMs } = lstatSync(branch);
  writeFileSync(`${branch}/.wh..wh.aufs`, "", { mode: 0o444 });
  convert(branch, `${branch}/.wh..wh.aufs`);
  makeOwnFiles(branch);
  setTime(branch, mtimeMs);
}

/** Pseudo-links, orphans and a directory that is being removed: what a live branch has. */
function makeOwnFiles(branch: string): void {
  mkdirSync(`${branch}/.wh..wh.plnk`, { mode: 0o700 });
  mkdirSync(`${branch}/.wh..wh.orph`, { mode: 0o700 });
  mkdirSync(`${branch}/.wh..wh.old.0001`);
  writeFileSync(`${branch}/.wh..wh.old.0001/file`, "on its way out");
  writeFileSync(`${branch}/.wh..wh.orph/file`, "open, but without a name");
}

function convert(directory: string, base: string): void {
  const { mtimeMs } = lstatSync(directory);
  if (isOpaque(directory)) linkSync(base, `${directory}/.wh..wh..opq`);
  for (const name of readdirSync(directory)) {
    const path = `${directory}/${name}`;
    const stat = lstatSync(path);
    if (stat.isCharacterDevice() && stat.rdev === 0) {
      rmSync(path);
      linkSync(base, `${directory}/.wh.${name}`);
    } else if (stat.isDirectory()) convert(path, base);
  }
  setTime(directory, mtimeMs);
}

/** The tests use whole seconds. */
function setTime(path: string, milliseconds: number): void {
  const seconds = Math.floor(milliseconds / 1000);
  utimesSync(path, seconds, seconds);
}

function isOpaque(path: string): boolean {
  const fd = openAt(AT_FDCWD, raw(path), O.RDONLY | O.DIRECTORY);
  try {
    return getXattr(fd, raw("trusted.overlay.opaque")) !== null;
  } finally {
    close(fd);
  }
}
