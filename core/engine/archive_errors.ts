/** Errors of a tar that know nothing but the bytes, told with the name of the file they came from. */
import { CoracleError, hasCode } from "../errors.ts";
import type { Fd } from "../sys/at.ts";

/** What the tar reader says of an archive as a whole (`core/archive/tar_header.ts`). */
const NAMELESS = "cannot read the archive";

/** Runs `work`; of a nameless error it makes `cannot load "image.tar": …`. */
export async function namingInput<T>(
  verb: "load" | "import",
  input: { readonly path: string } | { readonly stdin: Fd },
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!hasCode(cause, "corrupt") || cause.what !== NAMELESS) throw cause;
    const name = "path" in input ? JSON.stringify(input.path) : "standard input";
    const why = cause.why ?? "it is damaged";
    throw new CoracleError("corrupt", `cannot ${verb} ${name}`, { why, cause });
  }
}
