/**
 * The bundle directory an OCI runtime starts a container from (runtime-spec, bundle.md):
 *
 *     <dir>/config.json     written last: where it is, the bundle is whole
 *     <dir>/hosts, hostname, resolv.conf, containerenv
 */
import { makeDirs, removeFile, writeAtomic } from "../sys/files.ts";
import type { ContainerPaths } from "./oci_config.ts";
import { configText, type OciSpec } from "./oci/spec.ts";

/** Texts of our files; absent: not written and not mounted. */
export interface BundleFiles {
  readonly hosts?: string;
  readonly hostname?: string;
  readonly resolvConf?: string;
  readonly containerEnv?: string;
  /** tzfile(5). */
  readonly localtime?: Uint8Array;
}

const NAMES: Readonly<Record<keyof BundleFiles, string>> = {
  hosts: "hosts",
  hostname: "hostname",
  resolvConf: "resolv.conf",
  containerEnv: "containerenv",
  localtime: "localtime",
};
const KEYS = Object.keys(NAMES) as (keyof BundleFiles)[];

/** Where each given file will be, for `ociConfig`. */
export function bundlePaths(
  dir: string,
  files: BundleFiles,
): Pick<ContainerPaths, keyof BundleFiles> {
  const given = KEYS.filter((key) => files[key] !== undefined);
  return Object.fromEntries(given.map((key) => [key, `${dir}/${NAMES[key]}`]));
}

/**
 * Writes the bundle anew. Each file is complete or absent at any time; nothing is synced, since
 * every start writes it again. The files can be read by the container's users, config.json (it has
 * the environment, which may hold secrets) only by us.
 */
export function writeBundle(
  dir: string,
  bundle: { readonly spec: OciSpec; readonly files: BundleFiles },
): void {
  makeDirs(dir, 0o700);
  const config = `${dir}/config.json`;
  removeFile(config);
  for (const key of KEYS) {
    const content = bundle.files[key];
    if (content !== undefined) writeAtomic(`${dir}/${NAMES[key]}`, content, { mode: 0o644 });
  }
  writeAtomic(config, configText(bundle.spec), { mode: 0o600 });
}
