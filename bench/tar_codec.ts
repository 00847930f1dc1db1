/**
 * Our tar codec against GNU tar on a Debian-like tree: reading (-x) and writing (-c), interleaved in
 * one run, each in a fresh process. Prints medians of wall and CPU time and their ratios.
 *
 *     bun run bench/tar_codec.ts [ARCHIVE] [--runs=N]
 *
 * Without an archive one is made from this host's /usr. Our time is taken inside the process: the
 * start of the runtime is not the codec's.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { raw } from "../core/terms.ts";
import { AT_FDCWD, close, type Fd, O, openAt, read, write } from "../core/sys/at.ts";
import { TreeReceiver } from "../core/archive/receive.ts";
import { TarReader } from "../core/archive/tar_reader.ts";
import { TarWriter } from "../core/archive/tar_writer.ts";
import { walkTree } from "../core/archive/walk.ts";

interface Times {
  readonly wall: number;
  readonly cpu: number;
}

function open(path: string, flags: number): Fd {
  return openAt(AT_FDCWD, raw(path), flags, 0o600);
}

async function extract(archive: string, directory: string, digest: boolean): Promise<void> {
  const sink = digest ? new (await import("../core/archive/digest.ts")).Sha256Sink() : null;
  const from = open(archive, O.RDONLY);
  const root = open(directory, O.RDONLY | O.DIRECTORY);
  const receiver = new TreeReceiver(root, { whiteouts: "overlay" });
  const reader = new TarReader(receiver, { whiteouts: "oci" });
  const buffer = new Uint8Array(new ArrayBuffer(256 * 1024));
  for (let count = read(from, buffer); count > 0; count = read(from, buffer)) {
    const chunk = buffer.subarray(0, count);
    sink?.write(chunk);
    reader.push(chunk);
  }
  reader.end();
  sink?.digest();
  close(root);
  close(from);
}

async function create(archive: string, directory: string, digest: boolean): Promise<void> {
  const sink = digest ? new (await import("../core/archive/digest.ts")).Sha256Sink() : null;
  const to = open(archive, O.WRONLY | O.CREAT | O.TRUNC);
  const root = open(directory, O.RDONLY | O.DIRECTORY);
  const out = {
    write(bytes: Uint8Array) {
      sink?.write(bytes);
      write(to, bytes);
    },
  };
  walkTree(root, new TarWriter(out, { whiteouts: "oci" }), { whiteouts: "overlay" });
  sink?.digest();
  close(root);
  close(to);
}

async function child(args: readonly string[]): Promise<void> {
  const [task = "", archive = "", directory = ""] = args;
  const cpu = process.cpuUsage();
  const start = performance.now();
  const work = task.startsWith("extract") ? extract : create;
  await work(archive, directory, task.endsWith("+sha256"));
  const wall = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  console.log(JSON.stringify({ wall, cpu: (user + system) / 1000 }));
}

function own(task: string, archive: string, directory: string): Times {
  const options = "Bun" in globalThis ? [] : ["-A", "--no-check"];
  const self = import.meta.filename ?? "";
  const args = ["run", ...options, self, "--child", task, archive, directory];
  const out = execFileSync(process.execPath, args, { encoding: "utf8" });
  return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Times;
}

function gnu(...args: string[]): Times {
  const script = 'TIMEFORMAT="%R %U %S"; time "$@"';
  const result = spawnSync("bash", ["-c", script, "bash", "tar", ...args], { encoding: "utf8" });
  const line = result.stderr.trim().split("\n").at(-1) ?? "";
  const [wall = 0, user = 0, system = 0] = line.split(" ").map(Number);
  if (result.status !== 0) throw new Error(result.stderr);
  return { wall: wall * 1000, cpu: (user + system) * 1000 };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? NaN;
}

function makeArchive(path: string): void {
  const parts = ["share/doc", "share/perl", "share/zoneinfo", "share/perl5", "share/locale/de"];
  const more = ["share/bash-completion", "lib/udev", "lib/python3/dist-packages", "sbin"];
  const present = [...parts, ...more].filter((part) => {
    return statSync(join("/usr", part), { throwIfNoEntry: false }) !== undefined;
  });
  execFileSync("tar", ["-C", "/usr", "--xattrs", "-cf", path, ...present]);
}

function main(args: readonly string[]): void {
  const runs = Number(args.find((arg) => arg.startsWith("--runs="))?.slice(7) ?? 7);
  const work = mkdtempSync(join(tmpdir(), "tar-codec-"));
  let archive = args.find((arg) => !arg.startsWith("--"));
  if (archive === undefined) makeArchive(archive = join(work, "source.tar"));
  const fresh = () => {
    const path = join(work, "out");
    execFileSync("rm", ["-rf", path]);
    mkdirSync(path);
    return path;
  };
  const tree = join(work, "tree");
  mkdirSync(tree);
  execFileSync("tar", ["-C", tree, "-xpf", archive]);
  const made = join(work, "made.tar");
  const source = archive;
  const rows: Record<string, () => Times> = {
    "-x GNU tar": () => gnu("-xpf", source, "--xattrs", "--xattrs-include=*", "-C", fresh()),
    "-x own": () => own("extract", source, fresh()),
    "-x own + sha256": () => own("extract+sha256", source, fresh()),
    "-c GNU tar": () => gnu("-cf", made, "--format=posix", "--xattrs", "-C", tree, "."),
    "-c own": () => own("create", made, tree),
    "-c own + sha256": () => own("create+sha256", made, tree),
  };
  const taken = new Map<string, Times[]>(Object.keys(rows).map((name) => [name, []]));
  try {
    for (let run = 0; run <= runs; run++) {
      for (const [name, row] of Object.entries(rows)) {
        const times = row();
        if (run > 0) taken.get(name)?.push(times);
      }
    }
    print(taken, statSync(source).size, runs);
  } finally {
    execFileSync("rm", ["-rf", work]);
  }
}

function print(taken: ReadonlyMap<string, readonly Times[]>, size: number, runs: number): void {
  const runtime = "Bun" in globalThis ? "Bun" : "Deno";
  console.log(
    `${(size / 1e6).toFixed(0)} MB archive, ${runs} runs, ${runtime}; ms, ratio to GNU tar`,
  );
  for (const [name, times] of taken) {
    const peer = taken.get(`${name.slice(0, 2)} GNU tar`) ?? times;
    const cell = (key: keyof Times) => {
      const own = median(times.map((each) => each[key]));
      // Ratios within a round: other load on the host then touches both.
      const ratio = median(times.map((each, i) => each[key] / (peer[i]?.[key] ?? NaN)));
      const best = Math.min(...times.map((each) => each[key]));
      return `${key} ${own.toFixed(0).padStart(5)} (best ${best.toFixed(0)}) x${ratio.toFixed(2)}`;
    };
    console.log(`${name.padEnd(16)} ${cell("wall").padEnd(30)} ${cell("cpu")}`);
  }
}

if (process.argv[2] === "--child") await child(process.argv.slice(3));
else main(process.argv.slice(2));
