/** Conformance cases: limits of options and space; [18] [27] [59] [64] [66]. */
import { deepStrictEqual as same, equal, ok } from "node:assert/strict";
import { CoracleError } from "../../../core/errors.ts";
import { AT_FDCWD, close, O, openAt, syncfs } from "../../../core/sys/at.ts";
import { fsSpace } from "../../../core/sys/mount.ts";
import { type LayerId, raw } from "../../../core/terms.ts";
import type { Case, Fixture } from "../conformance.ts";
import { entry, expectCode, listNames, look, readAll, sendFile, writeFile } from "./trees.ts";

const MIB = 1024 * 1024;

function tower({ image }: Fixture, count: number): LayerId {
  let top: LayerId | null = null;
  for (let i = 0; i < count; i++) {
    top = image(top, (sink) => sendFile(sink, `file-${i}`, `${i}`));
  }
  return top as LayerId;
}

/** Bytes in use on the file system of `path`, with nothing left to be written. */
function used(path: string): number {
  const fd = openAt(AT_FDCWD, raw(path), O.RDONLY | O.DIRECTORY);
  syncfs(fd);
  close(fd);
  const { bytes, free } = fsSpace(path);
  return bytes - free;
}

export const LIMIT_CASES: readonly Case[] = [
  {
    name: "forty layers are mounted, though the new mount calls take 255 bytes a value [18]",
    scenarios: [18],
    run(fixture) {
      const { container, mounted } = fixture;
      const id = container(tower(fixture, 40));
      mounted(id, "rw", (path) => equal(listNames(path).length, 40));
    },
  },
  {
    name: "a mount label is carried, or refused before anything is mounted [27]",
    scenarios: [27],
    run(fixture) {
      const { driver, container, ref } = fixture;
      const id = container(tower(fixture, 20));
      const label = `system_u:object_r:container_file_t:s0:${"c1,".repeat(60)}c2`;
      try {
        const { path } = driver.mount(ref(id), { view: "rw", label });
        same(listNames(path).length, 20);
      } catch (error) {
        ok(error instanceof CoracleError, String(error));
        equal(driver.isMounted(ref(id)), false);
      }
      driver.unmount(ref(id));
      const { path } = driver.mount(ref(id), { view: "rw" });
      same(listNames(path).length, 20);
      driver.unmount(ref(id));
    },
  },
  {
    name: "a quota that the driver cannot keep is refused before anything is made [59]",
    scenarios: [59],
    needs: ({ can }) => can.quota ? "this driver keeps quotas" : null,
    run({ driver, newId }) {
      const spec = { id: newId(), chain: [], kind: "container", quotaBytes: MIB } as const;
      expectCode(() => driver.begin(spec), "unsupported");
      same(driver.list(), []);
    },
  },
  {
    name: "a file system that is full is an error, and aborting gives the space back [64]",
    scenarios: [64],
    run({ driver, begin, root, scratch }) {
      const space = fsSpace(root);
      // Only small ones are filled: those that tests make.
      if (space.bytes > 1024 * MIB) return;
      const before = used(scratch);
      const filler = `${scratch}/filler`;
      const piece = new Uint8Array(new ArrayBuffer(4 * MIB)).fill(7);
      const { stage } = begin(null, "image");
      const size = space.free + 64 * MIB;
      let failed = false;
      try {
        stage.entry(entry("file", "big", { size }));
        for (let sent = 0; sent < size; sent += piece.length) {
          stage.write(piece.subarray(0, Math.min(piece.length, size - sent)));
        }
      } catch (error) {
        failed = true;
        ok(error instanceof CoracleError && /space|quota/i.test(error.message), String(error));
      }
      ok(failed, "a file larger than the file system was written");
      stage.abort();
      same(driver.list(), []);
      ok(used(scratch) - before < 16 * MIB, "the space did not come back");
      writeFile(filler, "there is room again");
    },
  },
  {
    name: "containers share the blocks of what they are made from [66]",
    scenarios: [66],
    needs: ({ can }) => can.sharesBlocks ? null : "this driver copies here",
    run({ image, container, mounted, scratch, driver, ref }) {
      const size = 24 * MIB;
      const content = new Uint8Array(new ArrayBuffer(size));
      for (let at = 0; at < size; at += 32 * 1024) {
        crypto.getRandomValues(content.subarray(at, at + 64));
      }
      for (let at = 64; at < size; at++) if (content[at] === 0) content[at] = 1 + at % 251;
      const base = image(null, (sink) => {
        sink.entry(entry("file", "big", { size }));
        sink.write(content);
        sendFile(sink, "small", "x");
      });
      // What is made once for all containers of an image is made now.
      driver.remove(container(base));
      const before = used(scratch);
      const ids = Array.from({ length: 6 }, () => container(base));
      for (const id of ids) {
        mounted(id, "rw", (path) => {
          equal(look(`${path}/big`)?.size, size);
          writeFile(`${path}/own`, "y");
          equal(readAll(`${path}/small`), "x");
        });
        ok(driver.usage(ref(id)).bytes < MIB, "shared content is counted");
      }
      ok(used(scratch) - before < size / 2, "six containers took the space of one copy");
    },
  },
];
