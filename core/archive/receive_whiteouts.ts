/**
 * How a `TreeReceiver` writes "this is gone": as overlayfs reads it, as aufs reads it, or by really
 * removing what is there.
 *
 * A whiteout speaks of the layers below only. Where the same layer also has the name, in either
 * order, the name wins, and a directory then hides what the layers below have in it (image-spec,
 * layer.md, "Whiteouts": files of the same layer can only be hidden by later layers).
 */
import { CoracleError, isErrno } from "../errors.ts";
import { joinRaw, raw, type RawPath, type WhiteoutStyle } from "../terms.ts";
import { close, type Fd, lookAt, mknodAt, O, openAt, type Stat, unlinkAt } from "../sys/at.ts";
import { setXattr } from "../sys/xattr.ts";
import type { ChainPlace } from "./dir_chain.ts";
import { OPAQUE_NAME, parentOf, quoted, WHITEOUT_PREFIX } from "./member_path.ts";
import { emptyAt, removeAt } from "./remove_at.ts";

const OPAQUE_XATTR = raw("trusted.overlay.opaque");
const YES = Buffer.from("y");
const HERE = raw(".");
/** NAME_MAX of Linux less the prefix: aufs cannot hide longer names. */
const AUFS_NAME = 255 - WHITEOUT_PREFIX.length;

/** overlayfs' whiteout: a character device 0:0. */
export function isOverlayWhiteout(found: Stat | null): boolean {
  return found?.type === "char" && found.major === 0 && found.minor === 0;
}

export class WhiteoutWriter {
  readonly style: WhiteoutStyle;
  /** "remove": what this layer has made, and so its whiteouts do not speak of. */
  readonly #made = new Set<RawPath>();
  /** "aufs": paths with a whiteout beside them. */
  readonly #hidden = new Set<RawPath>();

  constructor(style: WhiteoutStyle) {
    this.style = style;
  }

  /** Something was made at `path`, which makes its parents part of this layer too. */
  made(path: RawPath): void {
    if (this.style !== "remove") return;
    for (let at = path; at !== "" && !this.#made.has(at); at = parentOf(at)) this.#made.add(at);
  }

  /** Takes away a whiteout that stands where `name` will be; true when there was one. */
  reveal(parent: ChainPlace, name: RawPath, found: Stat | null): boolean {
    if (this.style === "overlay" && isOverlayWhiteout(found)) {
      unlinkAt(parent.fd, name);
      return true;
    }
    if (this.style !== "aufs" || !this.#hidden.delete(joinRaw(parent.real, name))) return false;
    unlinkAt(parent.fd, `${WHITEOUT_PREFIX}${name}` as RawPath);
    return true;
  }

  /** Is a whiteout known beside `name` that its creation must take away? */
  isHidden(parent: ChainPlace, name: RawPath): boolean {
    return this.#hidden.size > 0 && this.#hidden.has(joinRaw(parent.real, name));
  }

  /** `name` of the layers below is gone. */
  hide(parent: ChainPlace, name: RawPath): void {
    if (this.style === "remove") return this.#remove(parent, name);
    const found = lookAt(parent.fd, name);
    if (isOverlayWhiteout(found) && this.style === "overlay") return;
    if (found?.type === "dir") return this.#opaqueChild(parent, name);
    if (found !== null) return;
    if (this.style === "overlay") {
      mknodAt(parent.fd, name, "char", 0, { major: 0, minor: 0 });
    } else {
      if (name.length > AUFS_NAME) throw tooLong(joinRaw(parent.real, name));
      this.#hidden.add(joinRaw(parent.real, name));
      emptyFile(parent.fd, `${WHITEOUT_PREFIX}${name}` as RawPath);
    }
  }

  /** The directory `place` shows nothing of the layers below. */
  opaque(place: ChainPlace): void {
    if (this.style === "overlay") setXattr(place.fd, OPAQUE_XATTR, YES);
    else if (this.style === "aufs") emptyFile(place.fd, OPAQUE_NAME as RawPath);
    else emptyAt(place.fd, HERE, { path: place.real, paths: this.#made });
  }

  #opaqueChild(parent: ChainPlace, name: RawPath): void {
    const fd = openAt(parent.fd, name, O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
    try {
      this.opaque({ fd, real: joinRaw(parent.real, name) });
    } finally {
      close(fd);
    }
  }

  #remove(parent: ChainPlace, name: RawPath): void {
    const path = joinRaw(parent.real, name);
    if (!this.#made.has(path)) removeAt(parent.fd, name);
    else if (lookAt(parent.fd, name)?.type === "dir") {
      emptyAt(parent.fd, name, { path, paths: this.#made });
    }
  }
}

function emptyFile(dir: Fd, name: RawPath): void {
  try {
    mknodAt(dir, name, "file", 0o444);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
}

function tooLong(path: RawPath): CoracleError {
  return new CoracleError("unsupported", `cannot hide ${quoted(path)}`, {
    why: `aufs cannot hide names of more than ${AUFS_NAME} bytes`,
  });
}
