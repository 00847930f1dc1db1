/** Conformance cases: making, listing and removing layers; [1]-[12]. */
import { deepStrictEqual as same, ok } from "node:assert/strict";
import type { Case } from "../conformance.ts";
import {
  describeTree,
  entry,
  everything,
  expectCode,
  listNames,
  look,
  sendFile,
  TIME,
  writeFile,
} from "./trees.ts";
import { raw } from "../../../core/terms.ts";

export const LIFE_CASES: readonly Case[] = [
  {
    name: "an empty layer shows an empty root, mode 0755, owner 0:0 [1]",
    scenarios: [1],
    run({ container, mounted }) {
      mounted(container(null), "rw", (path) => {
        const root = look(path);
        same([root?.type, root?.mode, root?.uid, root?.gid], ["dir", 0o755, 0, 0]);
        same(listNames(path), []);
      });
    },
  },
  {
    name: "a layer's root looks as its parent's root [1]",
    scenarios: [1],
    run({ image, container, mounted }) {
      const base = image(
        null,
        (sink) => sink.entry(entry("dir", "", { mode: 0o1700, uid: 3, gid: 4 })),
      );
      const middle = image(base, (sink) => sendFile(sink, "x", "x"));
      mounted(container(middle), "rw", (path) => {
        const root = look(path);
        same([root?.mode, root?.uid, root?.gid], [0o1700, 3, 4]);
      });
    },
  },
  {
    name: "a root given in the layer sets mode, owner and time of the root [1]",
    scenarios: [1],
    run({ image, mounted }) {
      const base = image(null, (sink) => sink.entry(entry("dir", "", { mode: 0o710, uid: 5 })));
      mounted(base, "ro", (path) => {
        const root = look(path);
        same([root?.mode, root?.uid, root?.mtime], [0o710, 5, TIME]);
      });
    },
  },
  {
    name: "sticky and set-id bits and owners of a base layer show in its child [2]",
    scenarios: [2, 40],
    run({ image, container, mounted }) {
      const base = image(null, (sink) => {
        sink.entry(entry("dir", "tmp", { mode: 0o1705, uid: 1, gid: 2 }));
        sendFile(sink, "setuid", "x", { mode: 0o4222, uid: 1, gid: 2 });
        sendFile(sink, "setgid", "x", { mode: 0o2755, uid: 7, gid: 8 });
      });
      mounted(container(base), "rw", (path) => {
        const seen = ["tmp", "setuid", "setgid"].map((name) => {
          const stat = look(`${path}/${name}`);
          return [stat?.type, stat?.mode, stat?.uid, stat?.gid];
        });
        same(seen, [["dir", 0o1705, 1, 2], ["file", 0o4222, 1, 2], ["file", 0o2755, 7, 8]]);
      });
    },
  },
  {
    name: "a child of an unknown parent is refused and leaves nothing behind [3]",
    scenarios: [3],
    run({ driver, newId, root }) {
      const before = everything(root);
      const spec = { id: newId(), chain: [newId()], kind: "container" } as const;
      expectCode(() => driver.begin(spec), "notfound");
      same(everything(root), before);
    },
  },
  {
    name: "an id can be taken once only, also by another process [4]",
    scenarios: [4],
    run({ driver, image, container, ref, open }) {
      for (const id of [image(null, () => {}), container(null)]) {
        expectCode(() => driver.begin({ ...ref(id), kind: "image" }), "exists");
        expectCode(() => open().begin({ ...ref(id), kind: "container" }), "exists");
      }
    },
  },
  {
    name: "an id that is being made is taken, and free again after abort [4]",
    scenarios: [4],
    run({ driver, begin, ref, root }) {
      const before = everything(root);
      const { id, stage } = begin(null, "image");
      expectCode(() => driver.begin({ ...ref(id), kind: "image" }), "exists");
      sendFile(stage, "a/b", "x");
      stage.abort();
      stage.abort();
      same(everything(root), before);
      driver.begin({ ...ref(id), kind: "image" }).abort();
    },
  },
  {
    name: "of two stages with one id the second commit fails and the first stays whole [4]",
    scenarios: [4],
    run({ begin, ref, open, mounted }) {
      const { id, stage } = begin(null, "image");
      sendFile(stage, "first", "1");
      stage.end();
      stage.commit();
      const other = open();
      expectCode(() => other.begin({ ...ref(id), kind: "image" }).commit(), "exists");
      mounted(id, "ro", (path) => same(listNames(path), ["first"]));
    },
  },
  {
    name: "a stage is in no list before its commit [5]",
    scenarios: [5],
    run({ driver, begin, open }) {
      const { id, stage } = begin(null, "image");
      same(driver.list(), []);
      stage.end();
      stage.commit();
      same(driver.list(), [id]);
      same(open().list(), [id]);
    },
  },
  {
    name: "an image layer cannot be mounted for writing [5]",
    scenarios: [5],
    run({ driver, image, ref }) {
      const id = image(null, () => {});
      expectCode(() => driver.mount(ref(id), { view: "rw" }), "state");
    },
  },
  {
    name: "a sealed container is read-only, shows the same and can be a parent [5]",
    scenarios: [5],
    run({ driver, image, container, mounted, ref }) {
      const base = image(null, (sink) => sendFile(sink, "a", "base"));
      const id = container(base);
      const before = mounted(id, "rw", (path) => {
        writeFile(`${path}/b`, "new", { mtime: TIME });
        return describeTree(path);
      });
      driver.seal(ref(id));
      driver.seal(ref(id));
      expectCode(() => driver.mount(ref(id), { view: "rw" }), "state");
      same(mounted(id, "ro", (path) => describeTree(path)), before);
      same(mounted(container(id), "rw", (path) => describeTree(path)), before);
    },
  },
  {
    name: "a layer that is being made can be the parent of another one [5]",
    scenarios: [5],
    run({ begin, container, mounted, driver }) {
      const first = begin(null, "image");
      first.stage.entry(entry("dir", "", { mode: 0o700 }));
      sendFile(first.stage, "a", "1");
      first.stage.end();
      const second = begin(first.id, "image");
      sendFile(second.stage, "b", "2");
      second.stage.end();
      first.stage.commit();
      second.stage.commit();
      driver.sync();
      mounted(container(second.id), "rw", (path) => {
        same(listNames(path), ["a", "b"]);
        same(look(path)?.mode, 0o700);
      });
    },
  },
  {
    name: "children and then parents can be removed, and nothing stays [6]",
    scenarios: [6],
    run({ driver, image, container, root, mounted }) {
      const before = everything(root);
      const base = image(null, (sink) => sendFile(sink, "dir/a", "1"));
      const next = image(base, (sink) => sendFile(sink, "b", "2"));
      const top = container(next);
      mounted(top, "rw", (path) => writeFile(`${path}/c`, "3"));
      for (const id of [top, next, base]) driver.remove(id);
      same(driver.list(), []);
      same(everything(root), before);
    },
  },
  {
    name: "removing what is gone is quiet [6]",
    scenarios: [6],
    run({ driver, container, newId }) {
      const id = container(null);
      driver.remove(id);
      driver.remove(id);
      driver.remove(newId());
    },
  },
  {
    name: "a mounted layer cannot be removed and stays whole [6] [23]",
    scenarios: [6, 23],
    run({ driver, container, mounted, ref }) {
      const id = container(null);
      mounted(id, "rw", (path) => {
        writeFile(`${path}/x`, "kept");
        expectCode(() => driver.remove(id), "busy");
        ok(driver.isMounted(ref(id)));
      });
      same(driver.list(), [id]);
      mounted(id, "rw", (path) => same(listNames(path), ["x"]));
    },
  },
  {
    name: "foreign files beside the layers are not listed and not touched [7]",
    scenarios: [7],
    run({ driver, container, root, isKnown }) {
      const id = container(null);
      for (const path of ["README", "layers/lost+found", "layers/.hidden"]) {
        if (look(`${root}/${path.slice(0, path.lastIndexOf("/"))}`) !== null) {
          writeFile(`${root}/${path}`, "mine");
        }
      }
      const before = everything(root);
      same(driver.list(), [id]);
      driver.recover(isKnown);
      same(everything(root), before);
    },
  },
  {
    name: "a second process sees layers as soon as they are committed [11]",
    scenarios: [11],
    run({ image, open, ref, container }) {
      const other = open();
      const base = image(null, (sink) => sendFile(sink, "a", "1"));
      const id = container(base);
      const { path } = other.mount(ref(id), { view: "rw" });
      try {
        same(listNames(path), ["a"]);
      } finally {
        other.unmount(ref(id));
      }
    },
  },
  {
    name: "verify finds nothing wrong with a whole layer, and says when its files are gone [57]",
    scenarios: [57],
    run({ driver, image, container, mounted, ref, newId }) {
      const base = image(null, (sink) => sendFile(sink, "a", "1"));
      const id = container(base);
      mounted(id, "rw", (path) => writeFile(`${path}/b`, "2"));
      for (const depth of ["exists", "stat", "digest"] as const) {
        same(driver.verify(ref(id), depth), []);
        same(driver.verify(ref(base), depth), []);
      }
      const lost = newId();
      same(
        driver.verify({ id: lost, chain: [] }, "exists").map((each) => [each.layer, each.kind]),
        [
          [lost, "missing"],
        ],
      );
    },
  },
  {
    name: "usage counts an inode once and only what the layer holds [55]",
    scenarios: [55],
    run({ driver, image, ref, container }) {
      const base = image(null, (sink) => {
        sendFile(sink, "a", "12345");
        sink.entry(entry("hardlink", "b", { linkTarget: raw("a") }));
        sink.entry(entry("symlink", "c", { linkTarget: raw("abc") }));
      });
      const next = image(base, (sink) => {
        sink.entry(entry("whiteout", "a", { mode: 0, mtime: 0n }));
        sendFile(sink, "d", "1");
      });
      same([driver.usage(ref(base)).bytes, driver.usage(ref(base)).inodes], [8, 3]);
      same([driver.usage(ref(next)).bytes, driver.usage(ref(next)).inodes], [1, 2]);
      same(driver.usage(ref(container(null))).bytes, 0);
    },
  },
];
