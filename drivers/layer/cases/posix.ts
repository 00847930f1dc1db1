/** Conformance cases: what a file system must keep, through archive, chain and copy-up; [35]-[47]. */
import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert/strict";
import { isErrno } from "../../../core/errors.ts";
import { AT_FDCWD, close, O, openAt, renameAt } from "../../../core/sys/at.ts";
import { lockFile, tryLock } from "../../../core/sys/lock.ts";
import { raw, type RawPath, text, type TreeSink } from "../../../core/terms.ts";
import type { Case } from "../conformance.ts";
import {
  appendFile,
  describeTree,
  entry,
  expectCode,
  listNames,
  look,
  makeDir,
  makeHardLink,
  makeLink,
  makeNode,
  readAll,
  Recorder,
  sendFile,
  setLook,
  TIME,
  writeFile,
} from "./trees.ts";

/** One of each kind of object, each with its own owner, mode and nanosecond time. */
function sendZoo(sink: TreeSink): void {
  sink.entry(entry("dir", "zoo", { mode: 0o750, uid: 1, gid: 2, mtime: TIME + 1n }));
  sendFile(sink, "zoo/file", "content", { mode: 0o640, uid: 3, gid: 4, mtime: TIME + 2n });
  sink.entry(entry("symlink", "zoo/link", {
    linkTarget: raw("/no/where"),
    uid: 5,
    gid: 6,
    mtime: TIME + 3n,
  }));
  sink.entry(entry("fifo", "zoo/fifo", { mode: 0o600, uid: 7, mtime: TIME + 4n }));
  sink.entry(entry("char", "zoo/null", { device: { major: 1, minor: 3 }, mode: 0o666 }));
  sink.entry(entry("block", "zoo/disk", { device: { major: 259, minor: 70_000 }, mode: 0o660 }));
  sink.entry(entry("hardlink", "zoo/same", { linkTarget: raw("zoo/file") }));
  sendFile(sink, "zoo/old", "x", { mtime: -1_500_000_000n });
  sendFile(sink, "zoo/setuid", "x", { mode: 0o6755, uid: 9, gid: 9 });
}

export const POSIX_CASES: readonly Case[] = [
  {
    name:
      "devices, fifos, links, owners, modes and nanoseconds arrive and show in a child [39] [41]",
    scenarios: [39, 40, 41],
    run({ image, container, mounted, driver, ref }) {
      const base = image(null, sendZoo);
      const expected = mounted(base, "ro", (path) => describeTree(path));
      equal(expected.length, 10);
      const disk = expected.find((line) => line.startsWith("/zoo/disk"));
      ok(disk?.includes(" 259:70000"), `${disk}`);
      ok(expected.some((line) => line.startsWith("/zoo/old") && line.includes(" -1500000000 ")));
      ok(expected.some((line) => line.startsWith(`/zoo dir 750 1:2 ${TIME + 1n}`)));
      same(mounted(container(base), "rw", (path) => describeTree(path)), expected);
      const sent = new Recorder();
      driver.entries(ref(base), sent);
      const again = image(null, (sink) => replayInto(sent, sink));
      same(mounted(again, "ro", (path) => describeTree(path)), expected);
    },
  },
  {
    name: "sockets made inside stay, are left out of entries and are named [39]",
    scenarios: [39],
    run({ driver, container, mounted, ref, image }) {
      const id = container(image(null, (sink) => sink.entry(entry("dir", "run"))));
      mounted(id, "rw", (path) => {
        makeNode(`${path}/run/socket`, "socket");
        makeNode(`${path}/run/fifo`, "fifo");
      });
      mounted(id, "rw", (path) => equal(look(`${path}/run/socket`)?.type, "socket"));
      const sent = new Recorder();
      same(driver.entries(ref(id), sent).sockets, ["run/socket"]);
      same(sent.outline(), ["dir run", "fifo run/fifo"]);
    },
  },
  {
    name: "a device 0:0 in an archive is refused, because overlayfs takes it for a whiteout [38]",
    scenarios: [38],
    run({ begin, root, driver }) {
      const { stage } = begin(null, "image");
      const device = { major: 0, minor: 0 };
      expectCode(() => stage.entry(entry("char", "etc", { device })), "denied", "corrupt");
      stage.abort();
      same(driver.list(), []);
      ok(look(root) !== null);
    },
  },
  {
    name: "hard links made inside are one file in the next layer [36]",
    scenarios: [36],
    run({ image, changed, container, mounted, driver, ref }) {
      const base = image(null, (sink) => sink.entry(entry("dir", "d")));
      const next = changed(base, (path) => {
        writeFile(`${path}/d/b`, "x", { mtime: TIME });
        makeHardLink(`${path}/d/b`, `${path}/a`);
        makeHardLink(`${path}/d/b`, `${path}/d/c`);
      });
      const sent = new Recorder();
      driver.entries(ref(next), sent);
      same(sent.outline(), ["file a", "dir d", "hardlink d/b", "hardlink d/c"]);
      const again = image(base, (sink) => replayInto(sent, sink));
      for (const id of [next, again]) {
        mounted(container(id), "rw", (path) => {
          const inodes = ["a", "d/b", "d/c"].map((name) => look(`${path}/${name}`));
          equal(new Set(inodes.map((stat) => stat?.ino)).size, 1);
          equal(inodes[0]?.nlink, 3);
        });
      }
    },
  },
  {
    name: "a new name for a lower file brings the file along [36]",
    scenarios: [36],
    run({ image, changed, driver, ref, mounted, container }) {
      const base = image(null, (sink) => sendFile(sink, "z", "content"));
      const next = changed(base, (path) => makeHardLink(`${path}/z`, `${path}/a`));
      const sent = new Recorder();
      driver.entries(ref(next), sent);
      same(sent.outline(), ["file a", "hardlink z"]);
      const again = image(base, (sink) => replayInto(sent, sink));
      mounted(container(again), "rw", (path) => equal(readAll(`${path}/a`), "content"));
    },
  },
  {
    name: "writing through one name of a lower pair shows in the other as `can` says [35]",
    scenarios: [35],
    run({ driver, image, container, mounted }) {
      const id = container(image(null, (sink) => {
        sendFile(sink, "a", "old");
        sink.entry(entry("hardlink", "b", { linkTarget: raw("a") }));
      }));
      mounted(id, "rw", (path) => {
        appendFile(`${path}/a`, "+new");
        equal(readAll(`${path}/a`), "old+new");
        equal(readAll(`${path}/b`), driver.can.hardlinksSurviveCopyUp ? "old+new" : "old");
      });
    },
  },
  {
    name: "nanoseconds of files, links and directories survive copy-up and sealing [41]",
    scenarios: [41],
    run({ image, changed, container, mounted }) {
      const base = image(null, (sink) => {
        sink.entry(entry("dir", "d", { mtime: TIME + 7n }));
        sendFile(sink, "d/f", "x", { mtime: TIME + 8n });
        sink.entry(entry("symlink", "d/l", { linkTarget: raw("f"), mtime: TIME + 9n }));
      });
      const next = changed(base, (path) => {
        setLook(`${path}/d/f`, { mode: 0o600 });
        makeLink("x", `${path}/d/new`);
        setLook(`${path}/d/new`, { mtime: TIME + 10n });
        setLook(`${path}/d`, { mtime: TIME + 11n });
      });
      mounted(container(next), "rw", (path) => {
        const times = ["d", "d/f", "d/l", "d/new"].map((name) => look(`${path}/${name}`)?.mtime);
        same(times, [TIME + 11n, TIME + 8n, TIME + 9n, TIME + 10n]);
      });
    },
  },
  {
    name: "a hole of 100 MB takes no space, in a layer and in its child [42]",
    scenarios: [42],
    run({ driver, image, container, mounted, ref }) {
      const size = 100 * 1024 * 1024;
      const zeros = new Uint8Array(1024 * 1024);
      const base = image(null, (sink) => {
        sink.entry(entry("file", "sparse", { size }));
        for (let sent = 0; sent < size; sent += zeros.length) sink.write(zeros);
      });
      ok(driver.usage(ref(base)).allocated < 2 * 1024 * 1024, "the layer");
      mounted(container(base), "rw", (path) => {
        appendFile(`${path}/sparse`, "end");
        const stat = look(`${path}/sparse`);
        equal(stat?.size, size + 3);
        ok((stat?.blocks ?? 0) * 512 < 4 * 1024 * 1024, `the child: ${stat?.blocks} blocks`);
      });
    },
  },
  {
    name: "names of 255 bytes, not UTF-8, with newlines, dashes and dots go through [43]",
    scenarios: [43],
    run({ image, container, mounted, driver, ref }) {
      const names = [
        "a".repeat(255),
        "\xff\xfe",
        "new\nline",
        "-rf",
        "..foo",
        "...",
        'it\'s "q" \\',
      ];
      const base = image(null, (sink) => {
        for (const name of names) {
          sink.entry({ ...entry("file", "x"), path: name as RawPath });
          sink.entry({ ...entry("dir", "x"), path: `d-${name}`.slice(0, 255) as RawPath });
        }
      });
      const expected = mounted(base, "ro", (path) => describeTree(path));
      equal(expected.length, 2 * names.length + 1);
      same(mounted(container(base), "rw", (path) => describeTree(path)), expected);
      const sent = new Recorder();
      driver.entries(ref(base), sent);
      for (const name of names) {
        ok(sent.entries.some((each) => each.path === name), text(name as RawPath));
      }
    },
  },
  {
    name: "a path of more than 4096 bytes goes through [43]",
    scenarios: [43],
    run({ image, container, driver, ref }) {
      const deep = Array.from({ length: 25 }, (_, i) => `${i}`.padEnd(200, "x")).join("/");
      const base = image(null, (sink) => sendFile(sink, `${deep}/file`, "deep"));
      const paths = (id: typeof base, whole: boolean) => {
        const sent = new Recorder();
        driver.entries(ref(id), sent, { whole });
        return sent.entries.map((each) => each.path);
      };
      const expected = paths(base, false);
      equal(expected.length, 27);
      equal(expected.at(-1), `${deep}/file`);
      same(paths(container(base), true), expected);
      driver.remove(base);
    },
  },
  {
    name: "paths that leave the layer are refused, by name or through links [46]",
    scenarios: [46],
    run({ begin, scratch }) {
      writeFile(`${scratch}/outside`, "safe");
      const attacks: ((sink: TreeSink) => void)[] = [
        (sink) => {
          sink.entry(entry("symlink", "up", { linkTarget: raw("../../../..") }));
          sendFile(sink, `up${scratch}/outside`, "broken");
        },
        (sink) => {
          sink.entry(entry("symlink", "out", { linkTarget: raw(scratch) }));
          sendFile(sink, "out/outside", "broken");
        },
        (sink) => {
          sink.entry(entry("symlink", "out", { linkTarget: raw(`${scratch}/outside`) }));
          sink.entry(entry("hardlink", "x", { linkTarget: raw("out") }));
          sendFile(sink, "x", "broken");
        },
        (sink) => {
          sink.entry(entry("symlink", "out", { linkTarget: raw(scratch) }));
          sink.entry(entry("whiteout", "out/outside"));
          sink.entry(entry("opaque", "out"));
        },
      ];
      for (const attack of attacks) {
        const { stage } = begin(null, "image");
        try {
          attack(stage);
          stage.end();
        } catch {
          // Refusing and keeping it inside are both right; what counts is the outside.
        }
        stage.abort();
        equal(readAll(`${scratch}/outside`), "safe");
        same(listNames(scratch), ["outside"]);
      }
    },
  },
  {
    name: "an unchanged file that was opened for writing is no change [31]",
    scenarios: [31],
    run({ image, container, mounted, driver, ref }) {
      const base = image(null, (sink) => {
        sendFile(sink, "d/f", "content");
        sendFile(sink, "d/g", "content");
      });
      const id = container(base);
      mounted(id, "rw", (path) => {
        appendFile(`${path}/d/f`, "");
        setLook(`${path}/d/g`, { mode: 0o600 });
        setLook(`${path}/d/g`, { mode: 0o644 });
        setLook(`${path}/d`, { mode: 0o700 });
        setLook(`${path}/d`, { mode: 0o755 });
      });
      same(driver.changes(ref(id)), []);
      const sent = new Recorder();
      driver.entries(ref(id), sent);
      same(sent.outline(), []);
    },
  },
  {
    name: "a file written with the same size and time is a change all the same [30]",
    scenarios: [30],
    run({ image, container, mounted, driver, ref }) {
      const base = image(null, (sink) => sendFile(sink, "f", "one", { mtime: TIME }));
      const id = container(base);
      mounted(id, "rw", (path) => writeFile(`${path}/f`, "two", { mtime: TIME }));
      same(driver.changes(ref(id)), [{ kind: "modify", path: "f" }]);
      for (let i = 0; i < 5; i++) {
        const next = container(base);
        mounted(next, "rw", (path) => writeFile(`${path}/f`, `${i}ne`));
        same(driver.changes(ref(next)).length, 1);
      }
    },
  },
  {
    name: "a directory made inside keeps its set-group bit and default access list [40]",
    scenarios: [40],
    run({ image, changed, container, mounted }) {
      const base = image(
        null,
        (sink) => sink.entry(entry("dir", "shared", { mode: 0o2775, gid: 50 })),
      );
      const next = changed(base, (path) => makeDir(`${path}/shared/sub`, { mode: 0o2750 }));
      mounted(container(next), "rw", (path) => {
        const sub = look(`${path}/shared/sub`);
        same([sub?.mode, sub?.gid], [0o2750, 50]);
      });
    },
  },
  {
    name:
      "files can be exchanged, locked and made without a name, as programs in containers do [47]",
    scenarios: [47],
    run({ image, container, mounted }) {
      const base = image(null, (sink) => {
        sendFile(sink, "a", "1");
        sendFile(sink, "b", "2");
      });
      mounted(container(base), "rw", (path) => {
        renameAt(AT_FDCWD, raw(`${path}/a`), AT_FDCWD, raw(`${path}/b`), "exchange");
        same([readAll(`${path}/a`), readAll(`${path}/b`)], ["2", "1"]);
        const lock = lockFile(`${path}/a`);
        equal(tryLock(`${path}/a`), null);
        lock.release();
        try {
          close(openAt(AT_FDCWD, raw(path), O.TMPFILE | O.RDWR, 0o600));
        } catch (error) {
          // Kernels before 6.3 have none through a union; programs make a file with a name then.
          ok(isErrno(error, "EOPNOTSUPP", "ENOTSUP", "EISDIR"), String(error));
        }
      });
    },
  },
];

/** `image` calls `end` itself. */
function replayInto(sent: Recorder, sink: TreeSink): void {
  sent.replay({
    entry: (each) => sink.entry(each),
    write: (data) => sink.write(data),
    end: () => {},
  });
}
