/** What `mount` and `image mount` list, as Podman prints it. */
import { CoracleError } from "../errors.ts";
import type { Output } from "./output.ts";

export interface ShownMount {
  readonly id: string;
  /** First column. */
  readonly label: string;
  readonly names: readonly string[];
  /** Names of an image; containers have none. */
  readonly repositories?: readonly string[];
  readonly path: string;
}

/** Two columns, or JSON. Fails with `usage` for another format. */
export function printMounts(
  output: Output,
  mounts: readonly ShownMount[],
  format: string | undefined,
): void {
  if (format?.trim() === "json") {
    const objects = mounts.map(({ id, names, repositories, path }) => ({
      id,
      Names: names,
      ...(repositories === undefined ? {} : { Repositories: repositories }),
      mountpoint: path,
    }));
    return output.write(`${JSON.stringify(objects, null, 1)}\n`);
  }
  if (format !== undefined && format !== "") {
    throw new CoracleError("usage", "cannot list mounts", {
      why: `unknown --format argument: ${JSON.stringify(format)}`,
    });
  }
  const width = Math.max(0, ...mounts.map(({ label }) => label.length));
  for (const { label, path } of mounts) output.line(`${label.padEnd(width)}  ${path}`);
}
