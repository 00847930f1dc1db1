/**
 * Sets extended attributes of received objects; file capabilities last, because the kernel drops
 * them when anything else about the file changes.
 */
import { CoracleError, isErrno } from "../errors.ts";
import { raw, type RawPath, text } from "../terms.ts";
import type { Fd } from "../sys/at.ts";
import { listXattrs, removeXattr, setXattr, setXattrAt } from "../sys/xattr.ts";
import { isOverlayPrivate } from "./member_path.ts";

type Xattrs = ReadonlyMap<RawPath, Uint8Array>;

const CAPABILITY = raw("security.capability");

export class AttributeWriter {
  readonly #isRequired: boolean;
  readonly #notes: { xattrs: number };

  /** `notes.xattrs` counts what the file system cannot hold; with `isRequired` that is an error. */
  constructor(isRequired: boolean, notes: { xattrs: number }) {
    this.#isRequired = isRequired;
    this.#notes = notes;
  }

  onFile(fd: Fd, xattrs: Xattrs): void {
    this.#each(xattrs, (name, value) => setXattr(fd, name, value));
  }

  /** For objects that cannot be opened; a link is not followed. */
  onName(dir: Fd, path: RawPath, xattrs: Xattrs): void {
    this.#each(xattrs, (name, value) => setXattrAt(dir, path, name, value));
  }

  /** A directory may have been there before: it keeps only what the entry has. */
  onDirectory(fd: Fd, xattrs: Xattrs | undefined): void {
    for (const name of listXattrs(fd)) {
      if (!isOverlayPrivate(name) && name !== "security.selinux" && !xattrs?.has(name)) {
        removeXattr(fd, name);
      }
    }
    if (xattrs !== undefined) this.onFile(fd, xattrs);
  }

  #each(xattrs: Xattrs, set: (name: RawPath, value: Uint8Array) => void): void {
    const capability = xattrs.get(CAPABILITY);
    for (const [name, value] of xattrs) {
      if (name !== CAPABILITY) this.#one(name, () => set(name, value));
    }
    if (capability !== undefined) this.#one(CAPABILITY, () => set(CAPABILITY, capability));
  }

  #one(name: RawPath, set: () => void): void {
    try {
      set();
    } catch (error) {
      if (!isErrno(error, "EOPNOTSUPP", "ENOTSUP", "EPERM")) throw error;
      if (this.#isRequired || name === CAPABILITY) throw lost(name, error);
      this.#notes.xattrs++;
    }
  }
}

function lost(name: RawPath, cause: unknown): CoracleError {
  const what = `cannot keep the attribute ${JSON.stringify(text(name))}`;
  return new CoracleError("unsupported", what, {
    why: "the file system or the rights of this user do not allow it",
    cause,
  });
}
