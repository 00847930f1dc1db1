/** crun keeps the contract of runtime drivers, and says why it cannot run where it cannot. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { driver, hybridRefusal } from "../../../drivers/runtime/crun.ts";
import { conformanceTests } from "./run_conformance.ts";

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
