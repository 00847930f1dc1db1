/**
 * Names in archives: cleaning them so that they can only mean something beneath the root, and the
 * whiteout names of OCI layers (image-spec, layer.md, "Whiteouts").
 */
import { type RawPath, text } from "../terms.ts";
import { badMember } from "./tar_header.ts";

export const WHITEOUT_PREFIX = ".wh.";
export const OPAQUE_NAME = ".wh..wh..opq";
/** aufs' own files in a branch; never content. */
const AUFS_PREFIX = ".wh..wh.";

/** "refuse" an absolute name, or "strip" its leading slashes as GNU tar and Docker do. */
export type AbsoluteNames = "refuse" | "strip";

export interface PathRules {
  readonly absolute: AbsoluteNames;
  /** Most bytes of a path. */
  readonly pathBytes: number;
  /** Most components of a path. */
  readonly depth: number;
}

// A name that needs no work: no empty, "." or ".." component, no NUL, no slash at either end.
const UNCLEAN = /^\.{1,2}(?:\/|$)|\/\.{0,2}(?:\/|$)|^\/|\0/;

/**
 * The path of a member, or of the member a hard link names, in the form of `TreeEntry.path`. `member`
 * is the name for messages. Throws `corrupt` for what could leave the root or cannot be a name.
 */
export function cleanPath(name: RawPath, member: RawPath, rules: PathRules): RawPath {
  if (name === "") throw badMember(member, "it has an empty name");
  if (name.length > rules.pathBytes) {
    throw badMember(
      name.slice(0, 200) as RawPath,
      `its name is longer than ${rules.pathBytes} bytes`,
    );
  }
  const short = withoutUsualEnds(name);
  const path = UNCLEAN.test(short) ? normalise(short, member, rules) : short;
  if (path.length > rules.depth) checkDepth(path, member, rules);
  return path;
}

/** Takes off one leading "./" and one trailing slash, which most archives have. */
function withoutUsualEnds(name: RawPath): RawPath {
  const end = name.length > 1 && name.endsWith("/") ? name.length - 1 : name.length;
  const start = end > 2 && name.startsWith("./") && name[2] !== "/" ? 2 : 0;
  return (end - start === name.length ? name : name.slice(start, end)) as RawPath;
}

function normalise(name: RawPath, member: RawPath, rules: PathRules): RawPath {
  if (name.includes("\0")) throw badMember(member, "a name in it contains a zero byte");
  if (name.startsWith("/") && rules.absolute === "refuse") {
    throw badMember(member, `the name ${quoted(name)} is absolute`);
  }
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw badMember(member, `the name ${quoted(name)} contains ".."`);
  }
  return parts.join("/") as RawPath;
}

function checkDepth(path: RawPath, member: RawPath, rules: PathRules): void {
  let components = 1;
  for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) components++;
  if (components > rules.depth) {
    throw badMember(
      member.slice(0, 200) as RawPath,
      `it is more than ${rules.depth} directories deep`,
    );
  }
}

export function quoted(name: RawPath): string {
  return JSON.stringify(text(name));
}

export function parentOf(path: RawPath): RawPath {
  const slash = path.lastIndexOf("/");
  return (slash < 0 ? "" : path.slice(0, slash)) as RawPath;
}

export function baseOf(path: RawPath): RawPath {
  return path.slice(path.lastIndexOf("/") + 1) as RawPath;
}

/** Has `path` a component that layers use for whiteouts? Such names cannot be content of a layer. */
export function isReservedName(path: RawPath): boolean {
  return path.includes(WHITEOUT_PREFIX) &&
    (path.startsWith(WHITEOUT_PREFIX) || path.includes(`/${WHITEOUT_PREFIX}`));
}

export interface WhiteoutMeaning {
  /** `aufs`: one of aufs' own files, to be left out. */
  readonly kind: "whiteout" | "opaque" | "aufs";
  /** What is gone, or the directory that is opaque. */
  readonly path: RawPath;
}

/** What a clean path with a reserved component means in a layer. Throws `corrupt` when nothing. */
export function whiteoutMeaning(path: RawPath): WhiteoutMeaning {
  const parts = path.split("/");
  const base = parts.pop() ?? "";
  if (parts.some((part) => part.startsWith(AUFS_PREFIX))) return { kind: "aufs", path };
  if (parts.some((part) => part.startsWith(WHITEOUT_PREFIX))) {
    throw badMember(path, "it lies beneath a name that is reserved for whiteouts");
  }
  const parent = parts.join("/");
  if (base === OPAQUE_NAME) return { kind: "opaque", path: parent as RawPath };
  if (base.startsWith(AUFS_PREFIX)) return { kind: "aufs", path };
  const gone = base.slice(WHITEOUT_PREFIX.length);
  if (gone === "" || gone === "." || gone === "..") {
    throw badMember(path, "it is a whiteout that names nothing");
  }
  return { kind: "whiteout", path: (parent === "" ? gone : `${parent}/${gone}`) as RawPath };
}

/** Attributes that mean something to overlayfs itself: never content. Kernel overlayfs.rst. */
export function isOverlayPrivate(name: RawPath): boolean {
  return name.startsWith("trusted.overlay.") || name.startsWith("user.overlay.");
}
