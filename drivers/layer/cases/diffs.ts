/** Conformance cases: what changed, and carrying it elsewhere; [48]-[55]. */
import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert/strict";
import type { LayerId, TreeSink } from "../../../core/terms.ts";
import type { Case, Fixture } from "../conformance.ts";
import {
  appendFile,
  describeTree,
  entry,
  makeDir,
  makeLink,
  move,
  Recorder,
  remove,
  sendFile,
  setLook,
  TIME,
  writeFile,
} from "./trees.ts";

/** Three layers that add, change and delete 18 objects; the middle and the top one live. */
function threeLayers({ image, changed }: Fixture): [LayerId, LayerId, LayerId] {
  const one = image(null, (sink) => {
    sink.entry(entry("dir", ""));
    for (
      const name of ["file1", "file2", "file3", "sub/file1", "sub/file2", "gone/a", "gone/b/c"]
    ) {
      sendFile(sink, name, `${name} of 1`, { mtime: TIME });
    }
    sink.entry(entry("dir", "empty"));
    sink.entry(entry("symlink", "link", { linkTarget: "file1" as never }));
    for (const name of ["sub", "gone", "gone/b"]) sink.entry(entry("dir", name));
  });
  const two = changed(one, (path) => {
    writeFile(`${path}/file2`, "changed in 2");
    remove(`${path}/file3`);
    writeFile(`${path}/sub/file3`, "new in 2");
    remove(`${path}/gone`);
    makeDir(`${path}/new`);
    writeFile(`${path}/new/file`, "x");
    setLook(`${path}/link`, { uid: 7 });
  });
  const three = changed(two, (path) => {
    writeFile(`${path}/file3`, "again");
    remove(`${path}/new/file`);
    remove(`${path}/empty`);
    makeDir(`${path}/empty`);
    writeFile(`${path}/empty/full`, "x");
    move(`${path}/sub/file1`, `${path}/sub/renamed`);
    remove(`${path}/link`);
    makeLink("file2", `${path}/link`);
  });
  return [one, two, three];
}

const TWO = [
  "modify file2",
  "delete file3",
  "delete gone",
  "modify link",
  "add new",
  "add new/file",
  "modify sub",
  "add sub/file3",
];
const THREE = [
  "modify empty",
  "add empty/full",
  "add file3",
  "modify link",
  "modify new",
  "delete new/file",
  "modify sub",
  "delete sub/file1",
  "add sub/renamed",
];

function changesOf({ driver, ref }: Fixture, id: LayerId): string[] {
  return driver.changes(ref(id)).map(({ kind, path }) => `${kind} ${path}`);
}

function record({ driver, ref }: Fixture, id: LayerId, whole = false): Recorder {
  const sent = new Recorder();
  driver.entries(ref(id), sent, { whole });
  ok(sent.ended, "end was not called");
  return sent;
}

function replayed(sent: Recorder): (sink: TreeSink) => void {
  return (sink) =>
    sent.replay({
      entry: (each) => sink.entry(each),
      write: (data) => sink.write(data),
      end: () => {},
    });
}

export const DIFF_CASES: readonly Case[] = [
  {
    name: "changes of a fixture of three layers are exactly the expected lines [48]",
    scenarios: [48],
    run(fixture) {
      const [one, two, three] = threeLayers(fixture);
      same(
        changesOf(fixture, one),
        [
          ..."empty file1 file2 file3 gone gone/a gone/b gone/b/c link sub sub/file1 sub/file2"
            .split(" "),
        ].map((path) => `add ${path}`),
      );
      same(changesOf(fixture, two), TWO);
      same(changesOf(fixture, three), THREE);
    },
  },
  {
    name: "changes are the same while the layer is mounted [48] [54]",
    scenarios: [48, 54],
    run(fixture) {
      const { image, container, mounted } = fixture;
      const base = image(null, (sink) => sendFile(sink, "d/a", "1"));
      const id = container(base);
      mounted(id, "rw", (path) => {
        same(changesOf(fixture, id), []);
        appendFile(`${path}/d/a`, "2");
        writeFile(`${path}/d/b`, "2");
        same(changesOf(fixture, id), ["modify d", "modify d/a", "add d/b"]);
        same(record(fixture, id).outline(), ["dir d", "file d/a", "file d/b"]);
        remove(`${path}/d`);
        same(changesOf(fixture, id), ["delete d"]);
      });
      same(changesOf(fixture, id), ["delete d"]);
    },
  },
  {
    name: "a new empty container has no changes [48]",
    scenarios: [48],
    run(fixture) {
      const base = fixture.image(null, (sink) => sendFile(sink, "d/a", "1"));
      const id = fixture.container(base);
      same(changesOf(fixture, id), []);
      same(record(fixture, id).entries.map((each) => each.path), [""]);
      fixture.mounted(id, "rw", () => {});
      same(changesOf(fixture, id), []);
      same(changesOf(fixture, fixture.container(null)), []);
    },
  },
  {
    name: "a changed file makes its directories modified, up to the top, and nothing else [48]",
    scenarios: [48],
    run(fixture) {
      const base = fixture.image(null, (sink) => {
        sendFile(sink, "a/b/c/file", "1");
        sendFile(sink, "a/other/file", "1");
      });
      const next = fixture.changed(base, (path) => appendFile(`${path}/a/b/c/file`, "2"));
      same(changesOf(fixture, next), [
        "modify a",
        "modify a/b",
        "modify a/b/c",
        "modify a/b/c/file",
      ]);
      same(record(fixture, next).outline(), ["dir a", "dir a/b", "dir a/b/c", "file a/b/c/file"]);
    },
  },
  {
    name: "a directory made again lists what it lost and what it got [29] [48]",
    scenarios: [29, 48],
    run(fixture) {
      const base = fixture.image(null, (sink) => {
        for (const name of ["kept", "lost", "sub/x"]) sendFile(sink, `d/${name}`, "1");
      });
      const next = fixture.changed(base, (path) => {
        remove(`${path}/d`);
        makeDir(`${path}/d`);
        writeFile(`${path}/d/kept`, "2");
        writeFile(`${path}/d/new`, "2");
      });
      same(changesOf(fixture, next), [
        "modify d",
        "modify d/kept",
        "delete d/lost",
        "add d/new",
        "delete d/sub",
      ]);
      same(record(fixture, next).outline(), ["dir d", "opaque d", "file d/kept", "file d/new"]);
    },
  },
  {
    name: "a change undone within the layer is no change, whatever happened in between [48]",
    scenarios: [48],
    run(fixture) {
      const base = fixture.image(null, (sink) => {
        sendFile(sink, "f", "same", { mtime: TIME });
        sink.entry(entry("dir", "", { mtime: TIME }));
      });
      const next = fixture.changed(base, (path) => {
        remove(`${path}/f`);
        writeFile(`${path}/f`, "same", { mtime: TIME });
        writeFile(`${path}/temporary`, "x");
        remove(`${path}/temporary`);
      });
      same(changesOf(fixture, next), []);
    },
  },
  {
    name: "entries have the names of changes, in walking order, parents first [49]",
    scenarios: [49],
    run(fixture) {
      const [, two, three] = threeLayers(fixture);
      same(record(fixture, two).outline(), [
        "file file2",
        "whiteout file3",
        "whiteout gone",
        "symlink link",
        "dir new",
        "file new/file",
        "dir sub",
        "file sub/file3",
      ]);
      same(record(fixture, three).outline(), [
        "dir empty",
        "opaque empty",
        "file empty/full",
        "file file3",
        "symlink link",
        "dir new",
        "whiteout new/file",
        "dir sub",
        "whiteout sub/file1",
        "file sub/renamed",
      ]);
    },
  },
  {
    name: "a layer sent to a sibling makes an equal tree, equal changes and an equal size [50]",
    scenarios: [50],
    run(fixture) {
      const { image, mounted, driver, ref } = fixture;
      const [one, two, three] = threeLayers(fixture);
      const sent = record(fixture, two);
      const copy = image(one, replayed(sent));
      const top = image(copy, replayed(record(fixture, three)));
      for (const [a, b] of [[two, copy], [three, top]] as const) {
        same(changesOf(fixture, b), changesOf(fixture, a));
        same(
          mounted(b, "ro", (path) => describeTree(path)),
          mounted(a, "ro", (path) => describeTree(path)),
        );
        same(record(fixture, b).lines(), record(fixture, a).lines());
      }
      equal(driver.usage(ref(copy)).bytes, driver.usage(ref(two)).bytes);
    },
  },
  {
    name: "the whole tree of a layer makes an equal layer without a parent [50] [52]",
    scenarios: [50, 52],
    run(fixture) {
      const { image, container, mounted } = fixture;
      const [, , three] = threeLayers(fixture);
      const flat = image(null, replayed(record(fixture, three, true)));
      const tree = mounted(three, "ro", (path) => describeTree(path));
      same(mounted(flat, "ro", (path) => describeTree(path)), tree);
      const own = container(three);
      mounted(own, "rw", (path) => writeFile(`${path}/own`, "1", { mtime: TIME }));
      same(record(fixture, own, true).outline().filter((line) => line.endsWith(" own")), [
        "file own",
      ]);
    },
  },
  {
    name: "entries of one layer are the same every time, and after another process opened it [51]",
    scenarios: [51],
    run(fixture) {
      const [, , three] = threeLayers(fixture);
      const first = record(fixture, three).lines();
      const again = new Recorder();
      fixture.open().entries(fixture.ref(three), again);
      same(again.lines(), first);
    },
  },
  {
    name: "a parent directory that an archive leaves out looks as in the layers below [49]",
    scenarios: [49],
    run(fixture) {
      const base = fixture.image(null, (sink) => {
        sink.entry(entry("dir", "etc", { mode: 0o711, uid: 4, gid: 5, mtime: TIME + 5n }));
        sendFile(sink, "etc/a", "1");
      });
      const next = fixture.image(base, (sink) => {
        sendFile(sink, "etc/b", "2");
        sendFile(sink, "var/lib/c", "2");
      });
      const lines = record(fixture, next).lines();
      ok(lines.includes(`etc dir 711 4:5 ${TIME + 5n}`), lines.join("\n"));
      ok(lines.includes("var dir 755 0:0 0"), lines.join("\n"));
    },
  },
  {
    name: "a root that no entry names looks as the root below, time included [49]",
    scenarios: [49],
    run(fixture) {
      const base = fixture.image(
        null,
        (sink) => sink.entry(entry("dir", "", { mode: 0o700, uid: 1 })),
      );
      const next = fixture.image(base, (sink) => sendFile(sink, "x", "1"));
      const bare = fixture.image(null, (sink) => sendFile(sink, "x", "1"));
      equal(record(fixture, next).lines()[0], ` dir 700 1:0 ${TIME}`);
      equal(record(fixture, fixture.container(next)).lines()[0], ` dir 700 1:0 ${TIME}`);
      equal(record(fixture, bare).lines()[0], " dir 755 0:0 0");
    },
  },
];
