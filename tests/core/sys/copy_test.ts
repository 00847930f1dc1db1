/** Copies: holes, ranges, shared blocks, and between file systems. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  close,
  type Fd,
  O,
  pread,
  pwrite,
  readAll,
  seek,
  statFd,
  truncate,
} from "../../../core/sys/at.ts";
import { cloneFile, copyFile, copyRange, dataExtents } from "../../../core/sys/copy.ts";
import { makeDirs, openText } from "../../../core/sys/files.ts";
import { FS_MAGIC, fsMagic, mount, unmount } from "../../../core/sys/mount.ts";
import { run, runOk } from "../../../core/sys/spawn.ts";
import { skipUnless } from "../../skip_reason.ts";
import { inTemporaryDir } from "./temporary_dir.ts";

const MiB = 1024 * 1024;
const create = (path: string): Fd => openText(path, O.RDWR | O.CREAT | O.TRUNC, 0o600);
const noise = (size: number) => new Uint8Array(size).map((_, i) => (i * 7 + (i >> 8)) & 0xff);

/** Data at 0, 3 MiB and the last bytes before 8 MiB + 5, holes between and after. */
function makeSparse(path: string): Fd {
  const fd = create(path);
  pwrite(fd, noise(5000), 0);
  pwrite(fd, noise(70_000), 3 * MiB);
  pwrite(fd, noise(3), 8 * MiB);
  truncate(fd, 9 * MiB + 5);
  return fd;
}

function assertSame(a: Fd, b: Fd): void {
  seek(a, 0);
  seek(b, 0);
  assert.equal(Buffer.compare(readAll(a), readAll(b)), 0);
}

test("extents say where data is, and nothing more than data", () => {
  inTemporaryDir((dir) => {
    const fd = makeSparse(`${dir}/sparse`);
    const extents = dataExtents(fd, 9 * MiB + 5);
    assert.deepEqual(extents.map(({ offset }) => offset), [0, 3 * MiB, 8 * MiB]);
    assert.ok(extents.every(({ length }) => length > 0 && length <= 128 * 1024));
    assert.deepEqual(dataExtents(fd, 4000), [{ offset: 0, length: 4000 }]);
    const hole = create(`${dir}/hole`);
    truncate(hole, 2 ** 40);
    assert.deepEqual(dataExtents(hole, 2 ** 40), []);
    assert.deepEqual(dataExtents(hole, 0), []);
    pwrite(hole, noise(10), 2 ** 40 - 10);
    assert.equal(dataExtents(hole, 2 ** 40).length, 1);
    [fd, hole].forEach(close);
  });
});

test("a copy has the same bytes and the same holes", () => {
  inTemporaryDir((dir) => {
    const [from, to] = [makeSparse(`${dir}/from`), create(`${dir}/to`)];
    copyFile(from, to, 9 * MiB + 5);
    assertSame(from, to);
    assert.ok(statFd(to).blocks <= statFd(from).blocks + 16);
    const [empty, other] = [create(`${dir}/empty`), create(`${dir}/other`)];
    copyFile(empty, other, 0);
    assert.equal(statFd(other).size, 0);
    [from, to, empty, other].forEach(close);
  });
});

test("ranges are copied to other offsets, at the position, and stop at the end", () => {
  inTemporaryDir((dir) => {
    const [from, to] = [create(`${dir}/from`), create(`${dir}/to`)];
    const data = noise(300_000);
    pwrite(from, data, 0);
    assert.equal(copyRange(from, to, { length: 200_000, fromOffset: 1000, toOffset: 50 }), 200_000);
    const piece = new Uint8Array(200_000);
    assert.equal(pread(to, piece, 50), 200_000);
    assert.equal(Buffer.compare(piece, data.subarray(1000, 201_000)), 0);
    seek(from, 299_000);
    truncate(to, 0);
    assert.equal(copyRange(from, to, { length: 5000 }), 1000);
    assert.equal(seek(to, 0, 1), 1000);
    assert.equal(copyRange(from, to, { length: 5 }), 0);
    // procfs knows no copy_file_range: read and write take over.
    const status = openText("/proc/self/status", O.RDONLY);
    truncate(to, 0);
    seek(to, 0);
    assert.ok(copyRange(status, to, { length: MiB }) > 500);
    [from, to, status].forEach(close);
  });
});

test("a copy to another file system is the same", { skip: skipUnless({ root: true }) }, () => {
  inTemporaryDir((dir) => {
    makeDirs(`${dir}/tmpfs`);
    mount({ type: "tmpfs", target: `${dir}/tmpfs`, data: "size=32m" });
    try {
      const [from, to, back] = [
        makeSparse(`${dir}/from`),
        create(`${dir}/tmpfs/to`),
        create(`${dir}/back`),
      ];
      assert.equal(cloneFile(from, to), false);
      copyFile(from, to, 9 * MiB + 5);
      assertSame(from, to);
      assert.ok(statFd(to).blocks * 512 < MiB);
      copyFile(to, back, 9 * MiB + 5);
      assertSame(from, back);
      [from, to, back].forEach(close);
    } finally {
      unmount(`${dir}/tmpfs`);
    }
  });
});

test(
  "on XFS a clone shares the blocks of its source",
  { skip: skipUnless({ root: true, programs: ["mkfs.xfs", "losetup"] }) },
  (context) => {
    inTemporaryDir((dir) => {
      const image = openText(`${dir}/image`, O.RDWR | O.CREAT, 0o600);
      truncate(image, 320 * MiB);
      close(image);
      runOk(["mkfs.xfs", "-q", "-m", "reflink=1", `${dir}/image`]);
      makeDirs(`${dir}/xfs`);
      const mounted = run(["mount", "-o", "loop", `${dir}/image`, `${dir}/xfs`]);
      if (mounted.status !== 0) {
        console.log(`skipped: this kernel mounts no XFS image: ${mounted.stderr.trim()}`);
        return context.skip("this kernel mounts no XFS image");
      }
      try {
        assert.equal(fsMagic(`${dir}/xfs`), FS_MAGIC.xfs);
        const [from, to] = [create(`${dir}/xfs/from`), create(`${dir}/xfs/to`)];
        pwrite(from, noise(4 * MiB), 0);
        assert.equal(cloneFile(from, to), true);
        assertSame(from, to);
        const shared = run(["filefrag", "-v", `${dir}/xfs/to`]);
        if (shared.status === 0) assert.match(new TextDecoder().decode(shared.stdout), /shared/);
        pwrite(to, new Uint8Array([1, 2, 3]), 0);
        const first = new Uint8Array(3);
        pread(from, first, 0);
        assert.deepEqual([...first], [...noise(3)]);
        const longer = create(`${dir}/xfs/longer`);
        copyFile(from, longer, 4 * MiB);
        assertSame(from, longer);
        [from, to, longer].forEach(close);
      } finally {
        unmount(`${dir}/xfs`);
      }
    });
  },
);
