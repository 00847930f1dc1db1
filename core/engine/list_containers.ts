/** Which containers `ps` shows and in which order; a row with what is true of it now. */
import type { ContainerRecord } from "../container/record.ts";
import { statusWord } from "../container/record.ts";
import { type ContainerRow, listContainers } from "../state/containers.ts";
import type { State } from "../terms.ts";
import { derived, exitTime, recordOf } from "./container_state.ts";
import type { Engine } from "./engine.ts";
import { containerFilter } from "./filter_containers.ts";

export interface ListedContainer {
  readonly row: ContainerRow;
  readonly record: ContainerRecord;
  readonly state: State;
  /** 0 until it has ended. */
  readonly exitCode: number;
  /** RFC 3339, "" when it has not ended since its last start. */
  readonly ended: string;
}

/** `size` needs measuring, which is the caller's business: its order is made by `sortContainers`. */
export const SORT_KEYS = [
  "command",
  "created",
  "id",
  "image",
  "names",
  "runningfor",
  "size",
  "status",
] as const;
export type SortKey = typeof SORT_KEYS[number];

export interface ListOptions {
  /** Also those that do not run. */
  readonly all?: boolean;
  /** Only the last so many that were made, in all states. */
  readonly last?: number;
  /** `KEY=VALUE`; a status among them means all states. */
  readonly filters?: readonly string[];
}

type Parts = Pick<Engine, "db" | "paths">;

/** Oldest first. Fails as `containerFilter`. */
export function listedContainers(engine: Parts, options: ListOptions = {}): ListedContainer[] {
  const filters = options.filters ?? [];
  const isMatch = containerFilter(engine, filters);
  const isEvery = options.all || options.last !== undefined ||
    filters.some((filter) => filter.startsWith("status="));
  const listed: ListedContainer[] = [];
  for (const row of listContainers(engine.db)) {
    if (!isEvery && row.phase !== "started") continue;
    const container = listedContainer(engine, row);
    if ((isEvery || container.state === "running") && isMatch(container)) listed.push(container);
  }
  return options.last === undefined ? listed : listed.slice(-options.last);
}

/** The row with what is true now. */
export function listedContainer(engine: Parts, row: ContainerRow): ListedContainer {
  const { state, exitCode = row.exitCode } = derived(engine, row);
  const hasEnded = state === "exited" || state === "stopped";
  const ended = state === "stopped" ? exitTime(engine, row) : row.ended;
  return {
    row,
    record: recordOf(row),
    state,
    exitCode: hasEnded ? exitCode : 0,
    ended: hasEnded ? ended : "",
  };
}

/** In place; equal ones keep their order. `sizeOf` is asked for the key `size` only. */
export function sortContainers(
  containers: ListedContainer[],
  key: SortKey,
  sizeOf: (container: ListedContainer) => number,
): void {
  const keyOf = (container: ListedContainer): string | number => {
    const { row, record } = container;
    switch (key) {
      case "command":
        return shownCommand(record).join(" ");
      case "created":
        return row.created;
      case "id":
        return row.id;
      case "image":
        return record.image?.name ?? "";
      case "names":
        return row.name;
      case "runningfor":
        return row.started;
      case "size":
        return sizeOf(container);
      case "status":
        return statusWord(container.state);
    }
  };
  const keys = new Map(containers.map((container) => [container, keyOf(container)]));
  containers.sort((a, b) => {
    const [left, right] = [keys.get(a) ?? "", keys.get(b) ?? ""];
    return left < right ? -1 : left > right ? 1 : 0;
  });
}

/** What `ps` calls the command: without the entrypoint, as Podman, unless there is nothing else. */
export function shownCommand({ resolved }: ContainerRecord): readonly string[] {
  return resolved.command.length > 0 ? resolved.command : resolved.entrypoint;
}
