/** crun keeps the contract of runtime drivers, and says why it cannot run where it cannot. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { mount } from "../../../core/sys/mount.ts";
import { driver, hybridRefusal } from "../../../drivers/runtime/crun.ts";
import { sweepCopies } from "../../../drivers/runtime/oci_command.ts";
import { conformanceTests, skipReason } from "./run_conformance.ts";

conformanceTests(driver);

test("controllers in the cgroup2 hierarchy of a hybrid layout are named, with the way out", () => {
  assert.equal(hybridRefusal("\n"), null);
  const refusal = hybridRefusal("hugetlb misc\n") ?? "";
  assert.match(refusal, /holds controllers \(hugetlb, misc\)/);
  assert.match(
    refusal,
    /mkdir -p \/sys\/fs\/cgroup\/misc && mount -t cgroup -o misc misc \/sys\/fs\/cgroup\/misc/,
  );
});

test("a program that is not there is a reason, and opening it an error with a hint", () => {
  const options = { path: "/no/such/crun" };
  const place = { root: "/nonexistent", runroot: "/nonexistent", options };
  assert.deepEqual(driver.probe(place).usable, false);
  assert.throws(
    () => driver.open(place),
    /cannot use the runtime "crun": the program was not found/,
  );
});

test("what a killed crun left of its copies is taken away when it is old", {
  skip: skipReason(driver),
}, () => {
  const runroot = mkdtempSync("/tmp/runtime-");
  try {
    const { environment } = driver.open({ root: runroot, runroot, options: {} });
    const copies = environment._LIBCONTAINER_STATEDIR!;
    for (const name of ["crun.plain", "crun.mounted"]) writeFileSync(`${copies}/${name}`, "");
    const target = `${copies}/crun.mounted`;
    mount({ source: "/bin/sh", target, type: "", flags: ["bind"] });
    sweepCopies(copies);
    assert.equal(readdirSync(copies).length, 2);
    utimesSync(copies, 1, 1);
    sweepCopies(copies);
    assert.deepEqual(readdirSync(copies), []);
    assert.ok(existsSync("/bin/sh"));
  } finally {
    rmSync(runroot, { recursive: true, force: true });
  }
});
