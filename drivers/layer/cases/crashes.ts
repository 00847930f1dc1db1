/** Conformance cases: what a killed process, a reboot or a lost file leaves; [24]-[26], [62]. */
import { deepStrictEqual as same, ok } from "node:assert/strict";
import { close, lookAt } from "../../../core/sys/at.ts";
import { type LayerId, raw } from "../../../core/terms.ts";
import {
  everything,
  expectCode,
  listNames,
  look,
  readAll,
  remove,
  sendFile,
  writeFile,
} from "./trees.ts";
import type { Case } from "../conformance.ts";

export const CRASH_CASES: readonly Case[] = [
  {
    name: "recover leaves known layers, living stages and mounts alone [25] [62]",
    scenarios: [25, 62],
    run({ driver, image, container, begin, mounted, isKnown, ref, open }) {
      const base = image(null, (sink) => sendFile(sink, "a", "1"));
      const id = container(base);
      const { id: open1, stage } = begin(base, "image");
      sendFile(stage, "b", "2");
      mounted(id, "rw", (path) => {
        same(open().recover(isKnown).removed, []);
        ok(driver.isMounted(ref(id)));
        same(listNames(path), ["a"]);
      });
      stage.end();
      stage.commit();
      driver.sync();
      mounted(open1, "ro", (path) => same(listNames(path), ["a", "b"]));
    },
  },
  {
    name: "a layer that the store does not name yet belongs to the process that made it [62]",
    scenarios: [62],
    run({ driver, image, forget, open, isKnown }) {
      const id = image(null, (sink) => sendFile(sink, "a", "1"));
      forget(id);
      same(open().recover(isKnown).removed, []);
      same(driver.list(), [id]);
    },
  },
  {
    name: "recover twice is as recover once, and leaves no garbage [25] [62]",
    scenarios: [25, 62],
    run({ driver, container, image, isKnown, root }) {
      const id = container(image(null, (sink) => sendFile(sink, "a", "1")));
      driver.recover(isKnown);
      const before = everything(root);
      driver.recover(isKnown);
      same(everything(root), before);
      driver.remove(id);
      driver.recover(isKnown);
      ok(everything(root).length < before.length);
    },
  },
  {
    name: "an aborted stage gives back all it had, also in the middle of a file [62] [64]",
    scenarios: [62, 64],
    run({ begin, root }) {
      const before = everything(root);
      const { stage } = begin(null, "image");
      sendFile(stage, "deep/er/file", "x");
      stage.entry({
        path: "cut" as never,
        type: "file",
        mode: 0o644,
        uid: 0,
        gid: 0,
        mtime: 0n,
        size: 1000,
      });
      stage.write(new Uint8Array(10));
      stage.abort();
      same(everything(root), before);
    },
  },
  {
    name: "an image layer is replaced whole under what builds on it [57]",
    scenarios: [57],
    run({ driver, image, container, mounted, ref }) {
      const base = image(null, (sink) => sendFile(sink, "a", "damaged"));
      const id = container(image(base, (sink) => sendFile(sink, "b", "2")));
      mounted(id, "rw", (path) => writeFile(`${path}/c`, "3"));
      const before = [driver.list(), driver.changes(ref(id))];
      const again = () => {
        const stage = driver.begin({ ...ref(base), kind: "image", replaces: true });
        sendFile(stage, "a", "whole");
        stage.end();
        return stage;
      };
      again().abort();
      mounted(id, "ro", (path) => same(readAll(`${path}/a`), "damaged"));
      again().commit();
      driver.sync();
      same([driver.list(), driver.changes(ref(id))], before);
      mounted(container(base), "rw", (path) => same(readAll(`${path}/a`), "whole"));
      same(driver.verify(ref(id), "exists"), []);
      driver.recover(() => true);
      same(driver.verify(ref(id), "exists"), []);
    },
  },
  {
    name: "the tree of a layer has its own files as they came in [57] [58]",
    scenarios: [57, 58],
    run({ driver, image, container, mounted, ref, newId }) {
      const base = image(null, (sink) => sendFile(sink, "deep/a", "1", { mode: 0o640, uid: 7 }));
      const top = image(base, (sink) => sendFile(sink, "deep/b", "22"));
      const id = container(top);
      mounted(id, "rw", (path) => writeFile(`${path}/c`, "333"));
      driver.seal(ref(id));
      for (const [layer, path, size] of [[base, "deep/a", 1], [top, "deep/b", 2], [id, "c", 3]]) {
        const tree = driver.openTree(layer as LayerId);
        try {
          same(lookAt(tree, raw(path as string))?.size, size);
        } finally {
          close(tree);
        }
      }
      expectCode(() => driver.openTree(newId()), "notfound");
    },
  },
  {
    name: "what a container wrote is there after unmounting and opening again [62]",
    scenarios: [62],
    run({ container, image, mounted, open, ref }) {
      const id = container(image(null, (sink) => sendFile(sink, "a", "1")));
      mounted(id, "rw", (path) => {
        writeFile(`${path}/b`, "2");
        remove(`${path}/a`);
      });
      const other = open();
      const { path } = other.mount(ref(id), { view: "rw" });
      try {
        same(listNames(path), ["b"]);
        ok(look(`${path}/b`)?.size === 1);
      } finally {
        other.unmount(ref(id));
      }
    },
  },
  {
    name: "a volatile container can be mounted again and again in one boot [62]",
    scenarios: [62],
    needs: ({ can }) => can.volatile ? null : "it has no volatile layers",
    run({ driver, container, image, ref }) {
      const id = container(image(null, (sink) => sendFile(sink, "a", "1")));
      for (const volatile of [true, true, false, true]) {
        const { path } = driver.mount(ref(id), { view: "rw", volatile });
        writeFile(`${path}/b`, `${volatile}`);
        driver.unmount(ref(id));
      }
      same(driver.verify(ref(id), "exists"), []);
    },
  },
];
