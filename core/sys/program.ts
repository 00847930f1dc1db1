/**
 * Finding programs of the host.
 */
import { isErrno } from "../errors.ts";
import { raw } from "../terms.ts";
import { AT_FDCWD, lookAt } from "./at.ts";
import { env } from "./environment.ts";

/** Where root's programs are; PATH of a service or of su often lacks them. */
const ALSO = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"];

const found = new Map<string, string>();

/**
 * The path of a program: a name with a slash is that file, else the directories of PATH and then the
 * usual ones are searched. Null when there is no executable file.
 */
export function findProgram(name: string): string | null {
  if (name === "") return null;
  if (name.includes("/")) return isProgram(name) ? name : null;
  const path = env("PATH") ?? "";
  const key = `${name}\0${path}`;
  const known = found.get(key);
  if (known !== undefined) return known;
  for (const dir of [...path.split(":"), ...ALSO]) {
    // An empty or relative part of PATH means the working directory: never for a tool of root.
    if (!dir.startsWith("/")) continue;
    const candidate = `${dir}/${name}`;
    if (!isProgram(candidate)) continue;
    found.set(key, candidate);
    return candidate;
  }
  return null;
}

function isProgram(path: string): boolean {
  try {
    const stat = lookAt(AT_FDCWD, raw(path), { follow: true });
    return stat?.type === "file" && (stat.mode & 0o111) !== 0;
  } catch (error) {
    // A folder of PATH that is somebody else's (after su or sudo): as execvp(3), the next one counts.
    if (isErrno(error, "EACCES")) return false;
    throw error;
  }
}
