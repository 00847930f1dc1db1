import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import {
  lookUpUser,
  parseGroup,
  parsePasswd,
  readBeneath,
  resolveUser,
} from "../../../core/container/users.ts";
import { AT_FDCWD, close, O, openAt } from "../../../core/sys/at.ts";
import { raw } from "../../../core/terms.ts";
import { whyOf } from "./why_of.ts";

const PASSWD =
  "root:x:0:0:root:/root:/bin/sh\n# c\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n" +
  "1234:x:77:78::/numeric:/bin/sh\n";
const GROUP = "root:x:0:\nalice:x:1000:\nwheel:x:10:alice,root\nbad:x:y:\n";
const FILES = { passwd: parsePasswd(PASSWD), group: parseGroup(GROUP) };

test("users are found as Podman finds them", () => {
  const table: [user: string, uid: number, gid: number, groups: number[], home: string][] = [
    ["", 0, 0, [10], "/root"],
    ["root", 0, 0, [0, 10], "/root"],
    [":", 0, 0, [0], "/root"],
    ["alice", 1000, 1000, [1000, 10], "/home/alice"],
    ["alice:", 1000, 1000, [1000], "/home/alice"],
    ["alice:wheel", 1000, 10, [10], "/home/alice"],
    ["1000", 1000, 1000, [1000, 10], "/home/alice"],
    ["root:1000", 0, 1000, [1000], "/root"],
    [":alice", 0, 1000, [1000], "/root"],
    ["5:6", 5, 6, [6], ""],
    ["77", 77, 78, [78], "/numeric"],
    ["1234", 77, 78, [78], "/numeric"],
    ["88:wheel", 88, 10, [10], ""],
    ["99", 99, 0, [0], ""],
  ];
  for (const [user, uid, gid, groups, home] of table) {
    const found = lookUpUser({ user, groupAdd: [] }, FILES);
    assert.deepEqual(found, { uid, gid, groups, home }, user);
  }
});

test("groups are added by name and number", () => {
  const { groups } = lookUpUser({ user: "1000", groupAdd: ["77", "wheel"] }, FILES);
  assert.deepEqual(groups, [1000, 77, 10]);
});

test("unknown names and impossible numbers are refused in Podman's words", () => {
  const table: [string, string[], string][] = [
    ["bob", [], "unable to find user bob: no matching entries in passwd file"],
    ["bob:alice", [], "unable to find user bob: no matching entries in passwd file"],
    ["alice:bob", [], "unable to find group bob: no matching entries in group file"],
    ["99999999999", [], "uids and gids must be in range 0-2147483647"],
    ["-5", [], "uids and gids must be in range 0-2147483647"],
    ["0:4294967295", [], "uids and gids must be in range 0-2147483647"],
    ["alice", ["foo"], "unable to find group foo: no matching entries in group file"],
  ];
  for (const [user, groupAdd, words] of table) {
    assert.equal(whyOf(() => lookUpUser({ user, groupAdd }, FILES)), words);
  }
});

/** Runs `act` with a descriptor of a fresh root directory. */
function inRoot(act: (root: number, dir: string) => void): void {
  const dir = mkdtempSync("/tmp/container-users-");
  mkdirSync(`${dir}/etc`);
  const root = openAt(AT_FDCWD, raw(dir), O.RDONLY | O.DIRECTORY);
  try {
    act(root, dir);
  } finally {
    close(root);
    rmSync(dir, { recursive: true });
  }
}

test("the container's files are read beneath its root, links and all", () => {
  inRoot((root, dir) => {
    assert.equal(resolveUser(root, { user: "", groupAdd: [] }).uid, 0);
    symlinkSync("/real", `${dir}/etc/passwd`);
    writeFileSync(`${dir}/real`, PASSWD);
    assert.equal(resolveUser(root, { user: "alice", groupAdd: [] }).uid, 1000);
    symlinkSync("../../../../../../etc/group", `${dir}/etc/group`);
    assert.throws(() => readBeneath(root, "etc/group"), /ELOOP|loop|too many/i);
  });
});

test("a fifo, a directory or a huge file in the place of passwd does not stop us", () => {
  inRoot((root, dir) => {
    spawnSync("mkfifo", [`${dir}/etc/passwd`]);
    assert.match(whyOf(() => readBeneath(root, "etc/passwd"), "corrupt"), /it is a fifo/);
    rmSync(`${dir}/etc/passwd`);
    mkdirSync(`${dir}/etc/passwd`);
    assert.match(whyOf(() => readBeneath(root, "etc/passwd"), "corrupt"), /it is a dir/);
    rmSync(`${dir}/etc/passwd`, { recursive: true });
    writeFileSync(`${dir}/etc/passwd`, "");
    truncateSync(`${dir}/etc/passwd`, 9 * 1024 * 1024);
    assert.match(whyOf(() => readBeneath(root, "etc/passwd"), "corrupt"), /9437184 bytes/);
  });
});
