/** Conformance cases: deleting and replacing what lower layers have; [28]-[34], [44], [45]. */
import { deepStrictEqual as same, strictEqual as equal } from "node:assert/strict";
import type { LayerId } from "../../../core/terms.ts";
import type { Case } from "../conformance.ts";
import {
  describeTree,
  entry,
  everything,
  expectErrno,
  listNames,
  look,
  makeDir,
  makeLink,
  move,
  readAll,
  Recorder,
  remove,
  sendFile,
  setLook,
  TIME,
  writeFile,
} from "./trees.ts";

const gone = (path: string) => entry("whiteout", path, { mode: 0, mtime: 0n });
const opaque = (path: string) => entry("opaque", path, { mode: 0, mtime: 0n });

export const WHITEOUT_CASES: readonly Case[] = [
  {
    name: "a file deleted, added again and deleted again shows what each layer says [28]",
    scenarios: [28],
    run({ image, container, mounted }) {
      const shows = (id: LayerId) => mounted(container(id), "rw", (path) => everything(path));
      const one = image(null, (sink) => {
        sendFile(sink, "d/a", "1");
        sendFile(sink, "d/b", "1");
      });
      const two = image(one, (sink) => sink.entry(gone("d/a")));
      const three = image(two, (sink) => sendFile(sink, "d/a", "3"));
      const four = image(three, (sink) => sink.entry(gone("d/a")));
      same(shows(one), ["d", "d/a", "d/b"]);
      same(shows(two), ["d", "d/b"]);
      same(shows(three), ["d", "d/a", "d/b"]);
      same(shows(four), ["d", "d/b"]);
    },
  },
  {
    name: "the same done in mounted layers [28]",
    scenarios: [28],
    run({ image, changed, mounted }) {
      const one = image(null, (sink) => sendFile(sink, "d/a", "1"));
      const two = changed(one, (path) => remove(`${path}/d/a`));
      const three = changed(two, (path) => writeFile(`${path}/d/a`, "3"));
      const four = changed(three, (path) => remove(`${path}/d`));
      same(mounted(two, "ro", everything), ["d"]);
      equal(mounted(three, "ro", (path) => readAll(`${path}/d/a`)), "3");
      same(mounted(four, "ro", everything), []);
    },
  },
  {
    name: "a directory deleted and made again hides its old content in all later layers [29]",
    scenarios: [29],
    run({ image, changed, container, mounted }) {
      const one = image(null, (sink) => {
        sendFile(sink, "d/old", "1");
        sendFile(sink, "d/sub/deep", "1");
      });
      const two = changed(one, (path) => {
        remove(`${path}/d`);
        makeDir(`${path}/d`);
        writeFile(`${path}/d/new`, "2");
      });
      const three = changed(two, (path) => writeFile(`${path}/d/newer`, "3"));
      same(mounted(two, "ro", everything), ["d", "d/new"]);
      same(mounted(three, "ro", everything), ["d", "d/new", "d/newer"]);
      same(mounted(container(three), "rw", everything), ["d", "d/new", "d/newer"]);
    },
  },
  {
    name:
      "an opaque directory in an archive hides what is below it, wherever the mark stands [29] [45]",
    scenarios: [29, 45],
    run({ image, mounted }) {
      const one = image(null, (sink) => {
        sendFile(sink, "d/old", "1");
        sendFile(sink, "d/sub/deep", "1");
      });
      const first = image(one, (sink) => {
        sink.entry(entry("dir", "d"));
        sink.entry(opaque("d"));
        sendFile(sink, "d/new", "2");
      });
      const last = image(one, (sink) => {
        sink.entry(entry("dir", "d"));
        sendFile(sink, "d/new", "2");
        sink.entry(opaque("d"));
      });
      same(mounted(first, "ro", everything), ["d", "d/new"]);
      same(mounted(last, "ro", everything), ["d", "d/new"]);
    },
  },
  {
    name: "an opaque root hides all lower layers [29] [45]",
    scenarios: [29, 45],
    run({ image, mounted, container, driver, ref }) {
      const one = image(null, (sink) => sendFile(sink, "old", "1"));
      const two = image(one, (sink) => {
        sink.entry(opaque(""));
        sendFile(sink, "new", "2");
      });
      same(mounted(two, "ro", everything), ["new"]);
      same(mounted(container(two), "rw", everything), ["new"]);
      same(driver.changes(ref(two)), [{ kind: "add", path: "new" }, {
        kind: "delete",
        path: "old",
      }]);
      const sent = new Recorder();
      driver.entries(ref(two), sent);
      same(sent.entries.map((each) => `${each.type} ${each.path}`), [
        "dir ",
        "opaque ",
        "file new",
      ]);
      const whole = new Recorder();
      driver.entries(ref(two), whole, { whole: true });
      same(whole.outline(), ["file new"]);
    },
  },
  {
    name:
      "a whiteout and an object of the same name in one layer: the object stays, old content goes [45]",
    scenarios: [45],
    run({ image, mounted }) {
      const one = image(null, (sink) => {
        sendFile(sink, "d/old", "1");
        sendFile(sink, "f", "1");
      });
      const before = image(one, (sink) => {
        sink.entry(gone("d"));
        sink.entry(gone("f"));
        sendFile(sink, "d/new", "2");
        sendFile(sink, "f", "2");
      });
      const after = image(one, (sink) => {
        sendFile(sink, "d/new", "2");
        sendFile(sink, "f", "2");
        sink.entry(gone("d"));
        sink.entry(gone("f"));
      });
      for (const id of [before, after]) {
        same(mounted(id, "ro", everything), ["d", "d/new", "f"]);
        equal(mounted(id, "ro", (path) => readAll(`${path}/f`)), "2");
      }
    },
  },
  {
    name:
      "a whiteout of what does not exist changes nothing, also where its directory is missing [45]",
    scenarios: [45],
    run({ image, mounted, container }) {
      const one = image(null, (sink) => sendFile(sink, "a", "1"));
      const two = image(one, (sink) => {
        sink.entry(gone("b"));
        sink.entry(gone("no/such/dir"));
      });
      const seen = mounted(
        container(two),
        "rw",
        (path) => listNames(path).filter((n) => n !== "no"),
      );
      same(seen, ["a"]);
    },
  },
  {
    name: "both a directory and what is in it can be marked deleted [45]",
    scenarios: [45],
    run({ image, mounted }) {
      const one = image(null, (sink) => sendFile(sink, "foo/bar", "1"));
      const two = image(one, (sink) => {
        sink.entry(gone("foo"));
        sink.entry(gone("foo/bar"));
      });
      const other = image(one, (sink) => {
        sink.entry(gone("foo/bar"));
        sink.entry(gone("foo"));
      });
      for (const id of [two, other]) same(mounted(id, "ro", everything), []);
    },
  },
  {
    name: "a directory in place of a file and a file in place of a directory [29]",
    scenarios: [29],
    run({ image, changed, mounted }) {
      const one = image(null, (sink) => {
        sendFile(sink, "file", "1");
        sendFile(sink, "dir/a", "1");
      });
      const archive = image(one, (sink) => {
        sendFile(sink, "file/inside", "2");
        sendFile(sink, "dir", "2");
      });
      const live = changed(one, (path) => {
        remove(`${path}/file`);
        makeDir(`${path}/file`);
        writeFile(`${path}/file/inside`, "2");
        remove(`${path}/dir`);
        writeFile(`${path}/dir`, "2");
      });
      for (const id of [archive, live]) {
        same(mounted(id, "ro", everything), ["dir", "file", "file/inside"]);
      }
    },
  },
  {
    name: "a symlink in place of a directory is not followed into lower layers [29]",
    scenarios: [29, 46],
    run({ image, mounted, changed }) {
      const one = image(null, (sink) => {
        sendFile(sink, "real/a", "1");
        sendFile(sink, "dir/b", "1");
      });
      const two = changed(one, (path) => {
        remove(`${path}/dir`);
        makeLink("real", `${path}/dir`);
      });
      mounted(two, "ro", (path) => {
        equal(look(`${path}/dir`)?.type, "symlink");
        same(listNames(`${path}/dir`), ["a"]);
      });
    },
  },
  {
    name: "chmod and chown alone are changes and stay through the chain [31]",
    scenarios: [31, 32],
    run({ image, changed, container, mounted, driver, ref }) {
      const one = image(null, (sink) => {
        sendFile(sink, "d/f", "1");
        sendFile(sink, "d/g", "1");
      });
      const two = changed(one, (path) => {
        setLook(`${path}/d/f`, { uid: 12, gid: 13 });
        setLook(`${path}/d`, { mode: 0o2711 });
      });
      const three = changed(two, (path) => writeFile(`${path}/other`, "1"));
      same(driver.changes(ref(two)), [
        { kind: "modify", path: "d" },
        { kind: "modify", path: "d/f" },
      ]);
      mounted(container(three), "rw", (path) => {
        const file = look(`${path}/d/f`);
        same([file?.uid, file?.gid, look(`${path}/d`)?.mode], [12, 13, 0o2711]);
      });
    },
  },
  {
    name: "mode and owner of a directory survive, also when it is deleted and made again [32]",
    scenarios: [32],
    run({ image, changed, mounted }) {
      const one = image(
        null,
        (sink) => sink.entry(entry("dir", "d", { mode: 0o1777, uid: 5, gid: 6 })),
      );
      const two = changed(one, (path) => writeFile(`${path}/d/f`, "1"));
      const three = changed(two, (path) => {
        remove(`${path}/d`);
        makeDir(`${path}/d`, { mode: 0o700, uid: 9, gid: 8 });
      });
      const of = (id: LayerId) =>
        mounted(id, "ro", (path) => {
          const stat = look(`${path}/d`);
          return [stat?.mode, stat?.uid, stat?.gid];
        });
      same(of(two), [0o1777, 5, 6]);
      same(of(three), [0o700, 9, 8]);
    },
  },
  {
    name: "a new file renamed over a lower one, and a lower one to a new name [33]",
    scenarios: [33],
    run({ image, changed, container, mounted, driver, ref }) {
      const one = image(null, (sink) => {
        sendFile(sink, "a", "old a");
        sendFile(sink, "b", "old b");
      });
      const two = changed(one, (path) => {
        writeFile(`${path}/tmp`, "new a");
        move(`${path}/tmp`, `${path}/a`);
        move(`${path}/b`, `${path}/c`);
      });
      mounted(container(two), "rw", (path) => {
        same(listNames(path), ["a", "c"]);
        same([readAll(`${path}/a`), readAll(`${path}/c`)], ["new a", "old b"]);
      });
      same(driver.changes(ref(two)).map(({ kind, path }) => `${kind} ${path}`), [
        "modify a",
        "delete b",
        "add c",
      ]);
    },
  },
  {
    name: "a lower directory is renamed, or refused with EXDEV as `can` says; new ones always [34]",
    scenarios: [34],
    run({ driver, image, container, mounted }) {
      const id = container(image(null, (sink) => sendFile(sink, "lower/a", "1")));
      mounted(id, "rw", (path) => {
        if (driver.can.renamesLowerDirs) move(`${path}/lower`, `${path}/moved`);
        else expectErrno(() => move(`${path}/lower`, `${path}/moved`), "EXDEV");
        makeDir(`${path}/own`);
        writeFile(`${path}/own/x`, "1");
        move(`${path}/own`, `${path}/renamed`);
        equal(readAll(`${path}/renamed/x`), "1");
      });
    },
  },
  {
    name: "a renamed directory arrives whole in the next layer [34]",
    scenarios: [34],
    needs: ({ can }) => can.renamesLowerDirs ? null : "it cannot rename lower directories (EXDEV)",
    run({ driver, image, changed, mounted, ref }) {
      const one = image(null, (sink) => sendFile(sink, "lower/sub/a", "1"));
      const two = changed(one, (path) => move(`${path}/lower`, `${path}/moved`));
      same(mounted(two, "ro", everything), ["moved", "moved/sub", "moved/sub/a"]);
      const sent = new Recorder();
      driver.entries(ref(two), sent);
      same(sent.outline(), ["whiteout lower", "dir moved", "dir moved/sub", "file moved/sub/a"]);
    },
  },
  {
    name:
      "names like those of whiteouts can be made inside, or are refused to whoever makes them [44]",
    scenarios: [44],
    run({ image, changed, mounted, container }) {
      const one = image(null, (sink) => {
        sendFile(sink, "x", "1", { mtime: TIME });
        sendFile(sink, "keep/y", "1");
      });
      let made = true;
      const two = changed(one, (path) => {
        try {
          writeFile(`${path}/.wh.x`, "mine");
          makeDir(`${path}/.wh.keep`);
        } catch {
          made = false;
        }
      });
      const expected = ["keep", "keep/y", "x", ...(made ? [".wh.keep", ".wh.x"] : [])].sort();
      same(mounted(two, "ro", everything), expected);
      same(mounted(container(two), "rw", (path) => describeTree(path).length), expected.length + 1);
    },
  },
];
