/**
 * How blobs come into the content store: a directory of this process beneath `staging/`, where they
 * are written and hashed, then linked into `blobs/` under their digests.
 *
 *     staging/<pid>-<start>-<n>/  .0  .1  <hex>  <hex>        blobs/sha256/<hex>
 *                                 in the making └── linked ────────────┘
 *                                         <hex>.recipe        recipes/<hex>
 *
 * The names in the directory stay until the records are written (`dispose`). When the process is
 * killed in between, recovery finds the directory of a dead owner, and in it the names of the blobs
 * that may have been linked without a record.
 */
import { Sha256Sink } from "../archive/digest.ts";
import { isErrno } from "../errors.ts";
import { AT_FDCWD, close, type Fd, linkAt, O, read, statFd, syncfs, write } from "../sys/at.ts";
import { copyRange } from "../sys/copy.ts";
import { lookAtText, makeDirs, moveInto, openText, removeFile, removeTree } from "../sys/files.ts";
import { RecipeWriter } from "../archive/recipe.ts";
import { type ByteSink, type DiffId, type Digest, raw } from "../terms.ts";
import { blobFolder, blobPath, type BlobStore, hexOf, recipePath } from "./blobs.ts";
import { makeStagingFolder } from "./mark_blobs.ts";

/** A file in the staging directory. */
export interface StagedFile {
  readonly path: string;
  readonly size: number;
  /** Known once it was hashed. */
  readonly digest: Digest | null;
}

export class BlobStaging implements Disposable {
  readonly path: string;
  readonly #store: BlobStore;
  readonly #kept = new Set<Digest>();
  readonly #recipes = new Set<DiffId>();
  #last = 0;

  constructor(store: BlobStore) {
    this.#store = store;
    this.path = makeStagingFolder(store.staging);
  }

  #newPath(): string {
    return `${this.path}/.${this.#last++}`;
  }

  /** A blob of bytes that pass by, hashed on the way. */
  writer(): BlobWriter {
    return new BlobWriter(this.#newPath());
  }

  /** A blob of bytes in memory, kept at once. */
  put(bytes: Uint8Array): Digest {
    const writer = this.writer();
    writer.write(bytes);
    const file = writer.finish();
    return this.keep(file, file.digest);
  }

  /** A copy of a part of an open file, made in the kernel (shared extents where the disk can). */
  copy(from: Fd, offset: number, size: number): StagedFile {
    const path = this.#newPath();
    const fd = openText(path, O.WRONLY | O.CREAT | O.EXCL, 0o600);
    try {
      copyRange(from, fd, { length: size, fromOffset: offset, toOffset: 0 });
      return { path, size: statFd(fd).size, digest: null };
    } finally {
      close(fd);
    }
  }

  /** The file is the blob `digest`: it will be linked by `publish`. The caller has hashed it. */
  keep(file: StagedFile, digest: Digest): Digest {
    if (this.#kept.has(digest)) removeFile(file.path);
    else {
      moveInto(file.path, `${this.path}/${hexOf(digest)}`);
      this.#kept.add(digest);
    }
    return digest;
  }

  /** Everything that `publish` puts into the store. */
  get kept(): ReadonlySet<Digest> {
    return this.#kept;
  }

  /** A recipe to be written while a layer is unpacked. */
  recipe(): StagedRecipe {
    const path = this.#newPath();
    const fd = openText(path, O.RDWR | O.CREAT | O.EXCL, 0o600);
    const recorder = new RecipeWriter(fd);
    return {
      recorder,
      keep: (diffId) => {
        recorder.end();
        close(fd);
        this.keepRecipe(path, diffId);
      },
      abort: () => {
        close(fd);
        removeFile(path);
      },
    };
  }

  /** The file is the recipe of this layer: it will be linked by `publish`. */
  keepRecipe(path: string, diffId: DiffId): void {
    moveInto(path, this.#recipeFile(diffId));
    this.#recipes.add(diffId);
  }

  #recipeFile(diffId: DiffId): string {
    return `${this.path}/${diffId.slice("sha256:".length)}.recipe`;
  }

  /** Will `publish` bring this blob? */
  keeps(digest: Digest): boolean {
    return this.#kept.has(digest);
  }

  /** Calls `work` with the staged file open for reading. */
  use<T>(file: StagedFile, work: (fd: Fd) => T): T {
    const fd = this.#open(file);
    try {
      return work(fd);
    } finally {
      close(fd);
    }
  }

  /** The same for work that waits. */
  async useAsync<T>(file: StagedFile, work: (fd: Fd) => Promise<T>): Promise<T> {
    const fd = this.#open(file);
    try {
      return await work(fd);
    } finally {
      close(fd);
    }
  }

  #open(file: StagedFile): Fd {
    // It may have been kept since, as another image's blob.
    const isKept = file.digest !== null && this.#kept.has(file.digest);
    return isKept ? this.openKept(file.digest) : openText(file.path, O.RDONLY);
  }

  /** Opens a kept blob for reading; the caller closes. */
  openKept(digest: Digest): Fd {
    return openText(`${this.path}/${hexOf(digest)}`, O.RDONLY);
  }

  /** Puts every kept blob into the store, in place of what may lie there under its name. */
  publish(): void {
    makeDirs(blobFolder(this.#store), 0o700);
    for (const digest of this.#kept) {
      this.#link(`${this.path}/${hexOf(digest)}`, blobPath(this.#store, digest));
    }
    this.publishRecipes();
  }

  /** Puts the recipes into the store; needed once more when a removal took one away meanwhile. */
  publishRecipes(): void {
    for (const diffId of this.#recipes) {
      this.#link(this.#recipeFile(diffId), recipePath(this.#store, diffId));
    }
  }

  #link(path: string, to: string): void {
    const from = raw(path);
    try {
      return linkAt(AT_FDCWD, from, AT_FDCWD, raw(to));
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    }
    // What lies there may be torn by a power cut; nobody has looked at it. Ours was hashed.
    const beside = `${this.path}/.replace`;
    linkAt(AT_FDCWD, from, AT_FDCWD, raw(beside));
    moveInto(beside, to);
    // rename(2) does nothing when both names are the same file already.
    removeFile(beside);
  }

  /** Makes the whole file system of the store durable: blobs and their names. */
  sync(): void {
    const fd = openText(this.path, O.RDONLY | O.DIRECTORY);
    try {
      syncfs(fd);
    } finally {
      close(fd);
    }
  }

  /** The file system, to know whether another `sync` would be the same one. */
  get device(): number | undefined {
    return lookAtText(this.path)?.dev;
  }

  /** Removes the directory: the records are written, or nothing was made. */
  [Symbol.dispose](): void {
    removeTree(this.path);
  }
}

/** A recipe in the making. */
export interface StagedRecipe {
  readonly recorder: RecipeWriter;
  /** The layer was unpacked and has this digest. */
  keep(diffId: DiffId): void;
  abort(): void;
}

/** Writes one blob to a file and hashes it. */
export class BlobWriter implements ByteSink {
  readonly #path: string;
  readonly #fd: Fd;
  readonly #hash = new Sha256Sink();

  constructor(path: string) {
    this.#path = path;
    this.#fd = openText(path, O.WRONLY | O.CREAT | O.EXCL, 0o600);
  }

  write(bytes: Uint8Array): void {
    this.#hash.write(bytes);
    write(this.#fd, bytes);
  }

  /** Call once. */
  finish(): StagedFile & { readonly digest: Digest } {
    close(this.#fd);
    return { path: this.#path, size: this.#hash.size, digest: this.#hash.digest() };
  }

  /** Closes and removes the file. */
  abort(): void {
    close(this.#fd);
    removeFile(this.#path);
  }
}

/** Best between 64 KiB and 4 MiB. */
const CHUNK = 256 * 1024;

/** Sends `size` bytes from the descriptor's position into `sink`; returns how many there were. */
export function sendFile(fd: Fd, sink: ByteSink, size = Infinity): number {
  const buffer = new Uint8Array(new ArrayBuffer(CHUNK));
  let sent = 0;
  while (sent < size) {
    const count = read(fd, size - sent < CHUNK ? buffer.subarray(0, size - sent) : buffer);
    if (count === 0) break;
    sink.write(count === CHUNK ? buffer : buffer.subarray(0, count));
    sent += count;
  }
  return sent;
}
