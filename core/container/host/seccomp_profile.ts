/**
 * `--security-opt seccomp=FILE`: the file, read and reduced to what holds for this container.
 */
import { CoracleError, isErrno } from "../../errors.ts";
import { readText } from "../../sys/files.ts";
import { boundingSet } from "../capabilities.ts";
import { parseSeccompProfile } from "../oci/seccomp_file.ts";
import type { OciSeccomp } from "../oci/spec.ts";
import type { CreateRequest } from "../request.ts";
import type { HostFacts } from "./facts.ts";

/** Undefined when there is no file: `ociConfig` then takes our own profile, or none. */
export function seccompProfile(
  request: CreateRequest,
  host: HostFacts,
): OciSeccomp | undefined {
  const path = request.security.seccomp;
  if (path === undefined || path === "" || path === "unconfined") return undefined;
  const { architecture, kernel } = host;
  const capabilities = boundingSet(request, host.capabilities);
  return parseSeccompProfile(readProfile(path), { path, architecture, kernel, capabilities });
}

function readProfile(path: string): string {
  try {
    return readText(path);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw new CoracleError("usage", `cannot use seccomp profile ${JSON.stringify(path)}`, {
      why: `opening seccomp profile failed: open ${path}: no such file or directory`,
    });
  }
}
