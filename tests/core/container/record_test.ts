import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type DerivedState,
  deriveState,
  LOST_EXIT,
  type StateFacts,
  statusWord,
} from "../../../core/container/record.ts";
import type { Phase } from "../../../core/state/containers.ts";

const DEAD: StateFacts = { exitCode: null, isAlive: false };
const ALIVE: StateFacts = { exitCode: null, isAlive: true };
const LOST: DerivedState = {
  state: "stopped",
  exitCode: LOST_EXIT,
  reason: "it ended and its monitor left no exit status",
};

test("the state follows from what we did and what is true", () => {
  const table: [Phase, StateFacts, DerivedState][] = [
    ["configured", DEAD, { state: "configured" }],
    ["configured", ALIVE, { state: "configured" }],
    ["exited", DEAD, { state: "exited" }],
    ["exited", { ...DEAD, exitCode: 3 }, { state: "exited" }],
    ["removing", ALIVE, { state: "removing" }],
    ["created", ALIVE, { state: "created" }],
    ["created", DEAD, LOST],
    ["created", { ...ALIVE, runtime: "running" }, { state: "running" }],
    ["created", { ...DEAD, exitCode: 1 }, { state: "stopped", exitCode: 1 }],
    ["started", ALIVE, { state: "running" }],
    ["started", { ...ALIVE, isFrozen: true }, { state: "paused" }],
    ["started", { ...ALIVE, runtime: "paused" }, { state: "paused" }],
    ["started", { ...ALIVE, runtime: "creating" }, { state: "created" }],
    ["started", { ...ALIVE, exitCode: 0 }, { state: "stopped", exitCode: 0 }],
    ["started", DEAD, LOST],
    ["started", { ...DEAD, runtime: "gone" }, LOST],
    ["started", { ...DEAD, runtime: "stopped" }, LOST],
    [
      "started",
      { ...ALIVE, runtime: "unreachable" },
      { state: "unknown", reason: "the runtime does not answer" },
    ],
  ];
  for (const [phase, facts, derived] of table) {
    assert.deepEqual(deriveState({ phase }, facts), derived, `${phase} ${JSON.stringify(facts)}`);
  }
});

test("states have Podman's words", () => {
  assert.equal(statusWord("configured"), "created");
  assert.equal(statusWord("created"), "initialized");
  assert.equal(statusWord("exited"), "exited");
});
