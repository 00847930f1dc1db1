/** `layer diff` and `layer apply`: layers as tar, out of the store and into it. */
import { decompressed } from "../archive/compression.ts";
import { TarWriter } from "../archive/tar_writer.ts";
import { CoracleError } from "../errors.ts";
import { openOutputFile } from "../image/output_file.ts";
import { applyLayer } from "../layer/apply.ts";
import { compareLayers, sendDifference } from "../layer/compare.ts";
import { packLayer, type PackNotes, type PackOptions } from "../layer/pack.ts";
import type { UnpackedLayer } from "../layer/unpack.ts";
import { close, type Fd, O, write } from "../sys/at.ts";
import { openText } from "../sys/files.ts";
import type { ByteSink, LayerId } from "../terms.ts";
import { refuseOwned } from "./create_layer.ts";
import type { Engine } from "./engine.ts";
import type { LayerRow } from "./find_layer.ts";

type Parts = Pick<Engine, "db" | "layers">;

export interface LayerDiffOptions extends Pick<PackOptions, "reservedNames"> {
  /** Against which layer; its own parent when left out, against nothing (the whole tree) for null. */
  readonly against?: LayerId | null | undefined;
  /** A path, which gets the whole archive or nothing, or a descriptor. */
  readonly output: string | Fd;
}

/** Writes the layer's tar with OCI whiteouts; the same bytes under every driver. */
export function writeLayerDiff(engine: Parts, row: LayerRow, options: LayerDiffOptions): PackNotes {
  const { output } = options;
  if (typeof output !== "string") return pack(engine, row, sinkOf(output), options);
  const file = openOutputFile(output);
  try {
    const notes = pack(engine, row, sinkOf(file.fd), options);
    file.commit();
    return notes;
  } finally {
    file.close();
  }
}

function sinkOf(fd: Fd): ByteSink {
  return { write: (bytes) => write(fd, bytes) };
}

function pack(engine: Parts, row: LayerRow, out: ByteSink, options: LayerDiffOptions): PackNotes {
  const { layers } = engine;
  const { against = row.parent } = options;
  const reservedNames = options.reservedNames ?? "refuse";
  // Without a parent the delta is the whole tree, as the layer has it.
  if (against === row.parent) return packLayer(layers, row.id, out, { reservedNames });
  if (against === null) return packLayer(layers, row.id, out, { whole: true, reservedNames });
  const writer = new TarWriter(out, { whiteouts: "oci", reservedNames });
  sendDifference(layers, row.id, compareLayers(layers, against, row.id), writer);
  return { sockets: [], reserved: writer.notes.reserved };
}

/**
 * Unpacks a tar, compressed or not, into a writable and empty layer: all of it, or nothing. Fails
 * with `state`, `busy`, `corrupt`, `denied` (a path that leaves the layer).
 */
export async function applyToLayer(
  engine: Parts,
  row: LayerRow,
  input: { readonly path: string } | { readonly fd: Fd },
): Promise<UnpackedLayer> {
  refuseOwned(engine, row, "fill");
  const fd = "fd" in input ? input.fd : openInput(input.path);
  try {
    return await applyLayer(engine.layers, row.id, decompressed(fd));
  } finally {
    if (!("fd" in input)) close(fd);
  }
}

function openInput(path: string): Fd {
  try {
    return openText(path, O.RDONLY);
  } catch (cause) {
    if (!(cause instanceof CoracleError)) throw cause;
    throw new CoracleError(cause.code, `cannot read ${JSON.stringify(path)}`, {
      ...(cause.why === undefined ? {} : { why: cause.why }),
      cause,
    });
  }
}
