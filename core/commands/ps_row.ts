/** One line of `ps`: what templates see, and the object of `--format json`, with Podman's names. */
import { type ListedContainer, shownCommand } from "../engine/list_containers.ts";
import { statusWord } from "../container/record.ts";
import type { ContainerSize } from "../engine/container_size.ts";
import { isErrno } from "../errors.ts";
import { AT_FDCWD, readlinkAt } from "../sys/at.ts";
import { raw } from "../terms.ts";
import { goTime } from "./go_time.ts";
import { ago, humanSize, shortId } from "./table_format.ts";

export interface PsView {
  readonly noTrunc: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** With `--size`. */
  readonly size: ((container: ListedContainer) => ContainerSize) | null;
  /** With `--ns`: the namespaces are looked up. */
  readonly namespaces: boolean;
}

/** Letters of the command that a table shows. */
const COMMAND_WIDTH = 17;
/** Go's zero time in seconds since 1970. */
const NEVER = -62_135_596_800;

/** Titles that are not the field's name. */
export const PS_TITLES: Readonly<Record<string, string>> = {
  ID: "CONTAINER ID",
  Created: "CREATED",
  CreatedHuman: "CREATED",
  Pod: "POD ID",
  PodName: "PODNAME",
};

/** Fields are computed when a template asks for them: three hundred rows must be quick. */
export function psRow(container: ListedContainer, view: PsView): object {
  const { row, record, state } = container;
  const { resolved, image } = record;
  const short = (id: string) => view.noTrunc ? id : shortId(id);
  const createdAt = () => ago(Date.parse(row.created), view.now);
  let found: Namespaces | undefined;
  const namespaces = () => found ??= namespacesOf(container, view);
  return {
    get ID() {
      return short(row.id);
    },
    Names: row.name,
    Image: image?.name ?? "",
    get ImageID() {
      return short(image?.id ?? "");
    },
    get Command() {
      const text = shownCommand(record).join(" ");
      const letters = [...text];
      if (view.noTrunc || letters.length <= COMMAND_WIDTH) return text;
      return `${letters.slice(0, COMMAND_WIDTH).join("")}...`;
    },
    get Created() {
      return goTime(row.created);
    },
    get CreatedAt() {
      return goTime(row.created);
    },
    get CreatedHuman() {
      return createdAt();
    },
    get RunningFor() {
      return createdAt();
    },
    get Status() {
      return statusText(container, view.now);
    },
    get State() {
      return statusText(container, view.now);
    },
    Ports: "",
    get Size() {
      const size = view.size?.(container);
      if (size === undefined) return "";
      return `${humanSize(size.writable)} (virtual ${humanSize(size.whole)})`;
    },
    get Labels() {
      return new Map(Object.entries(resolved.labels));
    },
    get Mounts() {
      return mountPoints(container);
    },
    Pid: livePid(container),
    Networks: "",
    ExitCode: container.exitCode,
    Exited: state === "exited" || state === "stopped",
    get ExitedAt() {
      return unixSeconds(container.ended);
    },
    get StartedAt() {
      return unixSeconds(row.started);
    },
    AutoRemove: resolved.request.rm,
    Restarts: row.restarts,
    IsInfra: false,
    Pod: "",
    PodName: "",
    Init: "",
    CIDFile: resolved.request.cidfile ?? "",
    get Namespaces() {
      return namespaces();
    },
    get CGROUPNS() {
      return namespaces().Cgroup ?? "";
    },
    get Cgroup() {
      return namespaces().Cgroup ?? "";
    },
    get IPC() {
      return namespaces().Ipc ?? "";
    },
    get MNT() {
      return namespaces().Mnt ?? "";
    },
    get NET() {
      return namespaces().Net ?? "";
    },
    get PIDNS() {
      return namespaces().Pidns ?? "";
    },
    get USERNS() {
      return namespaces().User ?? "";
    },
    get UTS() {
      return namespaces().Uts ?? "";
    },
  };
}

/** Podman's JSON of one container. */
export function psObject(container: ListedContainer, view: PsView): object {
  const { row, record, state } = container;
  const { resolved, image } = record;
  const size = view.size?.(container);
  const hasLabels = Object.keys(resolved.labels).length > 0;
  return {
    AutoRemove: resolved.request.rm,
    Command: shownCommand(record),
    CreatedAt: ago(Date.parse(row.created), view.now),
    Exited: state === "exited" || state === "stopped",
    ExitedAt: unixSeconds(container.ended),
    ExitCode: container.exitCode,
    Id: row.id,
    Image: image?.name ?? "",
    ImageID: image?.id ?? "",
    IsInfra: false,
    Labels: hasLabels ? resolved.labels : null,
    Mounts: mountPoints(container),
    Names: [row.name],
    Namespaces: namespacesOf(container, view),
    Networks: [],
    Pid: livePid(container),
    Pod: "",
    PodName: "",
    Ports: null,
    Restarts: row.restarts,
    Size: size === undefined ? null : { rootFsSize: size.whole, rwSize: size.writable },
    StartedAt: unixSeconds(row.started),
    State: statusWord(state),
    Status: statusText(container, view.now),
    Created: unixSeconds(row.created),
  };
}

/** "Up 2 minutes ago", "Exited (0) 3 seconds ago", "Created". */
function statusText(container: ListedContainer, now: number): string {
  const { state, row, exitCode, ended } = container;
  // Podman counts from whole seconds.
  const since = (time: string) => ago(unixSeconds(time) * 1000, now);
  if (state === "running") return `Up ${since(row.started)}`;
  if (state === "exited" || state === "stopped") return `Exited (${exitCode}) ${since(ended)}`;
  const word = statusWord(state);
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function livePid({ state, row }: ListedContainer): number {
  return state === "running" || state === "paused" || state === "created" ? row.pid : 0;
}

function mountPoints({ record }: ListedContainer): string[] {
  return record.resolved.mounts.map((mount) => mount.destination);
}

function unixSeconds(time: string): number {
  return time === "" ? NEVER : Math.floor(Date.parse(time) / 1000);
}

type Namespaces = Readonly<Partial<Record<keyof typeof NAMESPACE_FILES, string>>>;
const NAMESPACE_FILES = {
  Mnt: "mnt",
  Cgroup: "cgroup",
  Ipc: "ipc",
  Net: "net",
  Pidns: "pid",
  Uts: "uts",
  User: "user",
} as const;

/** The kernel's numbers of the container's namespaces; empty when it has no process. */
function namespacesOf(container: ListedContainer, view: PsView): Namespaces {
  const pid = livePid(container);
  if (!view.namespaces || pid === 0) return {};
  const found: Record<string, string> = {};
  for (const [key, file] of Object.entries(NAMESPACE_FILES)) {
    const link = namespaceLink(pid, file);
    if (link !== null) found[key] = link;
  }
  return found;
}

/** The digits of `mnt:[4026532177]`; null when the process has just ended. */
function namespaceLink(pid: number, file: string): string | null {
  try {
    return readlinkAt(AT_FDCWD, raw(`/proc/${pid}/ns/${file}`)).replace(/\D/g, "");
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return null;
    throw error;
  }
}
