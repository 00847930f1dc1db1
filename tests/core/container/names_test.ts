import assert from "node:assert/strict";
import { test } from "node:test";
import { FIRST, SECOND } from "../../../core/container/name_words.ts";
import { checkName, nameTaken, randomName } from "../../../core/container/names.ts";
import { whyOf } from "./why_of.ts";

test("names follow Podman's rule and words", () => {
  for (const name of ["a", "web-1", "0_x.y", "a".repeat(200)]) assert.equal(checkName(name), name);
  for (const name of ["", "a b", "-x", "_x", "a/b", "ä", "a\n"]) {
    assert.equal(
      whyOf(() => checkName(name)),
      "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
    );
  }
  assert.match(
    nameTaken("web", "abc").message,
    /the container name "web" is already in use by abc/,
  );
});

test("random names are valid, many, and never a taken one", () => {
  const words = { first: FIRST, second: SECOND };
  const seen = new Set<string>();
  for (let round = 0; round < 500; round++) {
    const name = randomName(words, (one) => seen.has(one));
    assert.equal(checkName(name), name);
    assert.match(name, /^[a-z]+_[a-z]+[0-9]*$/);
    assert.ok(!seen.has(name));
    seen.add(name);
  }
  const one = { first: ["able"], second: ["boat"] };
  assert.match(randomName(one, (name) => name === "able_boat"), /^able_boat[0-9]+$/);
});

test("the word lists hold about a hundred different words each", () => {
  for (const list of [FIRST, SECOND]) {
    assert.equal(new Set(list).size, list.length);
    assert.ok(list.length >= 100);
  }
});
