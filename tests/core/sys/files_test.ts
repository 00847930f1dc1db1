/** The engine's own files: atomic writes, and removal of trees that resist. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode, isErrno } from "../../../core/errors.ts";
import { raw } from "../../../core/terms.ts";
import * as at from "../../../core/sys/at.ts";
import { AT_FDCWD, O } from "../../../core/sys/at.ts";
import * as files from "../../../core/sys/files.ts";
import { mount, unmount } from "../../../core/sys/mount.ts";
import { run, spawnFree } from "../../../core/sys/spawn.ts";
import { skipUnless } from "../../skip_reason.ts";
import { inTemporaryDir } from "./temporary_dir.ts";

test("a written file is the old or the new one, with the mode asked for", () => {
  inTemporaryDir((dir) => {
    const path = `${dir}/größe 🐳.json`;
    files.writeAtomic(path, "one", { durable: true });
    assert.equal(files.readText(path), "one");
    assert.equal(files.lookAtText(path)?.mode, 0o644);
    files.writeAtomic(path, new Uint8Array([0, 255]), { mode: 0o600 });
    assert.deepEqual([...files.readBytes(path)], [0, 255]);
    assert.equal(files.lookAtText(path)?.mode, 0o600);
    assert.deepEqual(files.listNames(dir), ["größe 🐳.json"]);
    files.makeDirs(`${dir}/taken/inside`);
    assert.throws(
      () => files.writeAtomic(`${dir}/taken`, "x"),
      (error) => isErrno(error, "EISDIR"),
    );
    assert.deepEqual(files.listNames(dir), ["größe 🐳.json", "taken"]);
    assert.throws(
      () => files.writeAtomic(`${dir}/none/x`, "x"),
      (error) => hasCode(error, "notfound"),
    );
  });
});

test("files of /proc, which have no size, are read whole", () => {
  assert.match(files.readText("/proc/self/status"), /^Name:/);
  assert.match(files.readText("/proc/kallsyms"), /\n$/);
  assert.equal(files.readTextOrNull("/proc/999999999/stat"), null);
});

test("directories are made with those above them, and again without complaint", () => {
  inTemporaryDir((dir) => {
    files.makeDirs(`${dir}/a/b/c`, 0o711);
    files.makeDirs(`${dir}/a/b/c`);
    assert.equal(files.lookAtText(`${dir}/a/b/c`)?.mode, 0o711);
    files.writeAtomic(`${dir}/file`, "");
    assert.throws(() => files.makeDirs(`${dir}/file`), (error) => hasCode(error, "exists"));
    assert.throws(() => files.makeDirs(`${dir}/file/x`), (error) => isErrno(error, "ENOTDIR"));
    assert.deepEqual(files.listNames(`${dir}/nowhere`), []);
    assert.equal(files.exists(`${dir}/nowhere`), false);
    files.removeFile(`${dir}/nowhere`);
  });
});

test("a file that cannot be made is named as the caller names it", () => {
  inTemporaryDir((dir) => {
    assert.throws(
      () => files.writeAtomic(`${dir}/no/such/file`, "x"),
      (error) => isErrno(error, "ENOENT") && error.path === `${dir}/no/such/file`,
    );
  });
});

test("a tree in which another process still writes is removed", () => {
  inTemporaryDir((dir) => {
    for (let round = 0; round < 20; round++) {
      files.makeDirs(`${dir}/tree/sub`);
      const script = 'for i in $(seq 50); do : > "$0/tree/sub/$i"; : > "$0/tree/$i"; done';
      spawnFree(["sh", "-c", `(${script}) 2>/dev/null`, dir]);
      while (files.listNames(`${dir}/tree`).length < 2) {
        // it begins
      }
      files.removeTree(`${dir}/tree`);
      assert.ok(!files.exists(`${dir}/tree`));
    }
  });
});

test("removing what is gone is quiet, and a link is removed, not what it points to", () => {
  inTemporaryDir((dir) => {
    files.makeDirs(`${dir}/kept`);
    files.writeAtomic(`${dir}/kept/file`, "precious");
    files.makeDirs(`${dir}/tree/deep`);
    at.symlinkAt(raw("../../kept"), AT_FDCWD, raw(`${dir}/tree/deep/link`));
    at.symlinkAt(raw("kept"), AT_FDCWD, raw(`${dir}/direct`));
    files.removeTree(`${dir}/tree/`);
    files.removeTree(`${dir}/direct`);
    files.removeTree(`${dir}/tree`);
    files.removeTree(`${dir}/no/such/place`);
    assert.deepEqual(files.listNames(dir), ["kept"]);
    assert.equal(files.readText(`${dir}/kept/file`), "precious");
  });
});

test("a tree deeper than any path and than our descriptors is removed", () => {
  inTemporaryDir((dir) => {
    let fd = at.openAt(AT_FDCWD, raw(dir), O.RDONLY | O.DIRECTORY);
    const name = raw("directory-with-a-long-name");
    for (let i = 0; i < 1500; i++) {
      at.mkdirAt(fd, name, 0o755);
      if (i % 100 === 0) at.mknodAt(fd, raw("file"), "file", 0o600);
      const next = at.openAt(fd, name, O.RDONLY | O.DIRECTORY);
      at.close(fd);
      fd = next;
    }
    at.close(fd);
    files.removeTree(`${dir}/${name}`);
    assert.deepEqual(files.listNames(dir), ["file"]);
  });
});

test("names in bytes, and directories nobody may read, are removed", () => {
  inTemporaryDir((dir) => {
    files.makeDirs(`${dir}/t/closed`);
    at.mkdirAt(AT_FDCWD, `${dir}/t/\xff\xfe` as ReturnType<typeof raw>, 0o000);
    at.mknodAt(AT_FDCWD, `${dir}/t/closed/\x80` as ReturnType<typeof raw>, "fifo", 0o000);
    at.chmodAt(AT_FDCWD, raw(`${dir}/t/closed`), 0o000);
    files.removeTree(`${dir}/t`);
    assert.deepEqual(files.listNames(dir), []);
  });
});

test(
  "a tree with something mounted in it is busy, and nothing of it is removed",
  { skip: skipUnless({ root: true }) },
  () => {
    inTemporaryDir((dir) => {
      for (const name of ["a", "tmpfs", "bound", "source"]) files.makeDirs(`${dir}/t/${name}`);
      files.writeAtomic(`${dir}/t/a/file`, "x");
      files.writeAtomic(`${dir}/t/source/inside`, "x");
      const refuses = (target: string) =>
        assert.throws(
          () => files.removeTree(`${dir}/t`),
          (error) => hasCode(error, "busy") && error.message.includes(JSON.stringify(target)),
        );
      mount({ source: "t", type: "tmpfs", target: `${dir}/t/tmpfs` });
      try {
        refuses(`${dir}/t/tmpfs`);
      } finally {
        unmount(`${dir}/t/tmpfs`);
      }
      mount({ source: `${dir}/t/source`, target: `${dir}/t/bound`, flags: ["bind"] });
      try {
        refuses(`${dir}/t/bound`);
      } finally {
        unmount(`${dir}/t/bound`);
      }
      mount({ source: `${dir}/t/a/file`, target: `${dir}/t/source/inside`, flags: ["bind"] });
      try {
        refuses(`${dir}/t/source/inside`);
        const parent = at.openAt(AT_FDCWD, raw(dir), O.RDONLY);
        assert.throws(() => files.removeAt(parent, raw("t")), (error) => hasCode(error, "busy"));
        at.close(parent);
      } finally {
        unmount(`${dir}/t/source/inside`);
      }
      assert.equal(files.exists(`${dir}/t/source/inside`), true);
      files.removeTree(`${dir}/t`);
    });
  },
);

test("space on disk counts blocks, an inode once, and is what du says", () => {
  inTemporaryDir((dir) => {
    files.makeDirs(`${dir}/t/sub`);
    files.writeAtomic(`${dir}/t/sub/file`, new Uint8Array(100_000));
    at.linkAt(AT_FDCWD, raw(`${dir}/t/sub/file`), AT_FDCWD, raw(`${dir}/t/again`));
    const sparse = files.openText(`${dir}/t/sparse`, O.WRONLY | O.CREAT, 0o600);
    at.truncate(sparse, 10 ** 9);
    at.close(sparse);
    const du = run(["du", "-s", "-B1", `${dir}/t`]);
    assert.equal(files.sizeOnDisk(`${dir}/t`), parseInt(new TextDecoder().decode(du.stdout)));
    assert.equal(files.sizeOnDisk(`${dir}/none`), 0);
  });
});
