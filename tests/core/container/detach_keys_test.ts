import { test } from "node:test";
import assert from "node:assert/strict";
import {
  DEFAULT_DETACH_KEYS,
  parseDetachKeys,
  watchDetachKeys,
} from "../../../core/container/detach_keys.ts";
import { CoracleError } from "../../../core/errors.ts";

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "latin1"));
const shown = (piece: Uint8Array) => Buffer.from(piece).toString("latin1");

/** Feeds pieces; what passed, joined, and whether the keys were found. */
function feed(keys: string, pieces: readonly string[]): { passed: string; detached: boolean } {
  const watch = watchDetachKeys(bytes(keys));
  let passed = "";
  for (const piece of pieces) {
    const { pass, detached } = watch.feed(bytes(piece));
    passed += shown(pass);
    if (detached) return { passed, detached };
  }
  return { passed: passed + shown(watch.rest()), detached: false };
}

test("the default keys are ctrl-p and ctrl-q", () => {
  assert.deepEqual([...parseDetachKeys(DEFAULT_DETACH_KEYS)], [16, 17]);
});

test("keys are single characters, control characters and DEL", () => {
  assert.deepEqual([
    ...parseDetachKeys("a,Z,ctrl-@,ctrl-a,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_,DEL"),
  ], [
    ...[97, 90, 0, 1, 27, 28, 29, 30, 31, 127],
  ]);
});

test("no keys means that nothing detaches", () => {
  assert.equal(parseDetachKeys("").length, 0);
  assert.deepEqual(feed("", ["\x10\x11"]), { passed: "\x10\x11", detached: false });
});

test("anything else is refused with the word in question", () => {
  for (const wrong of ["ctrl-", "ctrl-P", "abc", "ctrl-aa", "a,,b", ",", "é", "ctrl-1", "del"]) {
    assert.throws(() => parseDetachKeys(wrong), (error) => {
      assert.ok(error instanceof CoracleError);
      assert.equal(error.code, "usage");
      assert.match(error.message, /invalid detach keys: Unknown character: '/);
      return true;
    }, wrong);
  }
});

test("the sequence is found in one piece, in two, and in the middle of typing", () => {
  for (const pieces of [["\x10\x11"], ["\x10", "\x11"], ["ab", "\x10", "\x11", "cd"]]) {
    assert.equal(feed("\x10\x11", pieces).detached, true);
  }
  assert.deepEqual(feed("\x10\x11", ["ab\x10\x11cd"]), { passed: "ab", detached: true });
});

test("a beginning that does not go on is passed on whole and in order", () => {
  assert.deepEqual(feed("\x10\x11", ["a\x10b", "\x10", "c"]), {
    passed: "a\x10b\x10c",
    detached: false,
  });
  assert.deepEqual(feed("\x10\x11", ["x\x10"]), { passed: "x\x10", detached: false });
});

test("a repeated beginning still finds the sequence", () => {
  assert.deepEqual(feed("\x10\x11", ["\x10\x10\x11"]), { passed: "\x10", detached: true });
  assert.deepEqual(feed("aab", ["aaab"]), { passed: "a", detached: true });
  assert.deepEqual(feed("abac", ["ababac"]), { passed: "ab", detached: true });
});

test("whatever the pieces, passing and keeping loses no byte", () => {
  const text = "abaabacabaab".repeat(20);
  for (let size = 1; size < 9; size++) {
    const pieces = text.match(new RegExp(`.{1,${size}}`, "g")) ?? [];
    assert.equal(feed("abaz", pieces).passed, text);
  }
});
