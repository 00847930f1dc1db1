import assert from "node:assert/strict";
import { suite, test } from "node:test";
import {
  type AufsCall,
  aufsCalls,
  branchesOf,
  CALL_BRANCHES,
  CALL_BYTES,
} from "../../../drivers/layer/aufs_plan.ts";
import type { MountPlan } from "../../../drivers/layer/driver.ts";
import { hasCode } from "../../../core/errors.ts";

interface Shape {
  readonly upper?: string;
  readonly options?: readonly string[];
  readonly name?: (index: number) => string;
}

function planOf(lowers: number, shape: Shape = {}): MountPlan {
  const name = shape.name ?? ((index) => `l/${(index + 1296).toString(36)}`);
  return {
    path: "/store/mnt/x",
    base: "/store",
    type: "aufs",
    lowers: Array.from({ length: lowers }, (_, index) => name(index)),
    ...(shape.upper === undefined ? {} : { upper: shape.upper }),
    options: shape.options ?? [],
  };
}

/** The branches that the calls name, in order, as the kernel reads them. */
function namedIn(calls: readonly AufsCall[]): string[] {
  return calls.flatMap(({ data }, index) => {
    const words = data.split(",");
    if (index > 0) return words.map((word) => word.replace(/^append:/, ""));
    const branches = words.find((word) => word.startsWith("br:")) as string;
    return branches.slice("br:".length).split(":");
  });
}

suite("the calls that mount a union", () => {
  test("a few layers are one call: the options, the writable branch, then the layers", () => {
    const options = ["xino=/dev/shm/x", "dirperm1", "acl"];
    assert.deepEqual(aufsCalls(planOf(2, { upper: "layers/id/diff", options })), [{
      flags: [],
      data: "xino=/dev/shm/x,dirperm1,acl,br:layers/id/diff=rw:l/100=ro+wh:l/101=ro+wh",
      branches: 3,
    }]);
  });

  test("a view has no writable branch, and every call says that it is read-only", () => {
    const calls = aufsCalls(planOf(50, { options: ["ro", "dirperm1"] }));
    assert.deepEqual(calls.map(({ flags }) => flags), [["ro"], ["remount", "ro"]]);
    assert.ok(calls[0]?.data.startsWith("dirperm1,br:l/100=ro+wh:l/101=ro+wh:"));
    assert.ok(calls[0]?.data.endsWith(":l/11b=ro+wh"));
    assert.equal(calls[1]?.data, "append:l/11c=ro+wh,append:l/11d=ro+wh");
  });

  for (
    const [branches, counts] of [
      [2, [2]],
      [47, [47]],
      [48, [48]],
      [49, [48, 49]],
      [96, [48, 96]],
      [97, [48, 96, 97]],
      [126, [48, 96, 126]],
      [127, [48, 96, 127]],
    ] as const
  ) {
    test(`${branches} branches are ${counts.length} calls, each complete and in order`, () => {
      const plan = planOf(branches - 1, { upper: "u", options: ["dirperm1"] });
      const calls = aufsCalls(plan);
      assert.deepEqual(calls.map((call) => call.branches), counts);
      const wanted = branchesOf(plan).map(({ path, permission }) => `${path}=${permission}`);
      assert.deepEqual(namedIn(calls), wanted);
      assert.deepEqual(
        calls.map(({ flags }) => flags.includes("remount")),
        counts.map((_, i) => i > 0),
      );
    });
  }

  test("128 branches are refused before anything is mounted", () => {
    assert.throws(
      () => aufsCalls(planOf(127, { upper: "u" })),
      (error) => hasCode(error, "unsupported") && /128 layers/.test(error.message),
    );
  });

  for (const bytes of [CALL_BYTES - 1, CALL_BYTES, CALL_BYTES + 1]) {
    test(`a first call that would have ${bytes} bytes has at most ${CALL_BYTES}`, () => {
      const bare = aufsCalls(planOf(40, { upper: "u" }))[0]?.data.length ?? 0;
      const option = `o=${"x".repeat(bytes - bare - ",o=".length)}`;
      const calls = aufsCalls(planOf(40, { upper: "u", options: [option] }));
      const fits = bytes <= CALL_BYTES;
      assert.equal(calls.length, fits ? 1 : 2);
      assert.equal(calls[0]?.data.length, fits ? bytes : bytes - ":l/113=ro+wh".length);
      assert.ok(calls[0]?.data.startsWith(`${option},br:u=rw:`));
      assert.equal(namedIn(calls).length, 41);
    });

    test(`a later call that would have ${bytes} bytes has at most ${CALL_BYTES}`, () => {
      // Forty names of one length, the last as long as it takes.
      const long = (length: number) => (index: number) =>
        index < 100 ? `n${index}`.padEnd(length, "x") : "";
      const names = Array.from(
        { length: 47 + 40 },
        (_, index) => index < 47 ? `s${index}` : long(80)(index),
      );
      const usual = `append:${"x".repeat(80)}=ro+wh,`.length * 40 - 1;
      names[86] = "z".repeat(80 + bytes - usual);
      const calls = aufsCalls(planOf(87, { upper: "u", name: (index) => names[index] as string }));
      assert.deepEqual(
        calls.map((call) => call.branches),
        bytes <= CALL_BYTES ? [48, 88] : [48, 87, 88],
      );
      assert.ok(calls.every(({ data }) => data.length <= CALL_BYTES));
      assert.equal(calls[1]?.data.length, bytes <= CALL_BYTES ? bytes : calls[1]?.data.length);
    });
  }

  test("no call names more branches than one page of the kernel's own can hold", () => {
    for (let lowers = 1; lowers <= 126; lowers++) {
      let before = 0;
      for (const { branches } of aufsCalls(planOf(lowers, { upper: "u" }))) {
        assert.ok(branches - before <= CALL_BRANCHES && branches > before);
        before = branches;
      }
      assert.equal(before, lowers + 1);
    }
  });

  test("an option without room for a layer beside it is refused", () => {
    assert.throws(
      () => aufsCalls(planOf(1, { upper: "u", options: ["x".repeat(CALL_BYTES - 3)] })),
      (error) => hasCode(error, "unsupported"),
    );
  });

  test("bytes are counted, not letters", () => {
    const label = `context="${"é".repeat(1900)}"`;
    for (const { data } of aufsCalls(planOf(47, { upper: "u", options: [label] }))) {
      assert.ok(Buffer.byteLength(data) <= CALL_BYTES);
    }
  });

  for (const name of ["a:b", "a,b", "a=b", "a b", "", "/a", "a//b", "a\\b", "a\nb"]) {
    test(`a branch named ${JSON.stringify(name)} is never given to the kernel`, () => {
      assert.throws(
        () => aufsCalls(planOf(1, { upper: "u", name: () => name })),
        /cannot be a branch/,
      );
    });
  }

  test("a branch that is named twice is never given to the kernel", () => {
    assert.throws(() => aufsCalls(planOf(2, { name: () => "l/a" })), /named twice/);
    assert.throws(() => aufsCalls(planOf(0)), /no branches/);
  });
});
