/** Many processes at one store [60], many layers in one image [13] [14] [15], and a slow job beside [65]. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import {
  type Files,
  type HandMade,
  ociFiles,
  sha256,
  tarOf,
  writeFiles,
} from "../core/engine/image_files.ts";
import { debianTar, EXECUTABLE, type Outcome, type Store, withStore } from "./executable.ts";

/** Once is enough for what the executable alone does. */
const skip = process.getuid?.() !== 0
  ? "needs root"
  : process.env.CORACLE_TEST_RUNTIME === "bun"
  ? "it is the same executable under Deno"
  : false;

const PROCESSES = 256;

function assertEmpty(store: Store, driver: string): void {
  const root = join(store.root, "layers", driver);
  assert.equal(store.ok(["layer", "ls", "-q"]), "");
  for (const folder of ["layers", "l", "mnt", "stages", "trash"]) {
    assert.deepEqual(readdirSync(join(root, folder)), [], folder);
  }
}

test(
  `${PROCESSES} processes create, mount, write, unmount and remove at once, and nothing stays [60]`,
  { skip },
  withStore(async (store) => {
    store.ok(["layer", "create", "--name", "base"]);
    writeFileSync(join(store.ok(["layer", "mount", "base"]), "file"), "content");
    store.ok(["layer", "unmount", "base"]);
    store.ok(["layer", "commit", "base"]);
    const script = [
      'id=$("$0" layer create --parent base)',
      'dir=$("$0" layer mount "$id")',
      'test "$(cat "$dir/file")" = content',
      'echo "$id" > "$dir/own"',
      '"$0" layer unmount "$id"',
      'test "$("$0" layer changes "$id")" = "A /own"',
      '"$0" layer rm "$id"',
    ].join("\n");
    const env = { ...process.env, CORACLE_ROOT: store.root, CORACLE_RUNROOT: store.runroot };
    const one = () =>
      new Promise<string>((resolve) => {
        const child = spawn("sh", ["-ec", script, EXECUTABLE], {
          env,
          stdio: ["ignore", "ignore", "pipe"],
        });
        let said = "";
        child.stderr.on("data", (bytes) => said += bytes);
        child.on("close", (status) => resolve(`${status} ${said}`));
      });
    const ends = await Promise.all(Array.from({ length: PROCESSES }, one));
    assert.deepEqual(ends.filter((end) => end !== "0 "), []);
    store.ok(["layer", "rm", "base"]);
    assertEmpty(store, "overlay");
  }),
);

/** An image of `count` layers: each adds a file, changes one and takes one of the layer before away. */
function deepImage(count: number): HandMade {
  const layers = Array.from({ length: count }, (_, i) => {
    const files: Record<string, string> = {
      "changed": `layer ${i}`,
      [`kept-${i}`]: `${i}`,
      [`dir/passing-${i}`]: `${i}`,
    };
    if (i > 0) files[`dir/.wh.passing-${i - 1}`] = "";
    return tarOf({ "dir/": "", ...files } as Files);
  });
  const config = {
    architecture: "amd64",
    os: "linux",
    config: { Cmd: ["/none"] },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => `sha256:${sha256(layer)}`) },
  };
  return { layers, config: Buffer.from(JSON.stringify(config)) };
}

function loadDeep(store: Store, count: number): string {
  const loaded = tryDeep(store, count);
  assert.equal(loaded.status, 0, loaded.stderr);
  return `localhost/deep:${count}`;
}

function tryDeep(store: Store, count: number): Outcome {
  const folder = join(store.folder, `deep-${count}`);
  const name = `localhost/deep:${count}`;
  const host = process.arch === "x64" ? "amd64" : process.arch;
  const image = deepImage(count);
  const config = Buffer.from(image.config.toString().replace('"amd64"', JSON.stringify(host)));
  writeFiles(folder, ociFiles({ ...image, config }, { name }).files);
  return store.coracle(["load", "-i", folder], { timeout: 120_000 });
}

function assertDeepTree(dir: string, count: number): void {
  assert.equal(readFileSync(join(dir, "changed"), "utf8"), `layer ${count - 1}`);
  assert.deepEqual(readdirSync(join(dir, "dir")), [`passing-${count - 1}`]);
  const kept = readdirSync(dir).filter((each) => each.startsWith("kept-"));
  assert.equal(kept.length, count);
  for (const name of kept) assert.equal(readFileSync(join(dir, name), "utf8"), name.slice(5));
}

for (const driver of ["overlay", "copy"]) {
  for (const count of [128, 300, 500]) {
    test(
      `an image of ${count} layers is mounted and read right with ${driver} [13] [14] [15]`,
      { skip },
      withStore((store) => {
        const with_ = (...args: string[]) => store.ok(["--layer-driver", driver, ...args]);
        with_("layer", "ls");
        const name = loadDeep(store, count);
        const dir = with_("image", "mount", name);
        assertDeepTree(dir, count);
        with_("image", "unmount", name);
        with_("create", "--name", "c", name);
        const own = with_("mount", "c");
        assertDeepTree(own, count);
        writeFileSync(join(own, "new"), "x");
        with_("unmount", "c");
        assert.equal(with_("diff", "c"), "A /new");
        with_("rm", "c");
        with_("rmi", name);
        assertEmpty(store, driver);
      }),
    );
  }
}

test(
  "what cannot be shown is refused when it is made, in a sentence: 501 layers under overlay [15]",
  { skip },
  withStore((store) => {
    const refused = tryDeep(store, 501);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /would stand on 500 layers, and this driver shows at most 500/);
    assertEmpty(store, "overlay");
    const name = loadDeep(store, 500);
    const top = store.ok(["layer", "ls", "-q"]).split("\n")[0] ?? "";
    const id = store.ok(["layer", "create", "--parent", top]);
    assertDeepTree(store.ok(["layer", "mount", id]), 500);
    store.ok(["layer", "unmount", id]);
    const sealed = store.coracle(["layer", "commit", id]);
    assert.equal(sealed.status, 125);
    assert.match(sealed.stderr, /stands on 500 layers, and this driver shows at most 500/);
    store.ok(["layer", "rm", id]);
    store.ok(["rmi", name]);
    assertEmpty(store, "overlay");
  }),
);

test(
  "a load that waits for its input holds nobody up [65]",
  { skip },
  withStore(async (store) => {
    store.importBusybox();
    const fifo = join(store.folder, "slow");
    assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
    const slow = store.start(["import", fifo, "localhost/slow"]);
    const filled = store.start(["layer", "create", "--name", "filled"]);
    assert.equal((await filled.done).status, 0);
    const filling = store.start(["layer", "apply", "-i", fifo, "filled"]);
    // Opened for both, so that neither end waits for the other; half a tar goes in.
    const fd = openSync(fifo, "r+");
    const began = performance.now();
    for (let round = 0; round < 3; round++) {
      store.ok(["ps", "-a"]);
      store.ok(["run", "--rm", "localhost/busybox", "true"]);
      store.ok(["layer", "create", "--name", "other"]);
      writeFileSync(join(store.ok(["layer", "mount", "other"]), "x"), "x");
      store.ok(["layer", "unmount", "other"]);
      store.ok(["layer", "rm", "other"]);
      store.ok(["images"]);
    }
    const took = performance.now() - began;
    assert.ok(took < 20_000, `${took} ms`);
    for (const { child } of [slow, filling]) {
      assert.equal(child.exitCode, null);
      child.kill("SIGKILL");
    }
    await Promise.all([slow.done, filling.done]);
    closeSync(fd);
    assert.equal(store.ok(["layer", "changes", "filled"]), "");
    store.ok(["layer", "rm", "filled"]);
  }),
);

test(
  "the tar of a whole Debian goes through a layer and back, and other programs read it [51]",
  { skip },
  withStore((store) => {
    store.ok(["layer", "create", "--name", "debian"]);
    store.ok(["layer", "apply", "-i", debianTar(), "debian"]);
    const tar = join(store.folder, "out.tar");
    store.ok(["layer", "diff", "-o", tar, "debian"]);
    const dir = store.ok(["layer", "mount", "debian"]);
    for (
      const [program, ...words] of [
        ["tar", "--compare", "-f", tar, "-C", dir],
        ["bsdtar", "-tf", tar],
        ["python3", "-c", `import tarfile; print(len(tarfile.open("${tar}").getnames()))`],
      ] as const
    ) {
      const end = spawnSync(program, words, { encoding: "utf8", maxBuffer: 1 << 28 });
      assert.equal(end.status, 0, `${program}: ${end.stderr}`);
    }
    store.ok(["layer", "unmount", "debian"]);
    store.ok(["layer", "rm", "debian"]);
  }),
);
