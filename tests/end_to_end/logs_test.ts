/** `logs`, on the real executable: what a container wrote, whole and in order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

test(
  "logs keeps standard output and standard error apart, and cuts by lines and times",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const script = "echo one; echo err >&2; sleep 0.1; echo two; printf part";
    const id = store.ok(["run", "-d", "--name", "a", BUSYBOX, "sh", "-c", script]);
    store.ok(["wait", "a"]);
    const all = store.coracle(["logs", "a"]);
    assert.deepEqual([all.stdout, all.stderr, all.status], ["one\ntwo\npart", "err\n", 0]);
    const logs = (...words: string[]) => store.coracle(["logs", ...words]).stdout;
    assert.equal(logs("--tail", "1", "a"), "part");
    assert.equal(logs("--tail", "0", "a"), "");
    assert.equal(logs("--since", "1h", "a"), "one\ntwo\npart");
    assert.equal(logs("--since", "2100-01-01", "a"), "");
    assert.equal(logs("--until", "2020-01-01T00:00:00", "a"), "");
    assert.match(logs("-t", "a"), /^\d{4}-\d\d-\d\dT[0-9:.]+Z one\n/);
    assert.equal(logs("--latest"), "one\ntwo\npart");
    store.ok(["create", "--name", "b", BUSYBOX, "true"]);
    assert.equal(logs("b"), "");
    assert.equal(logs("-f", "b"), "");
    assert.equal(logs("-n", "a", "b"), "a one\na two\na part");
    assert.match(logs("a", "b"), new RegExp(`^${id.slice(0, 12)} one\n`));
    const colour = "\x1b[37m";
    assert.ok(logs("--color", "a", "b").startsWith(`${colour}${id.slice(0, 12)} one\x1b[0m\n`));
    store.ok(["start", "a"]);
    store.ok(["wait", "a"]);
    assert.equal(logs("a"), "one\ntwo\npartone\ntwo\npart");
  }),
);

test(
  "logs --follow goes on until the container has ended, also when it is removed",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    const script = "echo first; sleep 0.5; seq 1 20000; echo last";
    store.ok(["run", "-d", "--rm", "--name", "a", BUSYBOX, "sh", "-c", script]);
    const numbers = Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join("");
    const following = store.start(["logs", "-f", "a"]);
    assert.equal((await following.done).stdout, `first\n${numbers}last\n`);
    store.ok(["run", "-d", "--name", "b", BUSYBOX, "sh", "-c", "echo b; sleep 1000"]);
    store.ok(["run", "-d", "--name", "c", BUSYBOX, "sh", "-c", "echo c; sleep 1000"]);
    const both = store.start(["logs", "--follow", "--names", "b", "c"]);
    await sleep(300);
    store.ok(["rm", "-f", "-t", "0", "b", "c"]);
    const { status, stdout } = await both.done;
    assert.deepEqual([status, stdout.split("\n").sort()], [0, ["", "b b", "c c"]]);
  }),
);

test(
  "logs refuses what Podman refuses",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["create", "--name", "a", BUSYBOX, "true"]);
    const table: readonly (readonly [readonly string[], string])[] = [
      [["none"], 'no container with name or ID "none" found: no such container'],
      [["a", "none"], "no such container"],
      [[], "specify at least one container name or ID to log"],
      [["-l", "a"], "--latest and containers cannot be used together"],
      [["--since", "foo", "a"], 'parsing --since "foo": unable to interpret time value'],
      [["--tail", "abc", "a"], 'invalid argument "abc" for "--tail" flag'],
    ];
    for (const [words, expected] of table) {
      const { status, stderr } = store.coracle(["logs", ...words]);
      assert.equal(status, 125, words.join(" "));
      assert.ok(stderr.includes(expected), stderr);
    }
  }),
);
