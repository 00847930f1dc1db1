import { after, test } from "node:test";
import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type LogOptions, openLog, readLog } from "../../../core/container/logs.ts";
import { logTime } from "../../../core/container/log_line.ts";
import { poll } from "../../../core/sys/pipe.ts";
import { createContainer, skipContainers } from "./monitored_container.ts";

const folder = mkdtempSync("/tmp/logs-");
after(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
/** A log file with these lines; gives its path. */
function logFile(...lines: readonly string[]): string {
  const path = `${folder}/${++files}.log`;
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}

const at = (second: number) =>
  `2026-01-02T03:04:${String(second).padStart(2, "0")}.000000001+00:00`;
const out = (second: number, text: string) => `${at(second)} stdout F ${text}`;
const err = (second: number, text: string) => `${at(second)} stderr F ${text}`;
const part = (second: number, text: string) => `${at(second)} stdout P ${text}`;

/** A sink that keeps everything: both streams in order, each piece marked. */
function collect(): { write(stream: 1 | 2, bytes: Uint8Array): void; out(): string; all: string } {
  const pieces: [1 | 2, string][] = [];
  return {
    write: (stream, bytes) => void pieces.push([stream, Buffer.from(bytes).toString("utf8")]),
    out: () => pieces.filter(([stream]) => stream === 1).map(([, text]) => text).join(""),
    get all() {
      return pieces.map(([stream, text]) => `${stream}:${text}`).join("");
    },
  };
}

function shown(paths: string | readonly string[], options: LogOptions = {}): string {
  const sink = collect();
  readLog(typeof paths === "string" ? [paths] : paths, options, sink);
  return sink.all;
}

test("lines come without their front, streams apart and in order", () => {
  const path = logFile(out(1, "a"), err(2, "b"), out(3, ""), out(4, "  c "));
  assert.equal(shown(path), "1:a\n2:b\n1:\n  c \n");
});

test("parts of a line are joined, and a line without an end gets none", () => {
  assert.equal(
    shown(logFile(part(1, "a"), part(1, "b"), out(1, "c"), part(2, "end"))),
    "1:abc\nend",
  );
});

test("the last line of a torn file is shown, what is no log line is not", () => {
  const path = logFile(out(1, "a"), "garbage", "", "2026 stdout", out(2, "b"));
  appendFileSync(path, out(3, "torn"));
  assert.equal(shown(path), "1:a\nb\ntorn");
});

test("an empty log and an empty last field are nothing to worry about", () => {
  assert.equal(shown(logFile()), "");
  assert.equal(shown(logFile(`${at(1)} stdout F`)), "1:\n");
});

test("times of other forms are understood", () => {
  const path = logFile("2026-01-02T03:04:05Z stdout F z", "2026-01-02T03:04:05.5-07:00 stderr F m");
  assert.equal(shown(path), "1:z\n2:m\n");
  assert.equal(logTime("1970-01-01T00:00:01.5Z"), 1_500_000_000n);
  assert.equal(logTime("1970-01-01T01:00:00.000000007+01:00"), 7n);
  assert.equal(logTime("yesterday"), null);
});

test("timestamps and names stand in front of every line, once for a line in parts", () => {
  const path = logFile(part(1, "a"), out(2, "b"), err(3, "c"));
  assert.equal(
    shown(path, { timestamps: true, prefix: "web " }),
    "1:web 2026-01-02T03:04:01.000000001Z ab\n2:web 2026-01-02T03:04:03.000000001Z c\n",
  );
});

test("since is after, until is before", () => {
  const path = logFile(...[1, 2, 3, 4, 5].map((second) => out(second, `${second}`)));
  const time = (second: number) => logTime(at(second))!;
  assert.equal(shown(path, { since: time(2) }), "1:3\n4\n5\n");
  assert.equal(shown(path, { until: time(4) }), "1:1\n2\n3\n");
  assert.equal(shown(path, { since: time(2), until: time(4) }), "1:3\n");
  assert.equal(shown(path, { since: time(2), tail: 1 }), "1:5\n");
});

test("tail counts lines of the container, not their parts", () => {
  const path = logFile(out(1, "a"), part(2, "b1"), part(2, "b2"), out(2, "b3"), part(3, "end"));
  assert.equal(shown(path, { tail: 0 }), "");
  assert.equal(shown(path, { tail: 1 }), "1:end");
  assert.equal(shown(path, { tail: 2 }), "1:b1b2b3\nend");
  assert.equal(shown(path, { tail: 3 }), "1:a\nb1b2b3\nend");
  assert.equal(shown(path, { tail: 100 }), "1:a\nb1b2b3\nend");
});

test("tail goes back into rotated files", () => {
  const paths = [logFile(out(1, "1"), out(2, "2")), logFile(out(3, "3")), logFile(out(4, "4"))];
  assert.equal(shown(paths), "1:1\n2\n3\n4\n");
  assert.equal(shown(paths, { tail: 1 }), "1:4\n");
  assert.equal(shown(paths, { tail: 3 }), "1:2\n3\n4\n");
  assert.equal(shown([`${folder}/gone`, ...paths], { tail: 9 }), "1:1\n2\n3\n4\n");
  assert.throws(() => shown([...paths, `${folder}/gone`]), /no such file/);
});

test("tail finds any number of lines in a log larger than its blocks", () => {
  const lines = Array.from({ length: 5000 }, (_, i) => {
    const text = `${i} ${"x".repeat((i * 37) % 300)}`;
    return i % 7 === 3 ? part(1, text) : i % 5 === 0 ? err(1, text) : out(1, text);
  });
  const path = logFile(...lines);
  const ends = shown(path).split("\n").length;
  for (const count of [1, 2, 10, 999, 3000, 4283]) {
    assert.equal(
      shown(path, { tail: count }).split("\n").length - 1,
      Math.min(count, ends),
      `${count}`,
    );
  }
});

test("a line of ten megabytes in parts is joined without being held", () => {
  const path = logFile(...Array(1280).fill(part(1, "x".repeat(8192))), out(2, ""));
  for (const options of [{}, { tail: 1 }]) {
    const sink = collect();
    readLog([path], options, sink);
    assert.equal(sink.out().length, 1280 * 8192 + 1);
  }
});

test("ten lines from the end of a large log take no time", () => {
  const path = `${folder}/large.log`;
  const block = Array.from({ length: 10_000 }, (_, i) => out(1, `line ${i} ${"y".repeat(80)}`));
  for (let i = 0; i < 3; i++) appendFileSync(path, block.join("\n") + "\n");
  const began = performance.now();
  assert.equal(shown(path, { tail: 10 }).split("\n").length, 11);
  assert.ok(performance.now() - began < 50);
});

test("a follower sees what is added, through renaming and cutting of the file", () => {
  const path = logFile(out(1, "a"));
  const sink = collect();
  const reader = openLog([path], { follow: { exitFile: `${folder}/exit-1` } }, sink);
  const next = () => {
    const ready = poll(reader.wake.map((fd) => ({ fd, events: "in" as const })), 2_000);
    assert.ok(ready.some((one) => one.ready), "the kernel said nothing");
    return reader.pump();
  };
  assert.equal(reader.pump(), false);
  appendFileSync(path, `${out(2, "b")}\n${at(3)} stdout F half`);
  assert.equal(next(), false);
  assert.equal(sink.out(), "a\nb\n");
  appendFileSync(path, " whole\n");
  assert.equal(next(), false);
  appendFileSync(path, `${out(4, "last of the old")}\n`);
  writeFileSync(`${path}.tmp`, `${out(5, "first of the new")}\n`);
  renameSync(`${path}.tmp`, path);
  assert.equal(next(), false);
  assert.equal(sink.out(), "a\nb\nhalf whole\nlast of the old\nfirst of the new\n");
  writeFileSync(path, `${out(6, "cut")}\n`);
  assert.equal(next(), false);
  appendFileSync(path, `${out(7, "end")}\n`);
  writeFileSync(`${folder}/exit-1`, "0");
  while (!next());
  reader.close();
  assert.ok(sink.out().endsWith("\ncut\nend\n"));
});

test("with tail and follow the past is short and the future whole", () => {
  const path = logFile(out(1, "a"), out(2, "b"));
  const sink = collect();
  const reader = openLog([path], { tail: 1, follow: { exitFile: `${folder}/exit-2` } }, sink);
  reader.pump();
  appendFileSync(path, `${out(3, "c")}\n${out(4, "d")}\n`);
  reader.pump();
  reader.close();
  assert.equal(sink.out(), "b\nc\nd\n");
});

const skip = skipContainers();

test("a follower of a container gets every line and ends with it", { skip }, () => {
  const one = createContainer("for i in 1 2 3; do seq 1 20000; sleep 0.05; done");
  try {
    one.start();
    const sink = collect();
    const follow = { exitFile: one.exitFile, monitorPid: one.monitorPid };
    readLog([one.spec.log.path], { follow }, sink);
    const lines = sink.out().split("\n").slice(0, -1);
    assert.equal(lines.length, 60_000);
    for (const [i, line] of lines.entries()) assert.equal(line, `${(i % 20_000) + 1}`);
  } finally {
    one.close();
  }
});

test("a follower ends when the monitor dies without an exit file", { skip }, () => {
  const one = createContainer("echo x; while :; do sleep 1000; done");
  try {
    one.start();
    const sink = collect();
    const follow = { exitFile: one.exitFile, monitorPid: one.monitorPid };
    const reader = openLog([one.spec.log.path], { follow }, sink);
    while (sink.out() === "") {
      poll(reader.wake.map((fd) => ({ fd, events: "in" as const })), 2_000);
      assert.equal(reader.pump(), false);
    }
    process.kill(one.monitorPid, "SIGKILL");
    while (!reader.pump()) poll(reader.wake.map((fd) => ({ fd, events: "in" as const })), 2_000);
    reader.close();
    assert.equal(sink.out(), "x\n");
  } finally {
    one.close();
  }
});

test("a follower keeps up with a log that the monitor cuts again and again", { skip }, () => {
  const script = "for i in $(seq 1 40); do seq 1 50; sleep 0.01; done; echo end";
  const log = { driver: "k8s-file" as const, path: `${folder}/cut.log`, maxBytes: 20_000 };
  const limited = createContainer(script, { log });
  try {
    const sink = collect();
    const follow = { exitFile: limited.exitFile, monitorPid: limited.monitorPid };
    const reader = openLog([log.path], { follow }, sink);
    limited.start();
    while (!reader.pump()) poll(reader.wake.map((fd) => ({ fd, events: "in" as const })), 2_000);
    reader.close();
    const lines = sink.out().split("\n").slice(0, -1);
    assert.equal(lines.at(-1), "end");
    assert.equal(lines.length, 2001);
  } finally {
    limited.close();
  }
});
