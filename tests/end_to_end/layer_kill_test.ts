/**
 * A layer command killed at every system call that writes: the next command works, the layer is as
 * before or as after, and nothing is left [62]. The calls are found by tracing the command once.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { findProgram } from "../../tools/command.ts";
import { EXECUTABLE, type Store, withStore } from "./executable.ts";

/**
 * Of the calls of one name the first, and then one of so many: all of them take four minutes, and
 * are run with CORACLE_KILLS=all.
 */
const DRIVERS = process.env.CORACLE_KILLS === "all"
  ? { overlay: 1, copy: 1 } as const
  : { overlay: 4, copy: 12 } as const;

/** Everything that changes something on disk, or what is mounted. */
const WRITING = [
  "write,pwrite64,writev,copy_file_range,ftruncate,fallocate,fsync,fdatasync,syncfs",
  "mkdir,mkdirat,mknod,mknodat,symlink,symlinkat,link,linkat,rename,renameat,renameat2",
  "unlink,unlinkat,rmdir,fchmod,chmod,fchmodat,fchown,fchownat,lchown,utimensat",
  "setxattr,fsetxattr,lsetxattr,mount,umount2",
].join(",");

const skip = findProgram("strace") === null
  ? "needs strace"
  : process.getuid?.() !== 0
  ? "needs root"
  : process.env.CORACLE_TEST_RUNTIME === "bun"
  ? "it is the same executable under Deno"
  : false;

interface Scene {
  readonly store: Store;
  readonly driver: string;
  /** Runs coracle with this driver and throws when it fails. */
  ok(...args: string[]): string;
}

interface Killed {
  readonly name: string;
  readonly command: readonly string[];
  /** Before each run. */
  prepare(scene: Scene): void;
  /** After recovery: throws unless the layer is as before or as after the command. */
  check(scene: Scene): void;
  /** Back to the beginning. */
  undo(scene: Scene): void;
}

const remove = ({ ok }: Scene, name: string) => {
  const found = ok("layer", "ls", "--format", "{{.Name}}").split("\n").includes(name);
  if (found) ok("layer", "rm", "--force", name);
};

const shown = ({ ok }: Scene, name: string): string[] => {
  const names = readdirSync(ok("layer", "mount", name), { recursive: true }) as string[];
  ok("layer", "unmount", name);
  return names.sort();
};

const BASE = ["deep", "deep/file", "gone"];
const FULL = ["deep", "deep/file", "deep/more", "new"];

const COMMANDS: readonly Killed[] = [
  {
    name: "create",
    command: ["layer", "create", "--parent", "base", "--name", "x"],
    prepare: () => {},
    check: (scene) => {
      if (scene.ok("layer", "ls", "-q").split("\n").length === 1) return;
      assert.deepEqual(shown(scene, "x"), BASE);
    },
    undo: (scene) => remove(scene, "x"),
  },
  {
    name: "apply",
    command: ["layer", "apply", "-i", "change.tar", "x"],
    prepare: ({ ok }) => void ok("layer", "create", "--parent", "base", "--name", "x"),
    check(scene) {
      const isFull = scene.ok("layer", "changes", "x") !== "";
      assert.deepEqual(shown(scene, "x"), isFull ? FULL : BASE);
    },
    undo: (scene) => remove(scene, "x"),
  },
  {
    name: "commit",
    command: ["layer", "commit", "x"],
    prepare(scene) {
      scene.ok("layer", "create", "--parent", "base", "--name", "x");
      scene.ok("layer", "apply", "-i", "change.tar", "x");
    },
    check(scene) {
      assert.deepEqual(shown(scene, "x"), FULL);
      scene.ok("layer", "commit", "x");
      scene.ok("layer", "create", "--parent", "x", "--name", "y");
      assert.deepEqual(shown(scene, "y"), FULL);
      scene.ok("layer", "rm", "y");
    },
    undo: (scene) => remove(scene, "x"),
  },
  {
    name: "mount",
    command: ["layer", "mount", "x"],
    prepare: ({ ok }) => void ok("layer", "create", "--parent", "base", "--name", "x"),
    check(scene) {
      scene.ok("layer", "cleanup");
      assert.deepEqual(shown(scene, "x"), BASE);
    },
    undo: (scene) => remove(scene, "x"),
  },
  {
    name: "unmount",
    command: ["layer", "unmount", "x"],
    prepare({ ok }) {
      ok("layer", "create", "--parent", "base", "--name", "x");
      writeFileSync(join(ok("layer", "mount", "x"), "new"), "x");
    },
    check(scene) {
      scene.ok("layer", "unmount", "x");
      assert.deepEqual(shown(scene, "x"), [...BASE, "new"]);
    },
    undo: (scene) => remove(scene, "x"),
  },
  {
    name: "rm",
    command: ["layer", "rm", "x"],
    prepare(scene) {
      scene.ok("layer", "create", "--parent", "base", "--name", "x");
      scene.ok("layer", "apply", "-i", "change.tar", "x");
    },
    check(scene) {
      if (scene.ok("layer", "ls", "-q").split("\n").length === 1) return;
      assert.deepEqual(shown(scene, "x"), FULL);
    },
    undo: (scene) => remove(scene, "x"),
  },
];

/** A committed layer, and the tar of changes on it. */
function furnish(scene: Scene): void {
  const { ok, store } = scene;
  const fill = (name: string, script: string) => {
    const dir = ok("layer", "mount", name);
    assert.equal(spawnSync("sh", ["-ec", script], { cwd: dir }).status, 0);
    ok("layer", "unmount", name);
  };
  ok("layer", "create", "--name", "base");
  fill("base", "mkdir deep; echo 1 > deep/file; echo 2 > gone");
  ok("layer", "commit", "base");
  ok("layer", "create", "--name", "change", "--parent", "base");
  fill("change", "rm gone; echo 3 > deep/more; echo 4 > new");
  ok("layer", "diff", "-o", join(store.folder, "change.tar"), "change");
  ok("layer", "rm", "change");
}

function traced({ store, driver }: Scene, command: readonly string[], options: readonly string[]) {
  const words = [...options, EXECUTABLE, "--layer-driver", driver, ...command];
  return spawnSync("strace", ["-f", "-q", ...words], {
    cwd: store.folder,
    env: { ...process.env, CORACLE_ROOT: store.root, CORACLE_RUNROOT: store.runroot },
    encoding: "utf8",
  });
}

/** How often the command's own thread makes each writing call. */
function callsOf(scene: Scene, command: readonly string[]): Map<string, number> {
  const file = join(scene.store.folder, "trace");
  const end = traced(scene, command, ["-o", file, "-e", `trace=${WRITING}`]);
  assert.equal(end.status, 0, end.stderr);
  const lines = readFileSync(file, "utf8").split("\n");
  const first = lines[0]?.split(" ")[0] ?? "";
  const counts = new Map<string, number>();
  for (const line of lines) {
    const [, pid, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (pid === first && call !== undefined) counts.set(call, (counts.get(call) ?? 0) + 1);
  }
  return counts;
}

/** What is on disk belongs to the layers that there are; `count` short names lead to them. */
function assertTidy({ ok }: Scene): void {
  ok("layer", "cleanup");
  const root = ok("layer", "status", "--format", "{{.Root}}");
  const ids = ok("layer", "ls", "-q").split("\n").filter((id) => id !== "").sort();
  assert.deepEqual(readdirSync(join(root, "layers")).sort(), ids);
  assert.equal(readdirSync(join(root, "l")).length, ids.length);
  for (const folder of ["stages", "trash", "mnt"]) {
    assert.deepEqual(readdirSync(join(root, folder)), [], folder);
  }
}

for (const [driver, step] of Object.entries(DRIVERS)) {
  for (const killed of COMMANDS) {
    test(
      `layer ${killed.name} with ${driver}, killed at every writing call, leaves nothing [62]`,
      { skip, timeout: 120_000 },
      withStore((store) => {
        const scene: Scene = {
          store,
          driver,
          ok: (...args) => store.ok(["--layer-driver", driver, ...args]),
        };
        furnish(scene);
        killed.prepare(scene);
        const calls = callsOf(scene, killed.command);
        killed.undo(scene);
        let kills = 0;
        for (const [call, count] of calls) {
          for (let nth = 1; nth <= count; nth += step) {
            killed.prepare(scene);
            const how = `inject=${call}:signal=SIGKILL:when=${nth}`;
            const end = traced(scene, killed.command, ["-o", "/dev/null", "-e", how]);
            if (end.signal === "SIGKILL" || end.status === 137) kills++;
            try {
              // Some command that changes something else comes first.
              scene.ok("layer", "create", "--name", "next");
              scene.ok("layer", "rm", "next");
              killed.check(scene);
              assertTidy(scene);
            } catch (error) {
              throw new Error(`killed at ${call} number ${nth}: ${error}`, { cause: error });
            }
            killed.undo(scene);
          }
        }
        assert.ok(kills >= 5, `only ${kills} kills`);
        console.log(`layer ${killed.name}, ${driver}: ${kills} kills`);
        scene.ok("layer", "rm", "base");
      }),
    );
  }
}
