/**
 * Open directories along a path beneath a root, kept from one entry to the next because entries come
 * grouped by directory. Each step opens one name without following links and without crossing a
 * mount, so that nothing an archive contains can lead out of the root.
 */
import { CoracleError, isErrno } from "../errors.ts";
import { joinRaw, type RawPath } from "../terms.ts";
import { close, type Fd, lookAt, O, openBeneath, readlinkAt } from "../sys/at.ts";
import { quoted } from "./member_path.ts";

/** A directory on the way; `real` is its path without symbolic links. */
interface Step {
  readonly name: string;
  readonly fd: Fd;
  readonly real: RawPath;
}

/** An open directory. `fd` stays open until the next call of the chain. */
export interface ChainPlace {
  readonly fd: Fd;
  readonly real: RawPath;
}

/** Makes or replaces a directory that is missing; `found` is "other" when something else is there. */
export type MissingDirectory = (
  parent: ChainPlace,
  name: RawPath,
  found: "nothing" | "other",
) => void;

/** Descriptors held at once; below this depth each step is opened anew. */
const HELD = 128;
/** As many symbolic links as the kernel follows in one path. */
const MOST_LINKS = 40;

export class DirChain {
  readonly #root: ChainPlace;
  readonly #missing: MissingDirectory;
  readonly #crossMounts: boolean;
  readonly #steps: Step[] = [];
  /** Path that `#steps` and `#tail` stand for. */
  #path = "";
  #tail: ChainPlace | null = null;

  constructor(
    root: Fd,
    options: { readonly missing: MissingDirectory; readonly crossMounts?: boolean },
  ) {
    this.#root = { fd: root, real: "" as RawPath };
    this.#missing = options.missing;
    this.#crossMounts = options.crossMounts ?? false;
  }

  /** Opens the directory `path`; "" is the root. */
  enter(path: RawPath): ChainPlace {
    if (path !== this.#path) this.#move(path);
    return this.#tail ?? this.#steps.at(-1) ?? this.#root;
  }

  /** Forgets what is open at and beneath `path`; call before `path` is replaced. */
  leave(path: RawPath): void {
    if (this.#path !== path && !this.#path.startsWith(`${path}/`)) return;
    this.#shorten(path === "" ? 0 : path.split("/").length - 1);
  }

  close(): void {
    this.#shorten(0);
  }

  #shorten(length: number): void {
    this.#dropTail();
    while (this.#steps.length > length) {
      const step = this.#steps.pop();
      if (step !== undefined) close(step.fd);
    }
    this.#path = this.#steps.map((step) => step.name).join("/");
  }

  #dropTail(): void {
    if (this.#tail !== null) close(this.#tail.fd);
    this.#tail = null;
  }

  #move(path: RawPath): void {
    const parts = path === "" ? [] : path.split("/");
    const common = this.#common(path, parts);
    // No path is equal to this one: when a step throws, the next call starts from what is open.
    this.#path = "\0";
    for (let i = common; i < parts.length; i++) {
      const name = (parts[i] ?? "") as RawPath;
      const place = this.#child(this.#tail ?? this.#steps.at(-1) ?? this.#root, name);
      if (i < HELD) this.#steps.push({ name, ...place });
      else {
        this.#dropTail();
        this.#tail = place;
      }
    }
    this.#path = path;
  }

  /** Closes what is not on the way to `path`; gives the number of its names that stay open. */
  #common(path: RawPath, parts: readonly string[]): number {
    // Deep down, where only the last directory is held, most steps go from it to a child.
    if (this.#tail !== null && path.startsWith(`${this.#path}/`)) {
      return this.#path.split("/").length;
    }
    let common = 0;
    while (common < this.#steps.length && this.#steps[common]?.name === parts[common]) common++;
    this.#shorten(common);
    return common;
  }

  #child(parent: ChainPlace, name: RawPath): ChainPlace {
    const fd = this.#tryOpen(parent.fd, name);
    if (fd !== null) return { fd, real: joinRaw(parent.real, name) };
    const found = lookAt(parent.fd, name);
    if (found?.type === "symlink") return this.#throughLink(parent, name);
    this.#missing(parent, name, found === null ? "nothing" : "other");
    return { fd: this.#open(parent.fd, name), real: joinRaw(parent.real, name) };
  }

  #open(parent: Fd, path: RawPath): Fd {
    return openBeneath(parent, path, O.RDONLY | O.DIRECTORY | O.NOFOLLOW, {
      noSymlinks: true,
      noXdev: !this.#crossMounts,
    });
  }

  #tryOpen(parent: Fd, name: RawPath): Fd | null {
    try {
      return this.#open(parent, name);
    } catch (error) {
      if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return null;
      throw error;
    }
  }

  /**
   * A parent that is a symbolic link, as images have them (`lib` → `usr/lib`): followed here, one
   * name after the other, as if the root were `/`. What it names and is missing is made.
   */
  #throughLink(parent: ChainPlace, name: RawPath): ChainPlace {
    const first = joinRaw(parent.real, name);
    const real: string[] = parent.real === "" ? [] : parent.real.split("/");
    const todo: string[] = [name];
    let links = 0;
    while (todo.length > 0) {
      const part = todo.shift() ?? "";
      if (part === "" || part === ".") continue;
      if (part === "..") {
        real.pop();
        continue;
      }
      const target = this.#linkTarget(real.join("/") as RawPath, part as RawPath);
      if (target === null) real.push(part);
      else {
        if (++links > MOST_LINKS) throw tooManyLinks(first);
        if (target.startsWith("/")) real.length = 0;
        todo.unshift(...target.split("/"));
      }
    }
    const path = real.join("/") as RawPath;
    return { fd: this.#open(this.#root.fd, path === "" ? "." as RawPath : path), real: path };
  }

  /** Where `name` in `directory` points; null when it is a directory, which is made if missing. */
  #linkTarget(directory: RawPath, name: RawPath): RawPath | null {
    const fd = this.#open(this.#root.fd, directory === "" ? "." as RawPath : directory);
    try {
      const found = lookAt(fd, name);
      if (found?.type === "symlink") return readlinkAt(fd, name);
      if (found?.type !== "dir") {
        this.#missing({ fd, real: directory }, name, found === null ? "nothing" : "other");
      }
      return null;
    } finally {
      close(fd);
    }
  }
}

function tooManyLinks(path: RawPath): CoracleError {
  return new CoracleError("corrupt", `cannot follow symbolic link ${quoted(path)}`, {
    why: `it leads through more than ${MOST_LINKS} links`,
  });
}
