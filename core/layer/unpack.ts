/** A layer's tar into a stage, in one pass: unpacked and digested while the bytes go by. */
import { Sha256Sink } from "../archive/digest.ts";
import type { TarRecorder } from "../archive/recipe.ts";
import { TarReader } from "../archive/tar_reader.ts";
import { CoracleError } from "../errors.ts";
import type { ByteSink, DiffId, TreeSink } from "../terms.ts";

export interface UnpackOptions {
  /** Where the tree goes: usually the stage of a layer. */
  readonly into: TreeSink;
  /** What the uncompressed tar must hash to; without it any tar with an end marker is taken. */
  readonly diffId?: DiffId;
  /** Told how the tar comes back from the tree; the caller ends it. */
  readonly recorder?: TarRecorder;
}

export interface UnpackedLayer {
  readonly diffId: DiffId;
  /** Sum of the sizes of the files, bytes. */
  readonly bytes: number;
  /** Length of the tar, bytes. */
  readonly tarSize: number;
  readonly entries: number;
}

/** Takes the uncompressed tar in pieces of any size; `finish` when it is over. */
export class LayerUnpacker implements ByteSink {
  readonly #digest = new Sha256Sink();
  readonly #reader: TarReader;
  readonly #expected: DiffId | undefined;

  constructor(options: UnpackOptions) {
    this.#expected = options.diffId;
    this.#reader = new TarReader(options.into, {
      whiteouts: "oci",
      // Images of several builders end without the marker; their digest says that they are whole.
      endMarker: options.diffId === undefined ? "required" : "optional",
      absolute: "strip",
      ...(options.recorder === undefined ? {} : { recorder: options.recorder }),
    });
  }

  write(bytes: Uint8Array): void {
    this.#digest.write(bytes);
    this.#reader.push(bytes);
  }

  /** Ends the tree. Throws `corrupt` when the tar is cut off or is not the expected one. */
  finish(): UnpackedLayer {
    const tarSize = this.#digest.size;
    const diffId = this.#digest.digest() as string as DiffId;
    if (this.#expected !== undefined && diffId !== this.#expected) {
      throw new CoracleError("corrupt", `cannot unpack layer "${this.#expected}"`, {
        why: `its content has the digest "${diffId}"`,
        hint: "get the image again; the copy is damaged",
      });
    }
    this.#reader.end();
    const { bytes, entries } = this.#reader.notes;
    return { diffId, bytes, tarSize, entries };
  }
}

/** Unpacks a whole source. On failure the caller aborts the stage. */
export async function unpackLayer(
  source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: UnpackOptions,
): Promise<UnpackedLayer> {
  const unpacker = new LayerUnpacker(options);
  for await (const bytes of source) unpacker.write(bytes);
  return unpacker.finish();
}

/** The same for a source that is at hand: nothing waits. */
export function unpackLayerNow(
  source: Iterable<Uint8Array>,
  options: UnpackOptions,
): UnpackedLayer {
  const unpacker = new LayerUnpacker(options);
  for (const bytes of source) unpacker.write(bytes);
  return unpacker.finish();
}
