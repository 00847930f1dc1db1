/** `cp` with the real executable: what lands where, whose it is, and what leads nowhere. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, type Store, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

const STATES = ["running", "created"] as const;

/** A container named `box` with /w as its working directory and /w/sub in it. */
function box(store: Store, state: (typeof STATES)[number], flags: readonly string[] = []): void {
  store.ok(["create", "--name", "box", "-w", "/w", ...flags, "work", "sleep", "1000"]);
  if (state === "running") store.ok(["start", "box"]);
}

function prepare(store: Store): string {
  store.importBusybox();
  store.ok(["run", "--name", "first", BUSYBOX, "mkdir", "-p", "/w/sub", "/tmp"]);
  store.ok(["commit", "-q", "first", "work"]);
  store.ok(["rm", "first"]);
  const tree = join(store.folder, "tree");
  mkdirSync(join(tree, "dir/deep"), { recursive: true });
  writeFileSync(join(tree, "file"), "one\n");
  writeFileSync(join(tree, "dir/a"), "two\n");
  writeFileSync(join(tree, "dir/deep/b"), "three\n");
  spawnSync("ln", [join(tree, "dir/a"), join(tree, "dir/hard")]);
  symlinkSync("a", join(tree, "dir/soft"));
  return tree;
}

/** Files of the container beneath `/w`, as it is now. */
function files(store: Store): string[] {
  const { bytes } = store.coracle(["export", "box"]);
  const names = spawnSync("tar", ["-t"], { input: bytes, encoding: "utf8" }).stdout.split("\n");
  return names.map((name) => name.replace(/^\.?\//, "")).filter((name) => name.startsWith("w/"))
    .map((name) => name.slice(2)).filter((name) => name !== "" && name !== "sub/").sort();
}

const DIR = ["a", "deep/", "deep/b", "hard", "soft"];
const INTO: readonly (readonly [string, string, readonly string[]])[] = [
  ["file", "/w", ["file"]],
  ["file", ".", ["file"]],
  ["file", "sub/", ["sub/file"]],
  ["file", "new", ["new"]],
  ["dir", "/w", ["dir/", ...DIR.map((name) => `dir/${name}`)]],
  ["dir/", "sub", ["sub/dir/", ...DIR.map((name) => `sub/dir/${name}`)]],
  ["dir/.", "/w", DIR],
  ["dir", "new", ["new/", ...DIR.map((name) => `new/${name}`)]],
  ["dir/.", "new", ["new/", ...DIR.map((name) => `new/${name}`)]],
];

for (const state of STATES) {
  test(
    `files of the host land where Podman puts them, container ${state}`,
    { skip },
    withStore((store) => {
      const tree = prepare(store);
      for (const [source, goal, expected] of INTO) {
        box(store, state);
        store.ok(["cp", `${tree}/${source}`, `box:${goal}`]);
        assert.deepEqual(files(store), [...expected].sort(), `${source} to ${goal}`);
        store.ok(["rm", "-f", "-t", "0", "box"]);
      }
    }),
  );
}

test(
  "files of a container land on the host, and in another container",
  { skip },
  withStore((store) => {
    const tree = prepare(store);
    for (const state of STATES) {
      box(store, state);
      store.ok(["cp", tree, "box:/w/sub"]);
      const out = join(store.folder, `out-${state}`);
      mkdirSync(out);
      store.ok(["cp", "box:sub/tree/file", out]);
      store.ok(["cp", "box:sub/tree/file", join(out, "named")]);
      store.ok(["cp", "box:sub/tree/dir", out]);
      store.ok(["cp", "box:sub/tree/dir/.", join(out, "content")]);
      assert.deepEqual(readdirSync(out).sort(), ["content", "dir", "file", "named"]);
      assert.equal(readFileSync(join(out, "content/deep/b"), "utf8"), "three\n");
      assert.equal(statSync(join(out, "dir/a")).ino, statSync(join(out, "dir/hard")).ino);
      assert.equal(readFileSync(join(out, "dir/soft"), "utf8"), "two\n");
      store.ok(["create", "--name", "other", "work", "cat", "/copied/dir/a"]);
      store.ok(["cp", "box:sub/tree", "other:/copied"]);
      assert.equal(store.ok(["start", "-a", "other"]), "two");
      const { bytes } = store.coracle(["cp", "box:sub/tree/dir", "-"]);
      const listed = spawnSync("tar", ["-t"], { input: bytes, encoding: "utf8" }).stdout;
      assert.match(listed, /^dir\/\n(dir\/.*\n)*$/);
      store.ok(["rm", "-f", "-t", "0", "box", "other"]);
    }
  }),
);

test(
  "volumes and binds are seen in running and in resting containers",
  { skip },
  withStore((store) => {
    const tree = prepare(store);
    const bind = join(store.folder, "bind");
    for (const state of STATES) {
      mkdirSync(`${bind}-${state}`);
      box(store, state, ["-v", `vol-${state}:/w/sub`, "-v", `${bind}-${state}:/w/sub/inner`]);
      store.ok(["cp", join(tree, "file"), "box:sub"]);
      store.ok(["cp", join(tree, "file"), "box:sub/inner/below"]);
      assert.deepEqual(readdirSync(`${bind}-${state}`), ["below"]);
      const data = store.ok(["volume", "inspect", "--format", "{{.Mountpoint}}", `vol-${state}`]);
      assert.ok(existsSync(join(data, "file")));
      store.ok(["rm", "-f", "-t", "0", "box"]);
    }
  }),
);

test(
  "files belong to the container's user, or to whom they belonged",
  { skip },
  withStore((store) => {
    const tree = prepare(store);
    spawnSync("chown", ["-R", "7:8", join(tree, "file")]);
    box(store, "running", ["--user", "5:6"]);
    const owner = () => store.ok(["exec", "box", "stat", "-c", "%u:%g", "/w/file"]);
    store.ok(["cp", join(tree, "file"), "box:/w"]);
    assert.equal(owner(), "5:6");
    store.ok(["cp", "--archive=false", join(tree, "file"), "box:/w"]);
    assert.equal(owner(), "7:8");
    const tar = spawnSync("tar", ["-C", tree, "-cz", "file"]).stdout;
    store.ok(["cp", "-a=false", "-", "box:/w/sub"], { input: tar });
    assert.equal(store.ok(["exec", "box", "stat", "-c", "%u:%g", "/w/sub/file"]), "7:8");
  }),
);

test(
  "links of a container never lead to the host",
  { skip },
  withStore((store) => {
    const tree = prepare(store);
    const secret = join(store.folder, "secret");
    writeFileSync(secret, "host");
    for (const state of STATES) {
      store.ok([
        "run",
        "--name",
        "made",
        "work",
        "sh",
        "-c",
        [
          `ln -s ${secret} /w/leak`,
          "ln -s ../../../../../../../../ /w/up",
          "ln -s /w/missing /w/dangling",
        ].join(";"),
      ]);
      store.ok(["commit", "-q", "made", "evil"]);
      store.ok(["rm", "made"]);
      store.ok(["create", "--name", "box", "-w", "/w", "evil", "sleep", "1000"]);
      if (state === "running") store.ok(["start", "box"]);
      const { status, stderr } = store.coracle(["cp", "box:leak", store.folder]);
      assert.equal(status, 125);
      assert.match(stderr, /"leak" could not be found on container box: no such file or directory/);
      store.ok([
        "cp",
        join(tree, "file"),
        `box:up${store.folder.split("/").map(() => "").join("/")}w/x`,
      ]);
      store.ok(["cp", join(tree, "file"), "box:dangling"]);
      assert.deepEqual(files(store).filter((name) => name !== "leak"), [
        "dangling",
        "missing",
        "up",
        "x",
      ]);
      assert.equal(readFileSync(secret, "utf8"), "host");
      store.ok(["rm", "-f", "-t", "0", "box"]);
    }
  }),
);

test(
  "what cannot be copied is refused in Podman's words",
  { skip },
  withStore((store) => {
    const tree = prepare(store);
    box(store, "running");
    const refused = (args: readonly string[], why: RegExp, input = "") => {
      const { status, stderr } = store.coracle(["cp", ...args], { input });
      assert.equal(status, 125, stderr);
      assert.match(stderr, why);
    };
    refused([`${tree}/none`, "box:/w"], /"[^"]*none" could not be found on the host/);
    refused(
      [`${tree}/file`, "box:/none/"],
      /"\/none\/" could not be found on container box: no such/,
    );
    refused([tree, "box:/bin/busybox"], /destination must be a directory when copying a directory/);
    refused(["-", "box:/w/none"], /destination must be a directory when copying from stdin/);
    refused(["-", "box:/w"], /source must be a \(compressed\) tar archive/, "text");
    refused(
      ["box:/w", "/dev/null"],
      /destination must be a directory|must be a directory or a regular/,
    );
    refused(["box:/bin/busybox", "/dev/null"], /must be a directory or a regular file/);
    refused([tree, store.folder], /you must specify one container/);
    refused(["box:", store.folder], /you must specify paths/);
    refused(["nobody:/w", store.folder], /no such container/);
    refused([`${tree}/file`, "box:/etc/hosts"], /device or resource busy/);
    store.ok(["exec", "box", "mkdir", "/w/file"]);
    refused([`${tree}/file`, "box:/w"], /error creating "\/w\/file": .*: file exists/);
    store.ok(["cp", "--overwrite", `${tree}/file`, "box:/w"]);
    assert.equal(store.ok(["exec", "box", "cat", "/w/file"]), "one");
  }),
);
