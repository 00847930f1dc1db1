/**
 * Limits for writable layers by project quotas: each limited layer has a project of its own, drawn
 * from a range of numbers that the configuration leaves to us.
 *
 *     ROOT/quotas/<project> -> <layer id>       taken; made before the layer, so that two never share
 *     ROOT/layers/<id>/quota -> "<project> <bytes>"
 */
import { CoracleError, isErrno } from "../../core/errors.ts";
import { close, lookAt, O, openAt, readlinkAt, symlinkAt } from "../../core/sys/at.ts";
import { projectQuotaProblem, setProject, setProjectLimit } from "../../core/sys/project_quota.ts";
import { type LayerId, raw, type RawPath, text } from "../../core/terms.ts";
import { inside, layerPath, makeDirectory, namesIn, removeName, type Shelf } from "./shelf.ts";

/** Far from what administrators number by hand, and from what Docker and Podman count up from 1. */
export const QUOTA_IDS = "1048576-2097151";
const FOLDER = "quotas";
const RECORD = "quota";

/** Null when layers on this shelf can be limited, else why not. */
export function quotaProblem(shelf: Shelf): string | null {
  return projectQuotaProblem(shelf.root);
}

interface Range {
  readonly first: number;
  readonly last: number;
}

function rangeOf(ids: string): Range {
  const [, first, last] = /^([0-9]+)-([0-9]+)$/.exec(ids) ?? [];
  const range = { first: Number(first), last: Number(last) };
  // 0 is the project of everything else; the kernel's numbers have 32 bits.
  if (range.first > 0 && range.last >= range.first && range.last < 2 ** 32) return range;
  throw new CoracleError("config", 'cannot use the configuration: key "quota_ids"', {
    why: `must be a range of numbers as "${QUOTA_IDS}", found ${JSON.stringify(ids)}`,
  });
}

/**
 * Limits the layer that is being made in `stage`, whose `folders` are still empty. Fails with
 * `unsupported` and the reason where there are no project quotas.
 */
export function limitLayer(
  shelf: Shelf,
  stage: RawPath,
  limit: { readonly id: LayerId; readonly bytes: number; readonly ids: string },
): void {
  const project = takeProject(shelf, limit.id, rangeOf(limit.ids));
  symlinkAt(raw(`${project} ${limit.bytes}`), shelf.fd, inside(stage, RECORD));
  setProjectLimit(shelf.root, project, limit.bytes);
  joinProject(shelf, inside(stage, "diff"), project);
}

/** Fails with `unsupported` where layers cannot be limited. */
export function refuseLimit(shelf: Shelf, id: LayerId): void {
  const why = quotaProblem(shelf);
  if (why === null) return;
  throw new CoracleError("unsupported", `cannot limit the size of layer "${id}"`, {
    why,
    hint: "keep the store on xfs or ext4 mounted with prjquota",
  });
}

/** Drawn by lot, as short names are: no process waits for another. */
function takeProject(shelf: Shelf, id: LayerId, { first, last }: Range): number {
  makeDirectory(shelf.fd, raw(FOLDER), 0o700);
  for (let draw = 0;; draw++) {
    const project = first + Math.floor(Math.random() * (last - first + 1));
    try {
      symlinkAt(raw(id), shelf.fd, raw(`${FOLDER}/${project}`));
      return project;
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      if (draw < 1000) continue;
      throw new CoracleError("unsupported", `cannot limit the size of layer "${id}"`, {
        why: `the numbers ${first} to ${last} for quotas are all taken`,
        hint: 'widen "quota_ids" of the layer driver in the configuration',
      });
    }
  }
}

function joinProject(shelf: Shelf, folder: RawPath, project: number): void {
  const fd = openAt(shelf.fd, folder, O.RDONLY | O.DIRECTORY);
  try {
    setProject(fd, project);
  } finally {
    close(fd);
  }
}

/** What overlayfs makes in the work directory counts too: files are copied up there. */
export function limitWork(shelf: Shelf, id: LayerId): void {
  const project = projectOf(shelf, id);
  if (project !== null) joinProject(shelf, inside(layerPath(id), "work"), project);
}

/** Null for a layer without a limit. */
export function projectOf(shelf: Shelf, id: LayerId): number | null {
  const record = inside(layerPath(id), RECORD);
  if (lookAt(shelf.fd, record) === null) return null;
  return Number(text(readlinkAt(shelf.fd, record)).split(" ")[0]);
}

/** After the layer is gone. */
export function releaseProject(shelf: Shelf, project: number): void {
  if (quotaProblem(shelf) === null) setProjectLimit(shelf.root, project, 0);
  removeName(shelf, raw(`${FOLDER}/${project}`));
}

/** Projects of layers and stages that are gone. */
export function recoverProjects(shelf: Shelf): void {
  if (lookAt(shelf.fd, raw(FOLDER)) === null) return;
  const stages = namesIn(shelf, "stages");
  for (const name of namesIn(shelf, FOLDER)) {
    const id = text(readlinkAt(shelf.fd, raw(`${FOLDER}/${name}`))) as LayerId;
    const isMade = stages.some((stage) => stage.startsWith(`${id}.`));
    if (!isMade && lookAt(shelf.fd, layerPath(id)) === null) releaseProject(shelf, Number(name));
  }
}
