/** `export`: all files of a container, as it is now, as one tar. */
import { walkTree } from "../archive/walk.ts";
import { TarWriter } from "../archive/tar_writer.ts";
import { openOutputFile } from "../image/output_file.ts";
import { packLayer } from "../layer/pack.ts";
import type { ContainerRow } from "../state/containers.ts";
import { close, type Fd, O, write } from "../sys/at.ts";
import { openText } from "../sys/files.ts";
import type { ByteSink } from "../terms.ts";
import { recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";

type Parts = Pick<Engine, "db" | "layers">;

/**
 * Writes the tar to a path, which gets the whole archive or nothing, or to a descriptor. Volumes and
 * mounts are not part of it. Returns how many sockets were left out, as a tar has none.
 */
export function exportContainer(
  engine: Parts,
  row: ContainerRow,
  output: string | Fd,
): { readonly sockets: number } {
  if (typeof output !== "string") return send(engine, row, sinkOf(output));
  const file = openOutputFile(output);
  try {
    const notes = send(engine, row, sinkOf(file.fd));
    file.commit();
    return notes;
  } finally {
    file.close();
  }
}

function sinkOf(fd: Fd): ByteSink {
  return { write: (bytes) => write(fd, bytes) };
}

function send(engine: Parts, row: ContainerRow, out: ByteSink): { readonly sockets: number } {
  if (row.layer !== null) {
    return { sockets: packLayer(engine.layers, row.layer, out, { whole: true }).sockets.length };
  }
  const rootfs = recordOf(row).resolved.request.rootfs ?? "";
  const root = openText(rootfs, O.RDONLY | O.DIRECTORY);
  try {
    const { sockets } = walkTree(root, new TarWriter(out), { oneFileSystem: true });
    return { sockets };
  } finally {
    close(root);
  }
}
