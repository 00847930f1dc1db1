import assert from "node:assert/strict";
import { test } from "node:test";
import {
  boundingSet,
  CAPABILITIES,
  capabilitySets,
  DEFAULT_CAPABILITIES,
} from "../../../core/container/capabilities.ts";
import { capabilities } from "../../../core/sys/host.ts";
import { whyOf } from "./why_of.ts";

const HOST = CAPABILITIES.filter((name) => name !== "CAP_SYS_RESOURCE");

test("the default set is Podman's", () => {
  assert.deepEqual(boundingSet({ capAdd: [], capDrop: [] }, HOST), DEFAULT_CAPABILITIES);
});

test("names are added and dropped with or without CAP_, in any case", () => {
  const table: [string[], string[], (names: string[]) => void][] = [
    [["net_admin", "CAP_Sys_Time"], [], (names) => {
      assert.ok(names.includes("CAP_NET_ADMIN") && names.includes("CAP_SYS_TIME"));
      assert.equal(names.length, 13);
    }],
    [[], ["chown"], (names) => assert.ok(!names.includes("CAP_CHOWN"))],
    [["chown"], ["all"], (names) => assert.deepEqual(names, ["CAP_CHOWN"])],
    [["all"], ["chown"], (names) => assert.equal(names.length, HOST.length - 1)],
    [["all"], [], (names) => assert.deepEqual(names, [...HOST].sort())],
    [[], ["ALL"], (names) => assert.deepEqual(names, [])],
  ];
  for (const [capAdd, capDrop, check] of table) check(boundingSet({ capAdd, capDrop }, HOST));
});

test("a privileged container has what the host has and no more", () => {
  const wishes = { capAdd: [], capDrop: [], privileged: true };
  assert.deepEqual(boundingSet(wishes, HOST), [...HOST].sort());
  assert.equal(boundingSet({ ...wishes, capDrop: ["net_raw"] }, HOST).length, HOST.length - 1);
});

test("unknown and contradicting wishes are refused in Podman's words", () => {
  const table: [string[], string[], string][] = [
    [["foo"], [], '"CAP_FOO": unknown capability'],
    [[], ["foo"], '"CAP_FOO": unknown capability'],
    [["all", "foo"], [], '"CAP_FOO": unknown capability'],
    [["chown"], ["chown"], 'capability "CAP_CHOWN" cannot be dropped and added'],
    [["all"], ["all"], "adding all caps and removing all caps not allowed"],
  ];
  for (const [capAdd, capDrop, words] of table) {
    assert.equal(whyOf(() => boundingSet({ capAdd, capDrop }, HOST)), words);
  }
});

test("only root has the set; others have what was added by name, as ambient", () => {
  const none = { capAdd: [], capDrop: [] };
  const root = capabilitySets(none, { uid: 0 }, HOST);
  assert.deepEqual(root.effective, root.bounding);
  assert.equal(root.inheritable, undefined);
  const user = capabilitySets(none, { uid: 5 }, HOST);
  assert.deepEqual([user.effective, user.permitted, user.ambient], [[], [], undefined]);
  const added = capabilitySets({ capAdd: ["net_raw"], capDrop: [] }, { uid: 5 }, HOST);
  assert.deepEqual(added.ambient, ["CAP_NET_RAW"]);
  assert.deepEqual(added.inheritable, ["CAP_NET_RAW"]);
});

test("every capability of this host's kernel has its name in the list", () => {
  for (const name of capabilities("bounding")) assert.ok(CAPABILITIES.includes(name), name);
});
