/** Conformance cases: limits of a living container, and cgroups that go with it. */
import { deepStrictEqual as same, ok } from "node:assert/strict";
import { cgroupDirectory, cgroupOf } from "../../../core/sys/cgroup.ts";
import { exists, readTextOrNull } from "../../../core/sys/files.ts";
import type { Case } from "../conformance.ts";
import { expectCode } from "./expect_code.ts";

const MEBIBYTE = 1024 * 1024;
const FOREVER = "while :; do sleep 1000; done";

export const LIMIT_CASES: readonly Case[] = [
  {
    name: "memory and pids limits change on a running container, what is not named stays",
    needs: ({ can }) => can.update ? null : "the driver cannot update",
    run({ driver, running }) {
      const { id, pid } = running(FOREVER);
      driver.update(id, { resources: { memory: { limit: 64 * MEBIBYTE }, pids: { limit: 77 } } });
      same(limit(pid, "memory", "memory.limit_in_bytes", "memory.max"), String(64 * MEBIBYTE));
      same(limit(pid, "pids", "pids.max", "pids.max"), "77");
      driver.update(id, { resources: { pids: { limit: 55 } } });
      same(limit(pid, "memory", "memory.limit_in_bytes", "memory.max"), String(64 * MEBIBYTE));
      same(limit(pid, "pids", "pids.max", "pids.max"), "55");
    },
  },
  {
    name: "an unknown container has no limits to change",
    needs: ({ can }) => can.update ? null : "the driver cannot update",
    run({ driver, newId }) {
      expectCode("notfound", () => driver.update(newId(), { resources: { pids: { limit: 5 } } }));
    },
  },
  {
    name: "the cgroups of a container are gone when it is removed",
    run({ driver, running }) {
      const { id, pid } = running(FOREVER);
      const dirs = cgroupDirs(pid).filter((dir) => dir.includes("conform-"));
      ok(dirs.length > 0, "the container is in cgroups of its own");
      driver.remove(id, { force: true });
      same(dirs.filter((dir) => exists(dir)), []);
    },
  },
];

/** Directories of a process's cgroups in all hierarchies with a controller. */
function cgroupDirs(pid: number): string[] {
  const dirs = [...cgroupOf(pid)].map(([controller, path]) => cgroupDirectory(path, controller));
  return [...new Set(dirs)].filter((dir) => exists(dir));
}

function limit(pid: number, controller: string, v1: string, v2: string): string {
  const paths = cgroupOf(pid);
  const own = paths.get(controller);
  const dir = cgroupDirectory(own ?? paths.get("") ?? "", controller);
  return (readTextOrNull(`${dir}/${own === undefined ? v2 : v1}`) ?? "").trim();
}
