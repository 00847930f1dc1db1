/** What is true of a container now: derived from its row, its process, its exit file, its cgroup. */
import { type ContainerRecord, type DerivedState, deriveState } from "../container/record.ts";
import type { ContainerRow } from "../state/containers.ts";
import { isFrozen } from "../sys/cgroup.ts";
import { lookAtText, readTextOrNull } from "../sys/files.ts";
import { isAlive } from "../sys/process.ts";
import type { State } from "../terms.ts";
import { containerFiles } from "./container_files.ts";
import type { Engine } from "./engine.ts";

type Parts = Pick<Engine, "paths">;

/** The state now, with the exit status when it has ended; asks the kernel, changes nothing. */
export function derived(engine: Parts, row: ContainerRow): DerivedState {
  if (row.phase !== "created" && row.phase !== "started") return { state: row.phase };
  const exitCode = recordedExit(engine, row);
  const alive = isAlive({ pid: row.pid, start: row.pidStart });
  return deriveState(row, {
    exitCode,
    isAlive: alive,
    isFrozen: exitCode === null && alive && isFrozen(row.pid),
  });
}

export function stateOf(engine: Parts, row: ContainerRow): State {
  return derived(engine, row).state;
}

/** The exit status the monitor wrote, null when there is none yet. */
function recordedExit(engine: Parts, row: ContainerRow): number | null {
  const said = readTextOrNull(containerFiles(engine.paths, row.id).exit)?.trim();
  return said === undefined || said === "" ? null : Number(said);
}

/** When the monitor wrote the exit status, RFC 3339; now when it did not. */
export function exitTime(engine: Parts, row: ContainerRow): string {
  const stat = lookAtText(containerFiles(engine.paths, row.id).exit);
  const ended = timestamp(stat === null ? undefined : stat.mtime);
  // Times of files are those of the last tick: a short run must not end before it began.
  return ended < row.started ? row.started : ended;
}

/** RFC 3339 with nanoseconds, as Go prints them; `at` in nanoseconds since 1970, now when absent. */
export function timestamp(at?: bigint): string {
  const nanoseconds = at ?? BigInt(Date.now()) * 1_000_000n +
      BigInt(Math.floor((performance.now() % 1) * 1_000_000));
  const date = new Date(Number(nanoseconds / 1_000_000n)).toISOString();
  return `${date.slice(0, 19)}.${String(nanoseconds % 1_000_000_000n).padStart(9, "0")}Z`;
}

/** The part of the row that was fixed when the container was made. */
export function recordOf(row: ContainerRow): ContainerRecord {
  return row.record as unknown as ContainerRecord;
}
