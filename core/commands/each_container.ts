/** Commands that take several containers: choose them, do each, and say which could not be done. */
import { CoracleError } from "../errors.ts";
import {
  allContainers,
  type ContainerRow,
  findContainer,
  latestContainer,
} from "../engine/find_container.ts";
import type { Engine } from "./command.ts";
import { readText } from "../sys/files.ts";
import type { Context } from "./context.ts";
import { errorLines, errorObject } from "./error_text.ts";

export interface Choice {
  readonly all?: boolean;
  readonly latest?: boolean;
  /** Files that hold a container's id. */
  readonly cidfiles?: readonly string[];
  /** What is not there is passed over. */
  readonly ignore?: boolean;
  /** Exit status for a container that is not there, when it is not 125. */
  readonly missingStatus?: number;
  /** With `all`: which ones. */
  readonly where?: (row: ContainerRow) => boolean;
}

/** Fails with `usage` when names are given together with `--all` or `--latest`, or nothing is. */
export function checkChoice(names: readonly string[], choice: Choice): void {
  const files = choice.cidfiles ?? [];
  const usage = (why: string) => new CoracleError("usage", "cannot choose containers", { why });
  if (choice.all && choice.latest) throw usage("--all and --latest cannot be used together");
  if (choice.all && names.length > 0) throw usage("no arguments are needed with --all");
  if (choice.latest && names.length > 0) {
    throw usage("--latest and containers cannot be used together");
  }
  if (!choice.all && !choice.latest && names.length === 0 && files.length === 0) {
    throw usage("you must provide at least one name or id");
  }
}

/**
 * Does `work` for each chosen container, for none when one of the names has no container. A failure
 * of the work is told at once and the rest goes on; the exit status is that of the first failure, 0
 * when there was none.
 */
export async function eachContainer(
  context: Context,
  names: readonly string[],
  choice: Choice,
  work: (row: ContainerRow, wanted: string) => void | Promise<void>,
): Promise<number> {
  checkChoice(names, choice);
  const { db } = context.engine;
  let status = 0;
  const attempt = async (doing: () => void | Promise<void>): Promise<void> => {
    try {
      await doing();
    } catch (error) {
      if (choice.ignore && error instanceof CoracleError && error.code === "notfound") return;
      if (status === 0) status = statusOf(error, choice);
      tellError(context, error);
    }
  };
  if (choice.all) {
    for (const row of allContainers(db)) {
      if (choice.where?.(row) ?? true) await attempt(() => work(row, row.id));
    }
    return status;
  }
  if (choice.latest) await attempt(() => inTurn(latestContainer(db), work));
  const wanted = [...names, ...idsOf(choice)];
  const rows = new Map<string, ContainerRow>();
  for (const name of wanted) await attempt(() => void rows.set(name, findContainer(db, name)));
  // As in Podman nothing is done when one of them is not there.
  if (status !== 0) return status;
  for (const name of wanted) {
    const row = rows.get(name);
    if (row !== undefined) await attempt(() => work(row, name));
  }
  return status;
}

function statusOf(error: unknown, choice: Choice): number {
  if (!(error instanceof CoracleError)) return 125;
  return error.code === "notfound" ? choice.missingStatus ?? error.exitStatus : error.exitStatus;
}

function inTurn(
  row: ContainerRow,
  work: (row: ContainerRow, wanted: string) => void | Promise<void>,
) {
  return work(row, row.id);
}

function idsOf(choice: Choice): string[] {
  return (choice.cidfiles ?? []).flatMap((path) => {
    try {
      return [readText(path).trim()];
    } catch (error) {
      if (choice.ignore && error instanceof CoracleError && error.code === "notfound") return [];
      throw error;
    }
  });
}

/** One failure among several, told while the others go on. */
export function tellError(context: Context, error: unknown): void {
  const { output, globals } = context;
  if (globals.logFormat === "json") return output.error(JSON.stringify(errorObject(error)));
  const withCauses = globals.logLevel === "debug" || globals.logLevel === "trace";
  for (const line of errorLines(error, { withCauses })) output.error(line);
}

/** The container named by `--latest` or the only argument. */
export function oneContainer(
  db: Engine["db"],
  name: string | undefined,
  latest: boolean,
): ContainerRow {
  if (latest) return latestContainer(db);
  if (name !== undefined) return findContainer(db, name);
  throw new CoracleError("usage", "cannot choose a container", {
    why: "you must provide at least one name or id",
  });
}
