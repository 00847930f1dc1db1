/** memory_size.ts, resources.ts, ulimit.ts: sizes and limits, with Podman's words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMemory, parseMemorySwap } from "../../../../core/container/arguments/memory_size.ts";
import {
  checkResources,
  parseBlkioWeight,
  parseCpus,
  parseCpuset,
  parseOomScoreAdj,
} from "../../../../core/container/arguments/resources.ts";
import { parseUlimit } from "../../../../core/container/arguments/ulimit.ts";
import { parseInteger } from "../../../../core/container/arguments/wrong_value.ts";
import type { ResourceRequest } from "../../../../core/container/request.ts";
import { whyOf } from "../why_of.ts";

test("sizes are powers of 1024 with or without a unit", () => {
  const table: [string, number | undefined][] = [
    ["", undefined],
    ["0", 0],
    ["100", 100],
    ["1b", 1],
    ["1k", 1024],
    ["1KiB", 1024],
    ["512m", 536_870_912],
    ["1.5g", 1_610_612_736],
    ["2T", 2 * 1024 ** 4],
  ];
  for (const [text, bytes] of table) assert.equal(parseMemory("--memory", text), bytes, text);
  assert.equal(parseMemorySwap("-1"), -1);
});

test("what is no size is refused in Podman's words", () => {
  for (const text of ["abc", "5x", "-1", "1.2.3", "m", "1 2", "9999999999999t"]) {
    assert.equal(
      whyOf(() => parseMemory("--memory", text)),
      `invalid value for memory: invalid size: '${text}'`,
    );
  }
  assert.equal(
    whyOf(() => parseMemory("--shm-size", "x")),
    "unable to translate --shm-size: invalid size: 'x'",
  );
});

test("numbers, CPUs, CPU lists and weights are checked", () => {
  assert.equal(parseCpus("1.5"), 1.5);
  assert.equal(parseCpus("-1"), 0);
  assert.match(whyOf(() => parseCpus("x")), /strconv.ParseFloat: parsing "x": invalid syntax/);
  assert.equal(parseCpuset("cpus", "0-3,5"), "0-3,5");
  for (const text of ["abc", "3-1", "1,", "-1"]) {
    assert.equal(whyOf(() => parseCpuset("cpus", text)), `invalid value ${text} for cpuset cpus`);
  }
  assert.equal(parseBlkioWeight("100"), 100);
  assert.match(whyOf(() => parseBlkioWeight("x")), /strconv.ParseUint: parsing "x"/);
  assert.match(whyOf(() => parseBlkioWeight("5")), /from 10 to 1000/);
  assert.equal(parseOomScoreAdj("-500"), -500);
  assert.match(whyOf(() => parseOomScoreAdj("5000")), /-1000 to 1000/);
  assert.match(
    whyOf(() => parseInteger("--pids-limit", "x", { signed: true })),
    /invalid argument "x" for "--pids-limit" flag: strconv.ParseInt: parsing "x": invalid syntax/,
  );
  assert.match(whyOf(() => parseInteger("--stop-timeout", "-1")), /strconv.ParseUint/);
  assert.match(whyOf(() => parseInteger("--timeout", "9".repeat(20))), /value out of range/);
});

test("limits that do not fit one another are refused", () => {
  const table: [ResourceRequest, RegExp][] = [
    [{ memorySwap: 100 }, /always set a memory limit when using a memoryswap limit/],
    [{ memory: 200, memorySwap: 100 }, /minimum memoryswap limit should be larger/],
    [{ memory: 100, memoryReservation: 200 }, /can not be less than memory reservation/],
    [{ cpus: 1, cpuQuota: 1000 }, /--cpu-quota and --cpus cannot be set together/],
    [{ cpus: 1, cpuPeriod: 1000 }, /--cpu-period and --cpus cannot be set together/],
  ];
  for (const [resources, words] of table) {
    assert.match(whyOf(() => checkResources(resources)), words);
  }
  checkResources({ memory: 100, memorySwap: -1, cpuQuota: 1000, cpuPeriod: 10_000 });
});

test("ulimits have a name and one or two limits", () => {
  assert.deepEqual(parseUlimit("nofile=1024:2048"), { name: "nofile", soft: 1024, hard: 2048 });
  assert.deepEqual(parseUlimit("nofile=5"), { name: "nofile", soft: 5, hard: 5 });
  assert.deepEqual(parseUlimit("core=1:-1"), { name: "core", soft: 1, hard: -1 });
  assert.deepEqual(parseUlimit("core=-1"), { name: "core", soft: -1, hard: -1 });
  const table: [string, string][] = [
    ["nofile", "invalid ulimit argument: nofile"],
    ["nofile=5:2", "ulimit soft limit must be less than or equal to hard limit: 5 > 2"],
    ["nofile=abc", 'strconv.ParseInt: parsing "abc": invalid syntax'],
    ["foo=1", "invalid ulimit type: foo"],
    ["=1", "invalid ulimit type: "],
    [
      "nofile=1:2:3",
      "too many limit value arguments - 1:2:3, can only have up to two, `soft[:hard]`",
    ],
  ];
  for (const [text, words] of table) {
    assert.equal(
      whyOf(() => parseUlimit(text)),
      `ulimit option "${text}" requires name=SOFT:HARD, failed to be parsed: ${words}`,
    );
  }
});
