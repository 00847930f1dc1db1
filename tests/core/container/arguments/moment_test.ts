import assert from "node:assert/strict";
import { test } from "node:test";
import {
  goDuration,
  parseDuration,
  parseMoment,
} from "../../../../core/container/arguments/moment.ts";

test("durations are read as Go reads them", () => {
  const right: readonly (readonly [string, number])[] = [
    ["0", 0],
    ["10s", 10_000],
    ["1h30m", 5_400_000],
    ["1.5s", 1500],
    [".5m", 30_000],
    ["250ms", 250],
    ["-2m", -120_000],
    ["+1h", 3_600_000],
    ["100us", 0.1],
    ["1h1m1s1ms", 3_661_001],
  ];
  for (const [text, ms] of right) assert.equal(parseDuration(text), ms, text);
  for (const text of ["", "10", "abc", "s", "1d", "1h ", "1.s.", "--1s", "1hh"]) {
    assert.equal(parseDuration(text), null, text);
  }
});

test("durations are printed as Go prints them", () => {
  assert.equal(goDuration(0), "0s");
  assert.equal(goDuration(0.25), "250µs");
  assert.equal(goDuration(770), "770ms");
  assert.equal(goDuration(1050), "1.05s");
  assert.equal(goDuration(76_820), "1m16.82s");
  assert.equal(goDuration(3_600_000), "1h0m0s");
  assert.equal(goDuration(-1500), "-1.5s");
});

test("a moment is a date with its zone, seconds since 1970, or a span from now", () => {
  assert.equal(parseMoment("2026-01-02T03:04:05Z"), 1_767_323_045_000_000_000n);
  assert.equal(parseMoment("2026-01-02T03:04:05.123456789Z"), 1_767_323_045_123_456_789n);
  assert.equal(parseMoment("2026-01-02T03:04:05+01:00"), 1_767_319_445_000_000_000n);
  assert.equal(parseMoment("1767323045"), 1_767_323_045_000_000_000n);
  assert.equal(parseMoment("1767323045.5"), 1_767_323_045_500_000_000n);
  const now = 1_767_323_045_000;
  assert.equal(parseMoment("10s", { now }), 1_767_323_035_000_000_000n);
  assert.equal(parseMoment("10s", { now, ahead: true }), 1_767_323_055_000_000_000n);
  for (const text of ["", "foo", "2026-13-01x", "2026-01-02T", "-5"]) {
    assert.equal(parseMoment(text), null, text);
  }
  assert.equal(parseMoment("2026-99-99"), null);
});

test("a date without a zone is of this host's zone", () => {
  const local = BigInt(new Date(2026, 0, 2).getTime()) * 1_000_000n;
  assert.equal(parseMoment("2026-01-02"), local);
  assert.equal(parseMoment("2026-01-02T00:00"), local);
});
