/** Where a container's files are: what survives a reboot, and what a reboot may take. */
import type { ContainerId } from "../terms.ts";
import type { StorePaths } from "./engine.ts";

export interface ContainerFiles {
  /** Log and artifacts; survives a reboot. */
  readonly data: string;
  readonly log: string;
  readonly artifacts: string;
  /** OCI bundle and the monitor's pid files, fifos and attach socket; made at each start. */
  readonly bundle: string;
  readonly runtimeLog: string;
  /** Written by the monitor when the process has ended: the exit status as text. */
  readonly exit: string;
  readonly lock: string;
}

export function containerFiles(paths: StorePaths, id: ContainerId): ContainerFiles {
  const data = `${paths.containers}/${id}`;
  const bundle = `${paths.running}/${id}`;
  return {
    data,
    log: `${data}/ctr.log`,
    artifacts: `${data}/artifacts`,
    bundle,
    runtimeLog: `${bundle}/runtime.log`,
    exit: `${paths.exits}/${id}`,
    lock: `${paths.locks}/container-${id}`,
  };
}
