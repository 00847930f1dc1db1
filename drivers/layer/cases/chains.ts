/** Conformance cases: many layers as one tree, and mounting; [13]-[24]. */
import { deepStrictEqual as same, ok, strictEqual as equal } from "node:assert/strict";
import { makeDirs } from "../../../core/sys/files.ts";
import { mountTable } from "../../../core/sys/mount.ts";
import type { LayerId } from "../../../core/terms.ts";
import type { Case, Fixture } from "../conformance.ts";
import {
  appendFile,
  describeTree,
  entry,
  expectCode,
  expectErrno,
  listNames,
  look,
  makeDir,
  openForReading,
  readAll,
  remove,
  sendFile,
  writeFile,
} from "./trees.ts";

/** One file per layer, `count` layers; returns the top one. */
function tower(fixture: Fixture, count: number): LayerId {
  const made: { id: LayerId; commit(): void }[] = [];
  let top: LayerId | null = null;
  for (let i = 1; i <= count; i++) {
    const { id, stage } = fixture.begin(top, "image");
    sendFile(stage, `file-${i}`, `layer ${i}`);
    stage.end();
    made.push({ id, commit: () => stage.commit() });
    top = id;
  }
  for (const each of made) each.commit();
  fixture.driver.sync();
  return top as LayerId;
}

/** What layer `i` of the tall chain does, to a mounted layer or to the reference tree. */
function change(path: string, i: number): void {
  if (i > 1) {
    appendFile(`${path}/grows`, `line ${i}\n`);
    remove(`${path}/again`);
    remove(`${path}/file-${i - 1}`);
  } else {
    writeFile(`${path}/grows`, "");
  }
  makeDir(`${path}/again`);
  writeFile(`${path}/again/in-${i}`, `${i}`);
  writeFile(`${path}/file-${i}`, `${i}`);
}

export const CHAIN_CASES: readonly Case[] = [
  {
    name: "of 128 layers each shows what a flat tree shows, before and after its change [13]",
    scenarios: [13],
    needs: ({ limits }) => limits.lowers >= 128 ? null : `it can show ${limits.lowers} layers`,
    run({ begin, driver, mounted, scratch, ref }) {
      const flat = `${scratch}/flat`;
      makeDirs(flat, 0o755);
      let parent: LayerId | null = null;
      for (let i = 1; i <= 128; i++) {
        const { id, stage } = begin(parent, "container");
        stage.commit();
        mounted(id, "rw", (path) => {
          // Each tree twice would be slow; the ends and a few between find the same errors.
          if (i % 16 === 0) {
            same(describeTree(path, { times: false }), describeTree(flat, { times: false }));
          }
          change(path, i);
          change(flat, i);
          if (i % 16 === 1) {
            same(describeTree(path, { times: false }), describeTree(flat, { times: false }));
          }
        });
        driver.seal(ref(id));
        parent = id;
      }
      mounted(parent as LayerId, "ro", (path) => {
        same(describeTree(path, { times: false }), describeTree(flat, { times: false }));
      });
    },
  },
  {
    name: "300 layers are visible at once [14]",
    scenarios: [14],
    needs: ({ limits }) => limits.lowers >= 300 ? null : `it can show ${limits.lowers} layers`,
    run(fixture) {
      const top = tower(fixture, 300);
      fixture.mounted(fixture.container(top), "rw", (path) => {
        equal(listNames(path).length, 300);
        for (const i of [1, 150, 300]) equal(readAll(`${path}/file-${i}`), `layer ${i}`);
      });
    },
  },
  {
    name: "as many layers as the driver promises can be mounted, one more is refused at begin [15]",
    scenarios: [15, 16],
    run(fixture) {
      const { driver } = fixture;
      const top = tower(fixture, driver.limits.lowers);
      fixture.mounted(fixture.container(top), "rw", (path) => {
        equal(listNames(path).length, driver.limits.lowers);
        equal(readAll(`${path}/file-1`), "layer 1");
      });
      fixture.mounted(top, "ro", (path) => equal(listNames(path).length, driver.limits.lowers));
      const before = driver.list().length;
      expectCode(() => fixture.begin(top, "image"), "unsupported");
      equal(driver.list().length, before);
    },
  },
  {
    name: "a layer without a parent is shown without a union [19]",
    scenarios: [19],
    run({ driver, container, image, ref, mounted }) {
      const base = image(null, (sink) => sendFile(sink, "a", "1"));
      const empty = container(null);
      for (const [id, view] of [[base, "ro"], [empty, "rw"]] as const) {
        same(driver.plan(ref(id), view).lowers, []);
        ok(["bind", "none"].includes(driver.plan(ref(id), view).type));
      }
      mounted(empty, "rw", (path) => writeFile(`${path}/x`, "1"));
      mounted(empty, "rw", (path) => equal(readAll(`${path}/x`), "1"));
    },
  },
  {
    name: "a read-only view refuses writes and shows the same tree [20]",
    scenarios: [20],
    run({ image, changed, mounted, container }) {
      const base = image(null, (sink) => sendFile(sink, "dir/a", "1"));
      const next = changed(base, (path) => writeFile(`${path}/dir/b`, "2"));
      const own = container(next);
      for (const id of [base, next, own]) {
        mounted(id, "ro", (path) => {
          expectErrno(() => writeFile(`${path}/new`, ""), "EROFS");
          expectErrno(() => appendFile(`${path}/dir/a`, ""), "EROFS");
          equal(readAll(`${path}/dir/a`), "1");
        });
      }
      const seen = mounted(own, "ro", (path) => describeTree(path));
      same(mounted(own, "rw", (path) => describeTree(path)), seen);
    },
  },
  {
    name:
      "mounting again gives the same directory, one unmount ends it, also by another process [21]",
    scenarios: [21, 22],
    run({ driver, image, container, ref, open }) {
      const id = container(image(null, (sink) => sendFile(sink, "a", "1")));
      const other = open();
      equal(driver.isMounted(ref(id)), false);
      const first = driver.mount(ref(id), { view: "rw" }).path;
      equal(driver.mount(ref(id), { view: "rw" }).path, first);
      equal(other.mount(ref(id), { view: "rw" }).path, first);
      ok(other.isMounted(ref(id)));
      other.unmount(ref(id));
      equal(driver.isMounted(ref(id)), false);
      equal(mountTable().some(({ target }) => target === first), false);
    },
  },
  {
    name: "unmounting what is not mounted is quiet [22]",
    scenarios: [22],
    run({ driver, container, ref, newId }) {
      const id = container(null);
      driver.unmount(ref(id));
      driver.mount(ref(id), { view: "rw" });
      driver.unmount(ref(id));
      driver.unmount(ref(id));
      driver.unmount({ id: newId(), chain: [] }, { detach: true });
    },
  },
  {
    name: "a layer mounted in one view is not handed out in the other [22]",
    scenarios: [22],
    run({ driver, image, container, ref }) {
      const id = container(image(null, (sink) => sendFile(sink, "a", "1")));
      driver.mount(ref(id), { view: "rw" });
      expectCode(() => driver.mount(ref(id), { view: "ro" }), "busy");
      driver.unmount(ref(id));
      driver.mount(ref(id), { view: "ro" });
      expectCode(() => driver.mount(ref(id), { view: "rw" }), "busy");
      driver.unmount(ref(id));
    },
  },
  {
    name: "unmounting a busy layer fails and leaves it mounted, detaching hides it [23]",
    scenarios: [23],
    run({ driver, image, container, ref }) {
      for (const parent of [null, image(null, (sink) => sendFile(sink, "a", "1"))]) {
        const id = container(parent);
        const { path } = driver.mount(ref(id), { view: "rw" });
        writeFile(`${path}/open`, "content");
        const file = openForReading(`${path}/open`);
        try {
          expectCode(() => driver.unmount(ref(id)), "busy");
          ok(driver.isMounted(ref(id)));
          driver.unmount(ref(id), { detach: true });
          equal(driver.isMounted(ref(id)), false);
        } finally {
          file.close();
        }
      }
    },
  },
  {
    name:
      "a mounted layer is mounted once, whoever asks, and its files are never written twice [24]",
    scenarios: [24],
    run({ driver, image, container, open, ref }) {
      const id = container(image(null, (sink) => sendFile(sink, "a", "1")));
      const { path } = driver.mount(ref(id), { view: "rw" });
      const other = open();
      equal(other.mount(ref(id), { view: "rw" }).path, path);
      equal(mountTable().filter(({ target }) => target === path).length, 1);
      expectCode(() => other.mount(ref(id), { view: "ro" }), "busy");
      other.unmount(ref(id));
      equal(driver.isMounted(ref(id)), false);
    },
  },
  {
    name: "a plan says what would be mounted and does nothing [19]",
    scenarios: [19],
    run({ driver, image, container, ref }) {
      const base = image(null, (sink) => sink.entry(entry("dir", "d")));
      const next = image(base, (sink) => sendFile(sink, "a", "1"));
      const id = container(next);
      const plan = driver.plan(ref(id), "rw");
      equal(driver.isMounted(ref(id)), false);
      equal(mountTable().some(({ target }) => target === plan.path), false);
      equal(driver.mount(ref(id), { view: "rw" }).path, plan.path);
      driver.unmount(ref(id));
    },
  },
  {
    name: "a lost mount point is made again [26]",
    scenarios: [26],
    run({ driver, image, container, ref }) {
      const id = container(image(null, (sink) => sendFile(sink, "a", "1")));
      const { path } = driver.mount(ref(id), { view: "rw" });
      driver.unmount(ref(id));
      if (look(path) !== null && driver.plan(ref(id), "rw").type !== "none") remove(path);
      driver.mount(ref(id), { view: "rw" });
      same(listNames(path), ["a"]);
      driver.unmount(ref(id));
    },
  },
];
