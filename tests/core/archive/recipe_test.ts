/** Recipes: an archive comes back byte for byte from its recipe and the tree made of it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readRecipe, RecipeWriter } from "../../../core/archive/recipe.ts";
import { recreated, type WrongFile } from "../../../core/archive/recreate.ts";
import { TreeReceiver } from "../../../core/archive/receive.ts";
import { TarReader } from "../../../core/archive/tar_reader.ts";
import { close, O } from "../../../core/sys/at.ts";
import { openText } from "../../../core/sys/files.ts";

interface Unpacked {
  readonly tree: number;
  readonly recipe: number;
}

function inFolder(work: (folder: string) => void): () => void {
  return () => {
    const folder = mkdtempSync("/tmp/recipe-");
    try {
      work(folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

/** Reads the archive in pieces of `piece` bytes into FOLDER/tree, and writes its recipe. */
function unpack(folder: string, tar: Uint8Array, inline?: Set<number>, piece = 7000): Unpacked {
  rmSync(join(folder, "tree"), { recursive: true, force: true });
  mkdirSync(join(folder, "tree"));
  const tree = openText(join(folder, "tree"), O.RDONLY | O.DIRECTORY);
  const recipe = openText(join(folder, "recipe"), O.RDWR | O.CREAT | O.TRUNC, 0o600);
  const recorder = new RecipeWriter(recipe, inline);
  const receiver = new TreeReceiver(tree, { whiteouts: "overlay", owners: "mine" });
  const reader = new TarReader(receiver, { whiteouts: "oci", absolute: "strip", recorder });
  for (let at = 0; at < tar.length; at += piece) reader.push(tar.subarray(at, at + piece));
  reader.end();
  recorder.end();
  return { tree, recipe };
}

function back({ tree, recipe }: Unpacked, onWrong?: (wrong: WrongFile) => void): Uint8Array {
  return Buffer.concat([...recreated(recipe, tree, onWrong)]);
}

function closeBoth({ tree, recipe }: Unpacked): void {
  close(tree);
  close(recipe);
}

/** GNU tar of FOLDER/source, after `fill` made it. */
function gnuTar(folder: string, words: readonly string[], fill: (source: string) => void): Buffer {
  const source = join(folder, "source");
  mkdirSync(source);
  fill(source);
  const end = spawnSync("tar", ["-C", source, "-cf", join(folder, "a.tar"), ...words, "."]);
  assert.equal(end.status, 0, end.stderr.toString());
  return readFileSync(join(folder, "a.tar"));
}

function someFiles(source: string): void {
  mkdirSync(join(source, "deep/er"), { recursive: true });
  writeFileSync(join(source, "deep/er/small"), "small");
  writeFileSync(join(source, "deep/empty"), "");
  writeFileSync(join(source, "n".repeat(200)), Buffer.alloc(5000, 7));
  writeFileSync(join(source, "block"), Buffer.alloc(1024, 1));
  writeFileSync(join(source, "large"), Buffer.alloc(1_500_000, "abc"));
  writeFileSync(join(source, ".wh.gone"), "content of a whiteout");
  spawnSync("ln", [join(source, "large"), join(source, "linked")]);
  spawnSync("ln", ["-s", "deep", join(source, "soft")]);
  writeFileSync(join(source, "holes"), "");
  truncateSync(join(source, "holes"), 3_000_000);
  appendFileSync(join(source, "holes"), "the end");
}

for (
  const words of [
    ["--format=gnu"],
    ["--format=ustar", "--exclude=" + "n".repeat(200)],
    ["--format=pax"],
    ["--format=gnu", "--sparse"],
    ["--format=pax", "--sparse", "--sparse-version=0.0"],
    ["--format=pax", "--sparse", "--sparse-version=0.1"],
    ["--format=pax", "--sparse", "--sparse-version=1.0"],
  ]
) {
  test(
    `an archive of tar ${words.join(" ").slice(0, 60)} comes back byte for byte`,
    inFolder((folder) => {
      const tar = gnuTar(folder, words, someFiles);
      for (const piece of [7000, 512, 1 << 20]) {
        const made = unpack(folder, tar, undefined, piece);
        assert.ok(Buffer.from(back(made)).equals(tar));
        closeBoth(made);
      }
      // Only what is no content is in it.
      assert.ok(readFileSync(join(folder, "recipe")).length < 10_000);
    }),
  );
}

test(
  "what follows the end of the archive comes back too",
  inFolder((folder) => {
    const tar = Buffer.concat([gnuTar(folder, [], someFiles), Buffer.alloc(700_000, "junk")]);
    const made = unpack(folder, tar);
    assert.ok(Buffer.from(back(made)).equals(tar));
    closeBoth(made);
  }),
);

test(
  "a file that a later member replaces is told, and written into the recipe on demand",
  inFolder((folder) => {
    const source = join(folder, "source");
    const tar = gnuTar(folder, [], (at) => writeFileSync(join(at, "twice"), "the first"));
    writeFileSync(join(source, "twice"), "the second");
    spawnSync("tar", ["-C", source, "-rf", join(folder, "a.tar"), "./twice"]);
    const longer = readFileSync(join(folder, "a.tar"));
    assert.ok(longer.length >= tar.length);
    const first = unpack(folder, longer);
    const wrong: WrongFile[] = [];
    back(first, (one) => wrong.push(one));
    assert.deepEqual(wrong.map(({ path, index }) => [path, index]), [["twice", 0]]);
    closeBoth(first);
    const second = unpack(folder, longer, new Set([0]));
    assert.ok(Buffer.from(back(second)).equals(longer));
    closeBoth(second);
  }),
);

test(
  "files that are missing, changed, cut off or something else are told by name",
  inFolder((folder) => {
    const tar = gnuTar(folder, ["--format=pax", "--sparse"], someFiles);
    const made = unpack(folder, tar);
    const at = (name: string) => join(folder, "tree", name);
    unlinkSync(at("deep/er/small"));
    truncateSync(at("block"), 0);
    const bytes = readFileSync(at("large"));
    bytes[700_000] = 0;
    writeFileSync(at("large"), bytes);
    unlinkSync(at("holes"));
    mkdirSync(at("holes"));
    const wrong: WrongFile[] = [];
    assert.equal(back(made, (one) => wrong.push(one)).length, tar.length);
    // Of two names of one file tar takes the one that the directory lists first.
    const name = (path: string) => path === "linked" ? "large" : path;
    const said = wrong.map(({ path, kind, detail }) => `${name(path)}: ${kind}: ${detail}`).sort();
    assert.deepEqual(said, [
      "block: changed: it has 0 bytes, not 1024",
      "deep/er/small: missing: it is missing",
      "holes: changed: it is a dir and was a file",
      "large: changed: its content is not what it was",
    ]);
    assert.throws(() => back(made), /cannot read the layer's file/);
    closeBoth(made);
  }),
);

test(
  "a damaged recipe is refused",
  inFolder((folder) => {
    const made = unpack(folder, gnuTar(folder, [], someFiles));
    closeBoth(made);
    const path = join(folder, "recipe");
    const whole = readFileSync(path);
    const changed = Buffer.from(whole);
    changed[whole.length >> 1] = (changed[whole.length >> 1] ?? 0) ^ 0x55;
    const wrongs: Buffer[] = [
      Buffer.alloc(0),
      whole.subarray(0, whole.length - 1),
      whole.subarray(0, 20),
      changed,
      Buffer.concat([Buffer.from("x"), whole]),
    ];
    for (const bytes of wrongs) {
      writeFileSync(path, bytes);
      const fd = openText(path, O.RDONLY);
      assert.throws(() => [...readRecipe(fd)], /cannot read the recipe of a layer/);
      close(fd);
    }
  }),
);
