/**
 * A layer being made for aufs: a stage of the shelf with whiteouts as aufs reads them, and what else
 * a branch needs so that the union shows what the layers say.
 */
import { isReservedName, quoted } from "../../core/archive/member_path.ts";
import { CoracleError } from "../../core/errors.ts";
import { close, O, openAt, statAt, utimeAt } from "../../core/sys/at.ts";
import type { RawPath, TreeEntry } from "../../core/terms.ts";
import { markReplacing } from "./aufs_marks.ts";
import { type Level, withLevels } from "./delta.ts";
import type { BeginSpec, LayerStage } from "./driver.ts";
import { inside, madeOf, removeName, type Shelf } from "./shelf.ts";
import { ShelfStage } from "./stage.ts";

export class AufsStage implements LayerStage {
  readonly #shelf: Shelf;
  readonly #spec: BeginSpec;
  readonly #stage: ShelfStage;
  readonly #below: () => Level[];

  constructor(shelf: Shelf, spec: BeginSpec, below: () => Level[]) {
    this.#shelf = shelf;
    this.#spec = spec;
    this.#below = below;
    this.#stage = new ShelfStage(shelf, spec, { whiteouts: "aufs", below });
  }

  entry(entry: TreeEntry): void {
    if (isReservedName(entry.path)) throw reserved(entry.path);
    this.#stage.entry(entry);
  }

  write(bytes: Uint8Array): void {
    this.#stage.write(bytes);
  }

  end(): void {
    this.#stage.end();
    const path = this.#shelf.stages.get(this.#spec.id);
    if (path === undefined || this.#spec.chain.length === 0) return;
    const diff = inside(path, "diff");
    if (madeOf(this.#shelf, this.#spec.id, "make").hidesAll) this.#clearRoot(diff);
    else this.#mark(diff);
  }

  commit(): void {
    this.#stage.commit();
  }

  abort(): void {
    this.#stage.abort();
  }

  /** The record says that the root hides all; a mark in it would be seen. */
  #clearRoot(diff: RawPath): void {
    const { mtime } = statAt(this.#shelf.fd, diff);
    removeName(this.#shelf, inside(diff, ".wh..wh..opq"));
    utimeAt(this.#shelf.fd, diff, mtime);
  }

  #mark(diff: RawPath): void {
    const own = openAt(this.#shelf.fd, diff, O.RDONLY | O.DIRECTORY);
    try {
      withLevels(this.#below(), (below) => markReplacing(own, below));
    } finally {
      close(own);
    }
  }
}

function reserved(path: RawPath): CoracleError {
  return new CoracleError("unsupported", `cannot unpack ${quoted(path)}`, {
    why: "aufs keeps names that begin with .wh. for whiteouts",
    hint: "keep the layers with another driver, for example overlay",
  });
}
