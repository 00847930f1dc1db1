/**
 * What is stored of a container when it is made and never changed, and how its state is derived
 * from what we did (the row), the exit file, the process and the runtime. The boot id is not asked
 * here: the database forgets what a reboot ended when it is opened.
 */
import type { RuntimeState } from "../../drivers/runtime/driver.ts";
import type { ContainerRow } from "../state/containers.ts";
import type { State } from "../terms.ts";
import type { ResolvedContainer } from "./resolve.ts";

/** The `record` column, as JSON. The id, the name, the image's id and the layer are columns. */
export interface ContainerRecord {
  /** Version of this shape. */
  readonly version: 1;
  readonly resolved: ResolvedContainer;
  readonly image: RecordedImage | null;
  /** Layer driver of the store when it was made. */
  readonly layerDriver: string;
  /** Directory of the container in the store: log, artifacts. */
  readonly dir: string;
  readonly logPath: string;
  /** Coracle's version that made it. */
  readonly madeBy: string;
}

export interface RecordedImage {
  /** As `ps` and `inspect` show it: the full reference, or the id when the user gave an id. */
  readonly name: string;
  readonly id: string;
  /** Digest of the manifest. */
  readonly digest: string;
}

/** What is true now, as found by the caller; cheap ones first. */
export interface StateFacts {
  /** Content of the exit file, null when there is none. */
  readonly exitCode: number | null;
  /** The process of the row lives (pid and start time). */
  readonly isAlive: boolean;
  /** Its cgroup is frozen; not looked at when it is not alive. */
  readonly isFrozen?: boolean;
  /** What the runtime said; absent when it was not asked, "unreachable" when it gave no answer. */
  readonly runtime?: RuntimeState | "unreachable";
}

export interface DerivedState {
  readonly state: State;
  /** Set when the state is `stopped`; `LOST_EXIT` when nobody knows. */
  readonly exitCode?: number;
  /** Why, when it is not the plain course of things. */
  readonly reason?: string;
}

/** Exit status of a container whose monitor died before it could write one. */
export const LOST_EXIT = 255;

/** Pure; the table is in tests/core/container/record_test.ts. */
export function deriveState(row: Pick<ContainerRow, "phase">, facts: StateFacts): DerivedState {
  if (row.phase !== "created" && row.phase !== "started") return { state: row.phase };
  if (facts.exitCode !== null) return { state: "stopped", exitCode: facts.exitCode };
  switch (facts.runtime) {
    case undefined:
      if (facts.isAlive) return living(row.phase, facts);
      break;
    case "unreachable":
      return { state: "unknown", reason: "the runtime does not answer" };
    case "creating":
    case "created":
      return { state: "created" };
    case "running":
    case "paused":
      return { state: facts.runtime };
    case "stopped":
    case "gone":
      break;
  }
  return {
    state: "stopped",
    exitCode: LOST_EXIT,
    reason: "it ended and its monitor left no exit status",
  };
}

function living(phase: "created" | "started", facts: StateFacts): DerivedState {
  if (phase === "created") return { state: "created" };
  return { state: facts.isFrozen ? "paused" : "running" };
}

/** Podman's word for a state, in `inspect` and in `ps --filter status=`. */
export function statusWord(state: State): string {
  if (state === "configured") return "created";
  return state === "created" ? "initialized" : state;
}
