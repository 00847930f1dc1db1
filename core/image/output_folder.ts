/**
 * A folder of the user's that `save` writes: made beside its name and renamed when it is whole. An
 * OCI layout that is there is added to; a folder of `docker-dir` is replaced.
 */
import { CoracleError } from "../errors.ts";
import { AT_FDCWD, renameAt } from "../sys/at.ts";
import { listNames, lookAtText, makeDirs, moveInto, removeTree } from "../sys/files.ts";
import { raw } from "../terms.ts";
import { hiddenPath, leftovers } from "./output_file.ts";

export interface OutputFolder extends Disposable {
  /** Where to write. */
  readonly path: string;
  /** It is the user's folder itself, an OCI layout that has content. */
  readonly isThere: boolean;
  /** Puts the folder in place. */
  commit(): void;
}

/** Fails with `exists` when the folder holds something else. */
export function openOutputFolder(path: string, format: "oci-dir" | "docker-dir"): OutputFolder {
  const clean = path.length > 1 ? path.replace(/\/+$/, "") : path;
  const content = contentOf(clean);
  if (content !== null && content.length > 0) {
    const mark = format === "oci-dir" ? "oci-layout" : "version";
    if (!content.includes(mark)) {
      throw new CoracleError("exists", `cannot save to ${JSON.stringify(path)}`, {
        why: "the folder is not empty and not one of this format",
      });
    }
    if (format === "oci-dir") {
      return { path: clean, isThere: true, commit: () => {}, [Symbol.dispose]: () => {} };
    }
  }
  const slash = clean.lastIndexOf("/");
  const folder = slash < 0 ? "." : clean.slice(0, slash) || "/";
  const name = clean.slice(slash + 1);
  for (const old of leftovers(folder, name)) removeTree(old);
  const hidden = hiddenPath(folder, name);
  makeDirs(hidden);
  return {
    path: hidden,
    isThere: false,
    commit() {
      if (content === null) moveInto(hidden, clean);
      else renameAt(AT_FDCWD, raw(hidden), AT_FDCWD, raw(clean), "exchange");
    },
    // After an exchange this is the old content.
    [Symbol.dispose]: () => removeTree(hidden),
  };
}

/** Names in the folder; null when there is none. Fails with `exists` when it is no folder. */
function contentOf(path: string): string[] | null {
  const there = lookAtText(path);
  if (there === null) return null;
  if (there.type === "dir") return listNames(path);
  throw new CoracleError("exists", `cannot save to ${JSON.stringify(path)}`, {
    why: "it is a file",
  });
}
