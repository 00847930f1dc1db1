/**
 * A tar archive again, out of its recipe and the tree that was unpacked from it; and the look whether
 * the tree still has what the recipe says.
 */
import { crc32 } from "node:zlib";
import { CoracleError, isErrno } from "../errors.ts";
import { close, type Fd, O, openBeneath, pread, statFd } from "../sys/at.ts";
import type { RawPath } from "../terms.ts";
import { quoted } from "./member_path.ts";
import { contentBytes, readRecipe, type RecipeFile } from "./recipe.ts";
import type { Extent } from "./tar_sparse.ts";

/** A file whose content is not what the archive had. */
export interface WrongFile {
  readonly path: RawPath;
  /** Number of the file in the recipe, counted from 0. */
  readonly index: number;
  readonly kind: "missing" | "changed";
  readonly detail: string;
}

const CHUNK = 256 * 1024;

/**
 * The archive's bytes, each chunk in memory of its own. `tree` is an open directory. A file that is
 * not as it was throws `corrupt`, or with `onWrong` is told there and goes on, in the same length.
 */
export function* recreated(
  recipe: Fd,
  tree: Fd,
  onWrong: (wrong: WrongFile) => void = refuse,
): Generator<Uint8Array> {
  let chunk = fresh();
  let used = 0;
  let index = 0;
  for (const step of readRecipe(recipe)) {
    if (step.kind === "raw") {
      for (let at = 0; at < step.bytes.length;) {
        const length = Math.min(CHUNK - used, step.bytes.length - at);
        chunk.set(step.bytes.subarray(at, at + length), used);
        at += length;
        used += length;
        if (used < CHUNK) continue;
        yield chunk;
        [chunk, used] = [fresh(), 0];
      }
      continue;
    }
    const { file } = step;
    const content = new Content(tree, file, { index: index++, onWrong });
    try {
      for (let left = contentBytes(file); left > 0;) {
        const length = Math.min(CHUNK - used, left);
        content.read(chunk.subarray(used, used + length));
        left -= length;
        used += length;
        if (used < CHUNK) continue;
        yield chunk;
        [chunk, used] = [fresh(), 0];
      }
    } finally {
      content.end();
    }
  }
  if (used > 0) yield chunk.subarray(0, used);
}

function fresh(): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new ArrayBuffer(CHUNK));
}

function refuse({ path, detail }: WrongFile): never {
  throw new CoracleError("corrupt", `cannot read the layer's file ${quoted(path)}`, {
    why: detail,
    hint: "coracle system check --digest",
  });
}

type Report = { readonly index: number; readonly onWrong: (wrong: WrongFile) => void };

/** The content of one file as the archive has it: all of it, or its runs of data. */
class Content {
  readonly #file: RecipeFile;
  readonly #report: Report;
  readonly #fd: Fd | null;
  readonly #runs: readonly Extent[];
  #run = 0;
  #at = 0;
  #crc = 0;
  #isWrong = false;

  constructor(tree: Fd, file: RecipeFile, report: Report) {
    this.#file = file;
    this.#report = report;
    this.#runs = file.extents ?? [{ offset: 0, length: file.size }];
    this.#at = this.#runs[0]?.offset ?? 0;
    this.#fd = this.#open(tree);
  }

  #open(tree: Fd): Fd | null {
    const { path, size } = this.#file;
    let fd: Fd;
    try {
      const flags = O.RDONLY | O.NOFOLLOW | O.NONBLOCK;
      fd = openBeneath(tree, path, flags, { scope: "in-root" });
    } catch (error) {
      if (!isErrno(error, "ENOENT", "ENOTDIR", "ELOOP", "ENXIO")) throw error;
      this.#wrong("missing", "it is missing");
      return null;
    }
    const stat = statFd(fd);
    if (stat.type !== "file") this.#wrong("changed", `it is a ${stat.type} and was a file`);
    else if (stat.size !== size) this.#wrong("changed", `it has ${stat.size} bytes, not ${size}`);
    return fd;
  }

  #wrong(kind: WrongFile["kind"], detail: string): void {
    if (this.#isWrong) return;
    this.#isWrong = true;
    this.#report.onWrong({ path: this.#file.path, index: this.#report.index, kind, detail });
  }

  /** Fills `into`; with zeros where the file has no more. */
  read(into: Uint8Array<ArrayBuffer>): void {
    for (let done = 0; done < into.length;) {
      const run = this.#runs[this.#run];
      const left = run === undefined ? 0 : run.offset + run.length - this.#at;
      if (left <= 0 && run !== undefined) {
        this.#at = this.#runs[++this.#run]?.offset ?? 0;
        continue;
      }
      const wanted = into.subarray(done, done + Math.min(into.length - done, left));
      const count = this.#fd === null || wanted.length === 0 ? 0 : this.#pread(this.#fd, wanted);
      if (count === 0) {
        this.#isCut();
        into.fill(0, done);
        return;
      }
      this.#crc = crc32(wanted.subarray(0, count), this.#crc);
      this.#at += count;
      done += count;
    }
  }

  #pread(fd: Fd, into: Uint8Array<ArrayBuffer>): number {
    try {
      return pread(fd, into, this.#at);
    } catch (error) {
      // A disk that cannot read it any more, or a directory in its place.
      if (!isErrno(error, "EIO", "EISDIR", "EINVAL")) throw error;
      return 0;
    }
  }

  #isCut(): void {
    this.#wrong("changed", "its content cannot be read to the end");
  }

  end(): void {
    if (this.#fd !== null) close(this.#fd);
    if (this.#crc !== this.#file.crc) this.#wrong("changed", "its content is not what it was");
  }
}
