/**
 * What was said to be there survives a power cut: everything is on the disk before the record that
 * names it is, as the order of the system calls shows [63].
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { busyboxTar, EXECUTABLE, type Store, withStore } from "./executable.ts";
import { findProgram } from "../../tools/command.ts";

const skip = findProgram("strace") === null
  ? "needs strace"
  : process.getuid?.() === 0
  ? false
  : "needs root";

const CHANGING = [
  "write,pwrite64,copy_file_range,ftruncate,mkdirat,mknodat,symlinkat,linkat,renameat,renameat2",
  "unlinkat,fchmod,fchown,utimensat,syncfs,fsync,fdatasync",
].join(",");

interface Calls {
  /** Calls in their order, with the paths of descriptors. */
  readonly lines: readonly string[];
}

function trace(store: Store, command: readonly string[]): Calls {
  const file = join(store.folder, "trace");
  const options = ["-f", "-q", "-y", "-o", file, "-e", `trace=${CHANGING}`];
  const end = spawnSync("strace", [...options, EXECUTABLE, ...command], {
    env: { ...process.env, CORACLE_ROOT: store.root, CORACLE_RUNROOT: store.runroot },
    encoding: "utf8",
  });
  assert.equal(end.status, 0, end.stderr);
  return { lines: readFileSync(file, "utf8").split("\n") };
}

/** The last change of something the store keeps comes before a sync, and that before the record. */
function assertOrder({ lines }: Calls, store: Store, kept: RegExp): void {
  const isDatabase = (line: string) => line.includes(`${store.root}/state.db`);
  const isSync = (line: string) => /\bsyncfs\(/.test(line);
  const changes = lines.findLastIndex((line) =>
    kept.test(line) && !isSync(line) && !isDatabase(line)
  );
  const synced = lines.findLastIndex(isSync);
  const recorded = lines.findLastIndex((line) =>
    /\b(fsync|fdatasync)\(/.test(line) && isDatabase(line)
  );
  assert.ok(changes >= 0, "nothing was changed");
  assert.ok(changes < synced, `changed after the sync: ${lines[changes]}`);
  assert.ok(synced < recorded, "the record is on the disk before what it names");
}

test(
  "an image is on the disk before it is known [63]",
  { skip },
  withStore((store) => {
    store.ok(["ps"]);
    const calls = trace(store, ["import", busyboxTar(), "localhost/b"]);
    assertOrder(calls, store, /(layers\/overlay\/(layers|stages)|blobs)\//);
    // One call for all, and not one for each file.
    assert.ok(calls.lines.filter((line) => /\bsyncfs\(/.test(line)).length <= 2);
  }),
);

test(
  "a layer is on the disk before it is known to be committed, and filled only when its content is [63]",
  { skip },
  withStore((store) => {
    store.ok(["layer", "create", "--name", "x"]);
    const applied = trace(store, ["layer", "apply", "-i", busyboxTar(), "x"]).lines;
    const placed = applied.findLastIndex((line) => line.includes("RENAME_EXCHANGE"));
    const content = applied.findLastIndex((line, i) => i < placed && /stages\/.*bin/.test(line));
    const syncs = applied.flatMap((line, i) => /\bsyncfs\(/.test(line) ? [i] : []);
    assert.ok(syncs.some((at) => at > content && at < placed), "in place before it is on the disk");
    assert.ok(syncs.some((at) => at > placed), "its place is not on the disk");
    const dir = store.ok(["layer", "mount", "x"]);
    writeFileSync(join(dir, "more"), "x");
    store.ok(["layer", "unmount", "x"]);
    assertOrder(trace(store, ["layer", "commit", "x"]), store, /layers\/overlay[>\/]/);
  }),
);
