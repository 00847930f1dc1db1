/** A layer as an OCI layer tar, with `.wh.` names; the same bytes under every driver. */
import { TarWriter } from "../archive/tar_writer.ts";
import type { ByteSink, LayerId, RawPath, TreeEntry, TreeSink } from "../terms.ts";
import { sendLayer } from "./read.ts";
import type { LayerStore } from "./store.ts";

export interface PackOptions {
  /** The whole tree instead of what the layer changed; without whiteouts. */
  readonly whole?: boolean;
  /** Files named `.wh.*` would delete others in the image: refuse (default), or leave them out. */
  readonly reservedNames?: "refuse" | "skip";
  /** No time is later than this, seconds since 1970: SOURCE_DATE_EPOCH of reproducible builds. */
  readonly latest?: number;
}

export interface PackNotes {
  /** Sockets left out: tar has none. */
  readonly sockets: readonly RawPath[];
  /** Names left out by `reservedNames: "skip"`. */
  readonly reserved: readonly RawPath[];
}

/** Writes the layer's tar. Fails with the list of names when the layer has reserved ones. */
export function packLayer(
  store: LayerStore,
  id: LayerId,
  out: ByteSink,
  options: PackOptions = {},
): PackNotes {
  const whole = options.whole ?? false;
  const writer = new TarWriter(out, {
    whiteouts: whole ? "refuse" : "oci",
    reservedNames: options.reservedNames ?? "refuse",
  });
  const sink = options.latest === undefined ? writer : clamped(writer, options.latest);
  const { sockets } = sendLayer(store, id, sink, { whole });
  return { sockets, reserved: writer.notes.reserved };
}

function clamped(sink: TreeSink, latest: number): TreeSink {
  const most = BigInt(latest) * 1_000_000_000n;
  const clamp = (entry: TreeEntry) => entry.mtime > most ? { ...entry, mtime: most } : entry;
  return {
    entry: (entry) => sink.entry(clamp(entry)),
    write: (bytes) => sink.write(bytes),
    end: () => sink.end(),
  };
}
