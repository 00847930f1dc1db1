/**
 * The host's side of bind mounts: that the source is there, and the flags of the file system it is
 * on, which the bind mount must keep.
 */
import { CoracleError, isErrno } from "../../errors.ts";
import { AT_FDCWD, close, O, openAt } from "../../sys/at.ts";
import { mountTable } from "../../sys/mount.ts";
import { placeOfFd } from "../../sys/stat.ts";
import { raw } from "../../terms.ts";
import type { SourceFlags } from "../arguments/mount_options.ts";
import type { MountRequest } from "../request.ts";

/** Fails with `usage` and Podman's words when a bind mount's source is not there. */
export function checkBindSources(mounts: readonly MountRequest[]): void {
  for (const mount of mounts) {
    if (mount.type === "bind") close(openSource(mount.source));
  }
}

function openSource(path: string): number {
  try {
    return openAt(AT_FDCWD, raw(path), O.PATH);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw new CoracleError("usage", `cannot mount ${JSON.stringify(path)}`, {
      why: `statfs ${path}: no such file or directory`,
    });
  }
}

/** Flags by source; sources on a file system without any are left out. */
export function sourceFlags(sources: readonly string[]): Record<string, SourceFlags> {
  const flags: Record<string, SourceFlags> = {};
  if (sources.length === 0) return flags;
  const table = new Map(mountTable().map((mount) => [mount.id, mount.options]));
  for (const source of sources) {
    const fd = openSource(source);
    const { mount } = placeOfFd(fd);
    close(fd);
    const options = mount === null ? undefined : table.get(mount);
    if (options === undefined) continue;
    const has = (word: string) => options.includes(word);
    flags[source] = { nosuid: has("nosuid"), nodev: has("nodev"), noexec: has("noexec") };
  }
  return flags;
}
