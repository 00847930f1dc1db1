/** Who is making or starting a container right now: a process, named so that its death is seen. */
import { isAlive, selfIdentity } from "../sys/process.ts";

/** This process as `containers.owner`. */
export function ownName(): string {
  const { pid, start } = selfIdentity();
  return `${pid}-${start}`;
}

export function isOwnerDead(owner: string): boolean {
  const [pid, start = ""] = owner.split("-");
  return !isAlive({ pid: Number(pid), start });
}
