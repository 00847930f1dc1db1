/**
 * SIGKILL at random moments of the commands that change the store: the next command works, nothing
 * that was there is lost, and no space leaks.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, busyboxTar, type Store, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });
/** Moments per command; the issue wants fifty. */
const MOMENTS = 50;

/**
 * Everything in the store but the database, whose size is SQLite's business: paths with random names
 * taken out, and sizes.
 */
function content(root: string): string[] {
  const found: string[] = [];
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.name.startsWith("state.db")) continue;
      // The copy of the images' names counts their changes.
      const isSized = entry.isFile() && entry.name !== "images.json";
      const size = isSized ? ` ${statSync(path).size}` : "";
      const plain = path.slice(root.length)
        .replace(/\/[a-z0-9]{26}(?=\/|$)/, "/LAYER").replace(/\/l\/\w+$/, "/l/SHORT");
      found.push(plain + size);
      if (entry.isDirectory()) visit(path);
    }
  };
  visit(root);
  return found.sort();
}

/** The small image, and the directories that the first run makes and that stay. */
function prepare(store: Store): void {
  store.importBusybox();
  store.ok(["run", "--rm", BUSYBOX, "true"]);
}

/** How long the command takes undisturbed, milliseconds. */
function duration(store: Store, args: readonly string[]): number {
  const start = performance.now();
  store.ok(args);
  return performance.now() - start;
}

/** Kills the command `MOMENTS` times, spread over 1.2 of its time; `after` runs after each. */
async function killOften(
  store: Store,
  args: (round: number) => readonly string[],
  options: { readonly span: number; readonly after: (round: number) => void },
): Promise<number> {
  let killed = 0;
  for (let round = 0; round < MOMENTS; round++) {
    const running = store.start(args(round));
    await sleep(options.span * 1.2 * ((round + Math.random()) / MOMENTS));
    running.child.kill("SIGKILL");
    if ((await running.done).status === 137) killed++;
    options.after(round);
  }
  return killed;
}

test(
  "kill -9 of load loses nothing and leaks nothing",
  { skip },
  withStore(async (store) => {
    prepare(store);
    store.ok(["save", "-o", "image.tar", BUSYBOX]);
    store.ok(["rmi", "--all", "--force"]);
    store.ok(["import", busyboxTar(), "localhost/keep:1"]);
    store.ok(["rmi", "localhost/keep:1"]);
    const empty = content(store.root);
    const span = duration(store, ["load", "-i", "image.tar"]);
    const one = content(store.root);
    store.ok(["rmi", BUSYBOX]);
    const killed = await killOften(store, () => ["load", "-i", "image.tar"], {
      span,
      after: () => {
        if (store.coracle(["image", "exists", BUSYBOX]).status === 0) {
          assert.equal(store.ok(["run", "--rm", BUSYBOX, "echo", "whole"]), "whole");
          assert.deepEqual(content(store.root), one);
          store.ok(["rmi", BUSYBOX]);
        }
        store.ok(["load", "-q", "-i", "image.tar"]);
        assert.deepEqual(content(store.root), one);
        store.ok(["rmi", BUSYBOX]);
        assert.deepEqual(content(store.root), empty);
      },
    });
    assert.ok(killed > MOMENTS / 4, `only ${killed} of ${MOMENTS} were killed in time`);
  }),
);

test(
  "kill -9 of import loses nothing and leaks nothing",
  { skip },
  withStore(async (store) => {
    prepare(store);
    const one = content(store.root);
    const command = ["import", "-q", busyboxTar(), "localhost/second:1"];
    const span = duration(store, command);
    store.ok(["rmi", "localhost/second:1"]);
    await killOften(store, () => command, {
      span,
      after: () => {
        store.coracle(["rmi", "localhost/second:1"]);
        assert.equal(store.ok(["run", "--rm", BUSYBOX, "echo", "there"]), "there");
        assert.deepEqual(content(store.root), one);
      },
    });
  }),
);

test(
  "kill -9 of run --rm leaves no container, mount or space",
  { skip },
  withStore(async (store) => {
    prepare(store);
    const one = content(store.root);
    const span = duration(store, ["run", "--rm", BUSYBOX, "sleep", "0.02"]);
    await killOften(store, () => ["run", "--rm", BUSYBOX, "sleep", "0.02"], {
      span,
      after: () => assert.equal(store.ok(["run", "--rm", BUSYBOX, "echo", "next"]), "next"),
    });
    // The monitor of a killed run cleans up by itself; a changing command finds the rest.
    const deadline = performance.now() + 10_000;
    while (store.ok(["ps", "-aq"]) !== "" && performance.now() < deadline) {
      await sleep(100);
      store.ok(["run", "--rm", BUSYBOX, "true"]);
    }
    assert.equal(store.ok(["ps", "-aq"]), "");
    assert.deepEqual(content(store.root), one);
  }),
);

test(
  "kill -9 of rm: the container is whole or gone",
  { skip },
  withStore(async (store) => {
    prepare(store);
    const one = content(store.root);
    const make = (name: string) => store.ok(["run", "--name", name, BUSYBOX, "touch", "/made"]);
    make("c0");
    const span = duration(store, ["rm", "c0"]);
    make("c0");
    await killOften(store, (round) => ["rm", `c${round}`], {
      span,
      after: (round) => {
        const name = `c${round}`;
        if (store.coracle(["container", "exists", name]).status === 0) {
          const again = store.coracle(["start", "--attach", name]);
          // Found half removed, it is removed by the command that finds it.
          if (again.status !== 0) assert.match(again.stderr, /no such container/);
        }
        // Also when it is gone: a changing command takes away what the killed one left.
        store.ok(["rm", "--ignore", name]);
        assert.deepEqual(content(store.root), one);
        make(`c${round + 1}`);
      },
    });
  }),
);

test(
  "two hundred run --rm, eight at a time, all end 0 and leave nothing",
  { skip },
  withStore(
    async (store) => {
      prepare(store);
      const one = content(store.root);
      let next = 0;
      const worker = async () => {
        while (next++ < 200) {
          const { status, stdout, stderr } = await store.start([
            "run",
            "--rm",
            BUSYBOX,
            "echo",
            "hello",
          ]).done;
          assert.deepEqual([status, stdout, stderr], [0, "hello\n", ""]);
        }
      };
      await Promise.all(Array.from({ length: 8 }, worker));
      assert.equal(store.ok(["ps", "-aq"]), "");
      assert.deepEqual(content(store.root), one);
      assert.deepEqual(
        spawnSync("sh", ["-c", `grep -c ${store.folder} /proc/self/mountinfo`]).stdout.toString()
          .trim(),
        "0",
      );
    },
  ),
);
