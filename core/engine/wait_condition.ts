/** Waits until a container is in one of some states (C14). */
import { statusWord } from "../container/record.ts";
import { containerById, type ContainerRow, exitOfRemoved } from "../state/containers.ts";
import { sleep } from "../sys/process.ts";
import { derived } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { waitContainer } from "./wait_container.ts";

export interface WaitOptions {
  /** Podman's words for states; empty: stopped or exited. */
  readonly conditions: readonly string[];
  /** Milliseconds between two looks, for states the kernel does not tell us about. */
  readonly interval: number;
}

const ENDED: readonly string[] = ["stopped", "exited"];

/**
 * The exit status once it has ended, -1 when another state was waited for and reached; null when the
 * container was removed and nobody knows any more.
 */
export function waitForState(
  engine: Pick<Engine, "db" | "paths">,
  row: ContainerRow,
  { conditions, interval }: WaitOptions,
): number | null {
  if (conditions.every((word) => ENDED.includes(word))) return waitContainer(engine, row);
  for (;;) {
    const fresh = containerById(engine.db, row.id);
    if (fresh === undefined) return exitOfRemoved(engine.db, row.id) ?? null;
    const { state, exitCode = fresh.exitCode } = derived(engine, fresh);
    const word = statusWord(state);
    // An end may be seen as either of the two words; whoever waits for one is served by both.
    const isEnd = ENDED.includes(word);
    if (isEnd && conditions.some((wanted) => ENDED.includes(wanted))) return exitCode;
    if (conditions.includes(word)) return -1;
    sleep(interval);
  }
}
