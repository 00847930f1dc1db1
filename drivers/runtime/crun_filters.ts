/**
 * Seccomp filters that crun has translated before. Its library turns a profile into a program for
 * the kernel in about 8 ms, more than the rest of a create; the result is the same each time, and
 * crun takes it ready made by the annotation `run.oci.seccomp_bpf_data` (crun(1)). On disk, gone
 * with a reboot:
 *
 *     <directory>/<hash of the profile>/profile   the text, compared in full: a hash may collide
 *                                       /filter   what crun left in `<state>/<id>/seccomp.bpf`
 */
import { isErrno } from "../../core/errors.ts";
import {
  exists,
  makeDirs,
  moveInto,
  readBytes,
  readTextOrNull,
  removeTree,
  writeAtomic,
} from "../../core/sys/files.ts";
import type { RuntimeFilters } from "./driver.ts";

export function crunFilters(directory: string, stateRoot: string): RuntimeFilters {
  return {
    annotations(profile): Record<string, string> {
      const place = `${directory}/${hashOf(profile)}`;
      if (readTextOrNull(`${place}/profile`) !== profile) return {};
      const filter = Buffer.from(readBytes(`${place}/filter`)).toString("base64");
      return { "run.oci.seccomp_bpf_data": filter };
    },

    keep(id, profile) {
      const made = `${stateRoot}/${id}/seccomp.bpf`;
      const place = `${directory}/${hashOf(profile)}`;
      if (exists(place) || !exists(made)) return;
      const draft = `${directory}/${id}`;
      makeDirs(draft, 0o700);
      writeAtomic(`${draft}/filter`, readBytes(made), { mode: 0o600 });
      writeAtomic(`${draft}/profile`, profile, { mode: 0o600 });
      try {
        moveInto(draft, place);
      } catch (error) {
        // Another container with the same profile was quicker.
        if (!isErrno(error, "EEXIST", "ENOTEMPTY")) throw error;
        removeTree(draft);
      }
    },
  };
}

/** FNV-1a, 32 bits: a name for a file, nothing is trusted for it. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
