/** Conformance cases: the log is whole, in its format, whatever the container writes. */
import { deepStrictEqual as same, match, ok, strictEqual as equal } from "node:assert/strict";
import {
  exists,
  makeDirs,
  moveInto,
  readTextOrNull,
  writeAtomic,
} from "../../../core/sys/files.ts";
import { sleep } from "../../../core/sys/pipe.ts";
import type { Case, LogLine } from "../conformance.ts";

export const LOG_CASES: readonly Case[] = [
  {
    name: "a hundred thousand lines, written as fast as can be, are all in the log in order",
    run({ spec, run, log }) {
      const one = spec("seq 1 100000");
      equal(run(one), "0");
      let expected = 1;
      for (const text of whole(log(one), "stdout")) {
        if (text !== `${expected++}`) throw new Error(`line ${expected - 1} is "${text}"`);
      }
      equal(expected, 100_001);
    },
  },
  {
    name: "each line has its time with nanoseconds, its stream and its tag",
    run({ spec, run, log }) {
      const one = spec("echo out; echo err >&2; echo; echo '  a  b '");
      run(one);
      const lines = log(one);
      for (const { time } of lines) {
        match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}([+-]\d\d:\d\d|Z)$/);
      }
      const of = (stream: string) => lines.filter((line) => line.stream === stream);
      same(of("stdout").map(({ tag, text }) => [tag, text]), [
        ["F", "out"],
        ["F", ""],
        ["F", "  a  b "],
      ]);
      same(of("stderr").map(({ tag, text }) => [tag, text]), [["F", "err"]]);
    },
  },
  {
    name: "a line without newline and a line longer than a buffer come in parts",
    run({ spec, run, log }) {
      const one = spec("head -c 20000 /dev/zero | tr '\\0' x; echo; printf end");
      run(one);
      const lines = log(one);
      ok(lines.filter(({ tag }) => tag === "P").length >= 2);
      equal(lines.at(-1)?.tag, "P");
      same(whole(lines, "stdout"), ["x".repeat(20000), "end"]);
    },
  },
  {
    name: "stdout is a pipe: /dev/stdout and /dev/stderr can be opened",
    run({ spec, run, log }) {
      const one = spec("echo a > /dev/stdout; echo b > /dev/stderr");
      equal(run(one), "0");
      same(log(one).map(({ stream, text }) => `${stream} ${text}`).sort(), [
        "stderr b",
        "stdout a",
      ]);
    },
  },
  {
    name: "output of a process that outlives the first one for a moment is not waited for for ever",
    run({ spec, run, log }) {
      const one = spec("sleep 1000 & echo last");
      equal(run(one), "0");
      same(log(one).map(({ text }) => text), ["last"]);
    },
  },
  {
    name: "with the log driver none nothing is written, and the rest works",
    run({ spec, run }) {
      const one = spec("echo x; exit 6", { log: { driver: "none", path: "" } });
      equal(run(one), "6");
      ok(!exists(`${one.dir}/log`));
    },
  },
  {
    name: "the log stays below its size limit and ends with the last lines",
    run({ spec, run, log }) {
      const one = spec("seq 1 20000");
      const limited = { ...one, log: { ...one.log, maxBytes: 100_000 } };
      run(limited);
      const lines = log(one);
      ok(lines.length * 45 < 110_000, `${lines.length} lines`);
      equal(lines.at(-1)?.text, "20000");
      const numbers = lines.map(({ text }) => Number(text));
      ok(numbers.every((n, i) => i === 0 || n === numbers[i - 1]! + 1));
    },
  },
  {
    name: "after a rotation from outside the monitor goes on in a new file",
    run({ spec, start, monitor, told, exitOf, out }) {
      const one = spec(`echo before; touch /out/ready
        while ! test -e /out/go; do sleep 0.02; done; echo after`);
      start(one);
      told("ready");
      // The container is ahead of its log.
      for (let i = 0; i < 200 && !readTextOrNull(one.log.path); i++) sleep(10);
      moveInto(one.log.path, `${one.log.path}.1`);
      monitor.reopenLog(one.dir);
      for (let i = 0; i < 200 && !exists(one.log.path); i++) sleep(10);
      writeAtomic(`${out}/go`, "");
      exitOf(one);
      match(readTextOrNull(`${one.log.path}.1`) ?? "", / before\n$/);
      match(readTextOrNull(one.log.path) ?? "", / after\n$/);
    },
  },
  {
    name: "the log can be in a directory whose name has a colon, also when it is cut",
    run({ spec, run, out }) {
      const path = `${out}/a:b/log`;
      makeDirs(`${out}/a:b`);
      run(spec("seq 1 1000", { log: { driver: "k8s-file", path, maxBytes: 5_000 } }));
      match(readTextOrNull(path) ?? "", / 1000\n$/);
    },
  },
];

/** The container's lines of a stream, put together from their parts. */
export function whole(lines: readonly LogLine[], stream: string): string[] {
  const out: string[] = [];
  let open = "";
  let isOpen = false;
  for (const line of lines) {
    if (line.stream !== stream) continue;
    open += line.text;
    isOpen = line.tag === "P";
    if (isOpen) continue;
    out.push(open);
    open = "";
  }
  return isOpen ? [...out, open] : out;
}
