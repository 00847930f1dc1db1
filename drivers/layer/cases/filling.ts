/** Conformance cases: a writable layer filled at once, reading while reading, closing; [8] [10] [53] [56]. */
import { deepStrictEqual as same, equal, ok } from "node:assert/strict";
import { isErrno } from "../../../core/errors.ts";
import { raw } from "../../../core/terms.ts";
import type { Case, Fixture } from "../conformance.ts";
import {
  describeTree,
  entry,
  everything,
  expectCode,
  listNames,
  makeDir,
  move,
  readAll,
  Recorder,
  sendFile,
  writeFile,
} from "./trees.ts";

function baseOf({ image }: Fixture) {
  return image(null, (sink) => {
    sink.entry(entry("dir", "kept"));
    sendFile(sink, "kept/a", "1");
    sink.entry(entry("dir", "made-again"));
    sendFile(sink, "made-again/old", "2");
    sendFile(sink, "gone", "3");
  });
}

/** What an archive of the changes of one layer sends. */
function sendChanges(sink: Parameters<Parameters<Fixture["image"]>[1]>[0]): void {
  sink.entry(entry("dir", "", { mode: 0o750 }));
  sink.entry(entry("whiteout", "gone"));
  sink.entry(entry("dir", "made-again", { mode: 0o700, uid: 5 }));
  sink.entry(entry("opaque", "made-again"));
  sendFile(sink, "made-again/new", "content", { mode: 0o640, uid: 3, gid: 4 });
  sink.entry(entry("hardlink", "z", { linkTarget: raw("made-again/new") }));
}

export const FILLING_CASES: readonly Case[] = [
  {
    name: "an empty writable layer is filled whole, at the commit, and stays writable [56]",
    scenarios: [56],
    run(fixture) {
      const { driver, image, container, mounted, ref, root, isKnown } = fixture;
      const base = baseOf(fixture);
      const expected = new Recorder();
      driver.entries(ref(image(base, sendChanges)), expected);
      const id = container(base);
      const stage = driver.begin({ ...ref(id), kind: "container", replaces: true });
      sendChanges(stage);
      stage.end();
      same(driver.changes(ref(id)), []);
      stage.commit();
      driver.sync();
      const sent = new Recorder();
      driver.entries(ref(id), sent);
      same(sent.outline(), expected.outline());
      mounted(id, "rw", (path) => {
        same(listNames(path), ["kept", "made-again", "z"]);
        same(listNames(`${path}/made-again`), ["new"]);
        writeFile(`${path}/more`, "x");
      });
      ok(driver.changes(ref(id)).some(({ path }) => path === "more"));
      const before = everything(root);
      driver.recover(isKnown);
      same(everything(root), before);
    },
  },
  {
    name: "a filling that is aborted leaves the layer empty and nothing else behind [56]",
    scenarios: [56, 62],
    run(fixture) {
      const { driver, container, mounted, ref, root } = fixture;
      const id = container(baseOf(fixture));
      const shown = mounted(id, "rw", (path) => describeTree(path));
      const before = everything(root);
      const stage = driver.begin({ ...ref(id), kind: "container", replaces: true });
      sendChanges(stage);
      stage.abort();
      same(everything(root), before);
      same(mounted(id, "rw", (path) => describeTree(path)), shown);
    },
  },
  {
    name: "a read-only layer is not filled as a writable one [56]",
    scenarios: [56],
    run({ driver, container, ref, newId }) {
      const id = container(null);
      driver.seal(ref(id));
      const again = { kind: "container", replaces: true } as const;
      expectCode(() => driver.begin({ ...ref(id), ...again }), "state");
      expectCode(() => driver.begin({ id: newId(), chain: [], ...again }), "notfound");
    },
  },
  {
    name: "a layer can be read, and others made and mounted, while it is being read [8]",
    scenarios: [8],
    run(fixture) {
      const { driver, container, mounted, ref } = fixture;
      const base = baseOf(fixture);
      const seen: string[] = [];
      driver.entries(ref(base), {
        entry({ path }) {
          seen.push(path);
          driver.usage(ref(base));
          driver.entries(ref(base), new Recorder());
          driver.changes(ref(base));
          const id = container(base);
          mounted(id, "rw", (dir) => equal(readAll(`${dir}/kept/a`), "1"));
          driver.remove(id);
        },
        write: () => driver.isMounted(ref(base)),
        end() {},
      });
      same(seen, ["", "gone", "kept", "kept/a", "made-again", "made-again/old"]);
    },
  },
  {
    name: "closing is nothing: a driver opened again and again sees and shows the same [10]",
    scenarios: [10],
    run(fixture) {
      const { open, ref, driver, root, isKnown } = fixture;
      const base = baseOf(fixture);
      const before = everything(root);
      for (let i = 0; i < 5; i++) {
        const again = open();
        again.unmount(ref(base));
        again.unmount(ref(base), { detach: true });
        again.recover(isKnown);
        again.sync();
        same(again.list(), driver.list());
      }
      same(everything(root), before);
    },
  },
  {
    name: "a directory that was renamed inside is sent whole, whatever the kernel makes of it [53]",
    scenarios: [34, 53],
    run(fixture) {
      const { driver, container, mounted, ref } = fixture;
      const id = container(baseOf(fixture));
      const isMoved = mounted(id, "rw", (path) => {
        makeDir(`${path}/fresh`);
        writeFile(`${path}/fresh/x`, "1");
        move(`${path}/fresh`, `${path}/renamed`);
        try {
          move(`${path}/kept`, `${path}/moved`);
          return true;
        } catch (error) {
          if (!isErrno(error, "EXDEV")) throw error;
          return false;
        }
      });
      equal(isMoved, driver.can.renamesLowerDirs);
      const sent = new Recorder();
      driver.entries(ref(id), sent);
      const lines = sent.outline();
      ok(lines.includes("file renamed/x"), lines.join("\n"));
      if (isMoved) ok(lines.includes("file moved/a"), lines.join("\n"));
    },
  },
];
