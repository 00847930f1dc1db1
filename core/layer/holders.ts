/**
 * Who has a layer mounted: one empty file per layer and holder, in a directory named after the boot.
 * A killed process frees its layers by being dead, a reboot by its new name.
 *
 *     HOLDERS/<boot id>/<layer>@<pid>-<start time>      a process, for as long as it lives
 *     HOLDERS/<boot id>/<layer>@container:<id>          until it is released
 *     HOLDERS/<boot id>/<layer>@user:<n>                the user, by one `mount` command each, until
 *                                                       an `unmount` command, or a reboot
 */
import { isErrno } from "../errors.ts";
import { AT_FDCWD, mknodAt } from "../sys/at.ts";
import { listNames, makeDirs, removeFile, removeTree } from "../sys/files.ts";
import { bootId, isAlive, selfIdentity } from "../sys/process.ts";
import { type ContainerId, type LayerId, raw } from "../terms.ts";

/** `<pid>-<start time>`, `container:<id>` or `user:<n>`. */
export type Holder = string;

/** This process as a holder. */
export function processHolder(): Holder {
  const { pid, start } = selfIdentity();
  return `${pid}-${start}`;
}

export function containerHolder(id: ContainerId): Holder {
  return `container:${id}`;
}

const USER = "user:";

export function isUserHolder(holder: Holder): boolean {
  return holder.startsWith(USER);
}

/** The holder of one more `mount` command. */
export function nextUserHolder(held: readonly Holder[]): Holder {
  return `${USER}${userNumbers(held).reduce((most, n) => Math.max(most, n), 0) + 1}`;
}

/** The holder that an `unmount` command ends; undefined when the user has no mount of it. */
export function lastUserHolder(held: readonly Holder[]): Holder | undefined {
  const numbers = userNumbers(held);
  return numbers.length === 0 ? undefined : `${USER}${Math.max(...numbers)}`;
}

function userNumbers(held: readonly Holder[]): number[] {
  return held.filter(isUserHolder).map((holder) => Number(holder.slice(USER.length)));
}

function folder(holders: string): string {
  return `${holders}/${bootId()}`;
}

/** Quiet when it holds already. */
export function addHolder(holders: string, layer: LayerId, holder: Holder): void {
  const path = raw(`${folder(holders)}/${layer}@${holder}`);
  for (;;) {
    try {
      return mknodAt(AT_FDCWD, path, "file", 0o600);
    } catch (error) {
      if (isErrno(error, "EEXIST")) return;
      if (!isErrno(error, "ENOENT")) throw error;
      makeDirs(folder(holders), 0o700);
    }
  }
}

/** Quiet when it does not hold. */
export function dropHolder(holders: string, layer: LayerId, holder: Holder): void {
  removeFile(`${folder(holders)}/${layer}@${holder}`);
}

function lives(holder: Holder): boolean {
  if (holder.startsWith("container:") || isUserHolder(holder)) return true;
  const [pid, start] = holder.split("-");
  return start !== undefined && isAlive({ pid: Number(pid), start });
}

/** Living holders of a layer; files of dead ones are removed on the way. */
export function holdersOf(holders: string, layer: LayerId): Holder[] {
  const found: Holder[] = [];
  for (const [id, holder] of all(holders)) {
    if (id !== layer) continue;
    if (lives(holder)) found.push(holder);
    else dropHolder(holders, id, holder);
  }
  return found;
}

/** Every layer that somebody holds, with the living holders. */
export function allHolders(holders: string): Map<LayerId, Holder[]> {
  const found = new Map<LayerId, Holder[]>();
  for (const [id, holder] of all(holders)) {
    if (lives(holder)) found.set(id, [...found.get(id) ?? [], holder]);
  }
  return found;
}

/** Layers that only dead processes hold. */
export function abandonedLayers(holders: string): LayerId[] {
  const dead = new Set<LayerId>();
  const held = new Set<LayerId>();
  for (const [id, holder] of all(holders)) (lives(holder) ? held : dead).add(id);
  return [...dead].filter((id) => !held.has(id));
}

function all(holders: string): [LayerId, Holder][] {
  return listNames(folder(holders)).map((name) => {
    const at = name.indexOf("@");
    return [name.slice(0, at) as LayerId, name.slice(at + 1)];
  });
}

/** What earlier boots left means nothing. */
export function dropEarlierBoots(holders: string): void {
  for (const boot of listNames(holders)) {
    if (boot !== bootId()) removeTree(`${holders}/${boot}`);
  }
}
