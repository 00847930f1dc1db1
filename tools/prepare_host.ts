/**
 * Makes this host fit for containers until its next reboot. So far one thing: on the hybrid cgroup
 * layout crun 1.8 refuses to start anything while the v2 hierarchy holds a controller, so a
 * controller left over there is mounted where the others are, on v1.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { finish, isRoot, run, say } from "./command.ts";

const UNIFIED = "/sys/fs/cgroup/unified/cgroup.controllers";

/** Controllers that have another name on v1. kernel Documentation/admin-guide/cgroup-v2.rst. */
const V1_NAME: Readonly<Record<string, string>> = { io: "blkio" };

/** Never fails: what cannot be done is said, and the runtime's own probe tells the rest. */
export function prepareHost(): void {
  if (!isRoot() || !existsSync(UNIFIED)) return;
  for (const controller of readFileSync(UNIFIED, "utf8").trim().split(" ")) {
    if (controller === "") continue;
    const name = V1_NAME[controller] ?? controller;
    const target = `/sys/fs/cgroup/${name}`;
    try {
      mkdirSync(target, { recursive: true });
    } catch (error) {
      say(`host: cannot make ${target}: ${(error as Error).message}`);
      continue;
    }
    const mounted = run(["mount", "-t", "cgroup", "-o", name, name, target]);
    say(
      mounted.status === 0
        ? `host: cgroup controller "${name}" mounted on v1 (crun needs it away from v2)`
        : `host: cannot mount cgroup controller "${name}" on v1: ${mounted.stderr.trim()}`,
    );
  }
}

if (import.meta.main) await finish(prepareHost);
