import assert from "node:assert/strict";
import { test } from "node:test";
import { containerFilter } from "../../../core/engine/filter_containers.ts";
import { listedContainers, sortContainers } from "../../../core/engine/list_containers.ts";
import { CoracleError } from "../../../core/errors.ts";
import { processStart } from "../../../core/sys/process.ts";
import { newRowStore, type RowStore } from "./container_rows.ts";

const BUSYBOX = { name: "localhost/busybox:latest", id: "457215f08cff".padEnd(64, "a") };
const DEBIAN = { name: "docker.io/library/debian:12", id: "123456".padEnd(64, "b") };

/** One of each: running (this very process), exited with 3, never started. */
function fill(store: RowStore): void {
  store.add("one", {
    id: "aaa",
    image: BUSYBOX,
    request: {
      labels: { app: "web", "com.x/y": "1" },
      mounts: [
        { type: "volume", source: "data", destination: "/data", options: [] },
        { type: "bind", source: "/srv", destination: "/www", options: [] },
        { type: "tmpfs", source: "", destination: "/t", options: [] },
      ],
    },
    phase: "started",
    pid: process.pid,
    pidStart: processStart(process.pid) ?? "",
    started: "2026-01-02T03:04:05.5Z",
  });
  store.add("two", {
    id: "abb",
    image: DEBIAN,
    request: { command: ["false"], network: { kind: "host" } },
    phase: "exited",
    exitCode: 3,
    started: "2026-01-01T00:00:00Z",
    ended: "2026-01-01T00:01:00Z",
  });
  store.add("three", { id: "bcc", image: BUSYBOX, request: { labels: { app: "db" } } });
}

function names(store: RowStore, filters: readonly string[]): string {
  return listedContainers(store.engine, { all: true, filters }).map(({ row }) => row.name).join(
    " ",
  );
}

test("only running containers are listed, unless all, the last ones or a status is asked for", () => {
  using store = newRowStore();
  fill(store);
  const list = (options: Parameters<typeof listedContainers>[1]) =>
    listedContainers(store.engine, options).map(({ row }) => row.name);
  assert.deepEqual(list({}), ["one"]);
  assert.deepEqual(list({ all: true }), ["one", "two", "three"]);
  assert.deepEqual(list({ last: 2 }), ["two", "three"]);
  assert.deepEqual(list({ filters: ["status=exited"] }), ["two"]);
  assert.deepEqual(list({ filters: ["name=t"] }), []);
});

test("filters choose by what they name, alternatives within a key, all keys together", () => {
  using store = newRowStore();
  fill(store);
  const table: readonly (readonly [string, string])[] = [
    ["id=aa", "one"],
    ["id=a", "one two"],
    ["name=^t", "two three"],
    ["name=t(", ""],
    ["name=", "one two three"],
    ["label=app", "one three"],
    ["label=app=db", "three"],
    ["label=com.x/*", "one"],
    ["label=APP", ""],
    ["label!=app", "two"],
    ["label!=app=db", "one two"],
    ["status=running", "one"],
    ["status=exited", "two"],
    ["status=stopped", "two"],
    ["status=created", "three"],
    ["exited=3", "two"],
    ["exited=0", ""],
    ["ancestor=localhost/busybox", "one three"],
    ["ancestor=localhost/busybox:latest", "one three"],
    ["ancestor=457215f08cff", "one three"],
    ["ancestor=busybox", "one three"],
    ["ancestor=debian:12", "two"],
    ["ancestor=nosuch", ""],
    ["before=two", "one"],
    ["since=two", "three"],
    ["before=abb", "one"],
    ["until=24h", ""],
    ["until=1ms", "one two three"],
    ["volume=data", "one"],
    ["volume=/www", "one"],
    ["volume=/srv:/www", "one"],
    ["volume=data:/www", ""],
    ["volume=/t", ""],
    ["network=host", "two"],
    ["network=none", ""],
    ["health=healthy", ""],
    ["pod=x", ""],
    ["restart-policy=no", "one two three"],
  ];
  for (const [filter, expected] of table) assert.equal(names(store, [filter]), expected, filter);
  assert.equal(names(store, ["status=exited", "status=created"]), "two three");
  assert.equal(names(store, ["status=created", "label=app=db"]), "three");
  assert.equal(names(store, ["label=app", "label=com.x/y"]), "one");
});

test("wrong filters are refused in Podman's words", () => {
  using store = newRowStore();
  fill(store);
  const table: readonly (readonly [string, RegExp])[] = [
    ["foo=bar", /foo is an invalid filter/],
    ["foo", /invalid filter "foo"/],
    ["=x", /invalid filter "=x"/],
    ["status=bogus", /unknown container state: bogus: invalid argument/],
    ["exited=abc", /exited code out of range/],
    ["until=zzz", /failed to parse value as time or duration: "zzz"/],
    ["since=nosuch", /no container with name or ID "nosuch" found: no such container/],
    ["constructor=x", /constructor is an invalid filter/],
  ];
  for (const [filter, expected] of table) {
    assert.throws(() => names(store, [filter]), (error) => {
      return error instanceof CoracleError && expected.test(error.message);
    }, filter);
  }
  const prune = () => containerFilter(store.engine, ["status=exited"], { forPrune: true });
  assert.throws(prune, /status is an invalid filter/);
});

test("containers are sorted by each key, equal ones in the order of their making", () => {
  using store = newRowStore();
  fill(store);
  const sorted = (key: Parameters<typeof sortContainers>[1]) => {
    const all = listedContainers(store.engine, { all: true });
    sortContainers(all, key, ({ row }) => row.name.length);
    return all.map(({ row }) => row.name).join(" ");
  };
  assert.equal(sorted("created"), "one two three");
  assert.equal(sorted("names"), "one three two");
  assert.equal(sorted("id"), "one two three");
  assert.equal(sorted("command"), "two one three");
  assert.equal(sorted("image"), "two one three");
  assert.equal(sorted("status"), "three two one");
  assert.equal(sorted("runningfor"), "three two one");
  assert.equal(sorted("size"), "one two three");
});

test("what has ended without being cleaned up is shown as exited with its status", () => {
  using store = newRowStore();
  store.add("gone", {
    phase: "started",
    pid: 4_194_000,
    pidStart: "1",
    started: "2026-01-01T00:00:00Z",
  });
  const [one] = listedContainers(store.engine, { all: true });
  assert.equal(one?.state, "stopped");
  assert.equal(one?.exitCode, 255);
  assert.notEqual(one?.ended, "");
});
