/** Facts about the host and its cgroups, against what the host's own programs say. */
import assert from "node:assert/strict";
import { cpus, hostname, release, totalmem } from "node:os";
import { test } from "node:test";
import { CoracleError } from "../../../core/errors.ts";
import * as cgroup from "../../../core/sys/cgroup.ts";
import { exists, listNames } from "../../../core/sys/files.ts";
import * as host from "../../../core/sys/host.ts";
import { run } from "../../../core/sys/spawn.ts";

const said = (command: string[]) => new TextDecoder().decode(run(command).stdout).trim();

test("the host is described as its own programs describe it", () => {
  assert.equal(host.kernelRelease(), release());
  assert.equal(host.hostName(), hostname());
  assert.equal(host.memoryTotal(), totalmem());
  assert.ok(host.memoryAvailable() <= host.memoryTotal() && host.memoryFree() > 0);
  assert.equal(host.cpuCount(), Number(said(["nproc"])));
  assert.ok(host.cpuCount() <= cpus().length);
  assert.equal(host.userId(), Number(said(["id", "-u"])));
  assert.equal(host.groupId(), Number(said(["id", "-g"])));
  assert.equal(host.isRoot(), said(["id", "-u"]) === "0");
  assert.match(host.architecture(), /^(amd64|arm64)$/);
  assert.ok(host.kernelAtLeast(3, 10) && !host.kernelAtLeast(99, 0));
  assert.ok(host.uptime() > 0);
  assert.ok(host.fileSystems().includes("tmpfs") && host.fileSystems().includes("proc"));
  assert.notEqual(host.osRelease().ID, undefined);
});

test("capabilities and limits are named", () => {
  const known = /^CAP_[A-Z_]+$/;
  assert.ok(host.capabilities().every((name) => known.test(name)));
  assert.ok(host.capabilities("bounding").length >= host.capabilities().length);
  if (host.isRoot()) assert.ok(host.capabilities().includes("CAP_CHOWN"));
  const limits = host.rlimits();
  assert.equal(limits.RLIMIT_NOFILE?.soft, Number(said(["sh", "-c", "ulimit -n"])));
  const core = limits.RLIMIT_CORE!;
  host.setRlimit("RLIMIT_CORE", { soft: 0, hard: core.hard });
  assert.equal(said(["sh", "-c", "ulimit -c"]), "0");
  host.setRlimit("RLIMIT_CORE", core);
  assert.deepEqual(host.rlimits().RLIMIT_CORE, core);
  assert.throws(() => host.setRlimit("RLIMIT_NO", core), (error) => error instanceof CoracleError);
});

test("cgroups are found where the kernel has them", () => {
  const layout = cgroup.cgroupLayout();
  assert.ok(["v1", "v2", "hybrid", "none"].includes(layout));
  assert.equal(layout === "v2", said(["stat", "-fc", "%T", "/sys/fs/cgroup"]) === "cgroup2fs");
  if (layout === "none") return;
  assert.ok(cgroup.controllers().includes("memory"), cgroup.controllers().join());
  const [first] = cgroup.cgroupHierarchies();
  assert.ok(listNames(first!.path).includes("cgroup.procs"));
  const place = cgroup.cgroupOf("self");
  const key = layout === "v2" ? "" : "memory";
  assert.equal(exists(cgroup.cgroupDirectory(place.get(key) ?? "/", key)), true);
  assert.equal(cgroup.isFrozen(process.pid), false);
  assert.equal(cgroup.isFrozen(999_999_999), false);
});
