/**
 * The working directory inside the container, looked for (and made) beneath its root.
 */
import { CoracleError, isErrno } from "../../errors.ts";
import { close, mkdirAt, O, openBeneath } from "../../sys/at.ts";
import { raw } from "../../terms.ts";

/**
 * `root` is a descriptor of the container's root. A directory the image names is made when it is
 * missing; one the user names must be there.
 */
export function prepareWorkdir(
  root: number,
  workdir: { readonly path: string; readonly isImageWorkdir: boolean; readonly container: string },
): void {
  const fail = (why: string) =>
    new CoracleError("usage", `cannot use workdir ${JSON.stringify(workdir.path)}`, { why });
  const names = workdir.path.split("/").filter((name) => name !== "");
  let directory = open(root, ".");
  for (const [index, name] of names.entries()) {
    const path = names.slice(0, index + 1).join("/");
    let next: number;
    try {
      next = open(root, path);
    } catch (error) {
      if (isErrno(error, "ENOENT") && workdir.isImageWorkdir) {
        mkdirAt(directory, raw(name), 0o755);
        next = open(root, path);
      } else {
        close(directory);
        const quoted = JSON.stringify(workdir.path);
        if (isErrno(error, "ENOENT")) {
          throw fail(`workdir ${quoted} does not exist on container ${workdir.container}`);
        }
        if (isErrno(error, "ENOTDIR")) throw fail(`workdir ${quoted} is not a directory`);
        throw error;
      }
    }
    close(directory);
    directory = next;
  }
  close(directory);
}

function open(root: number, path: string): number {
  return openBeneath(root, raw(path), O.PATH | O.DIRECTORY, { scope: "in-root" });
}
