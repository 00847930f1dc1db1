/** Mounts: by mount(2), by the newer calls, the table of mounts, room on file systems. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CoracleError, hasCode, isErrno } from "../../../core/errors.ts";
import { exists, listNames, makeDirs, readText, writeAtomic } from "../../../core/sys/files.ts";
import * as mounts from "../../../core/sys/mount.ts";
import { parseMountInfo } from "../../../core/sys/mount_table.ts";
import { run } from "../../../core/sys/spawn.ts";
import { skipUnless } from "../../skip_reason.ts";
import { inTemporaryDir, scriptCommand } from "./temporary_dir.ts";
import { floor } from "./temporary_dir.ts";

const asRoot = { skip: skipUnless({ root: true }) };

/** Runs `body`, then takes away whatever it mounted on the given targets. */
function thenUnmount(targets: readonly string[], body: () => void): void {
  try {
    body();
  } finally {
    for (const target of targets) while (mounts.unmountIfMounted(target, { detach: true }));
  }
}

test("a line of mountinfo with escapes and optional fields is understood", () => {
  const info = parseMountInfo(
    "36 35 98:0 /a\\040b /mnt/with\\040space\\134\\012 rw,noatime master:1 shared:2 - ext3 /dev/root\\043 rw,errors=continue",
  );
  assert.deepEqual(info, {
    id: 36,
    parent: 35,
    device: "98:0",
    root: "/a b",
    target: "/mnt/with space\\\n",
    options: ["rw", "noatime"],
    propagation: ["master:1", "shared:2"],
    type: "ext3",
    source: "/dev/root#",
    superOptions: ["rw", "errors=continue"],
  });
  assert.deepEqual(parseMountInfo("1 0 0:1 / / rw - tmpfs  rw").source, "");
  assert.equal(mounts.mountAt("/proc")?.type, "proc");
  assert.equal(mounts.mountAt("/proc/self/fd"), null);
});

test("tmpfs is mounted with flags and data, seen in the table, and unmounted", asRoot, () => {
  inTemporaryDir((dir) => {
    const target = `${dir}/with space\\ü`;
    makeDirs(target);
    thenUnmount([target], () => {
      mounts.mount({
        source: "name",
        type: "tmpfs",
        target,
        flags: ["nosuid", "nodev", "noexec", "noatime"],
        data: "size=1m,mode=0750",
      });
      const found = mounts.mountAt(target);
      assert.deepEqual([found?.type, found?.source, found?.target], ["tmpfs", "name", target]);
      for (const word of ["nosuid", "nodev", "noexec", "noatime"]) {
        assert.ok(found?.options.includes(word), word);
      }
      assert.equal(mounts.fsMagic(target), mounts.FS_MAGIC.tmpfs);
      assert.equal(mounts.fsName(mounts.fsMagic(target)), "tmpfs");
      assert.equal(mounts.fsSpace(target).bytes, 1024 * 1024);
      mounts.mount({ target, flags: ["remount", "ro"], data: "size=1m" });
      assert.throws(() => writeAtomic(`${target}/x`, ""), (error) => isErrno(error, "EROFS"));
      assert.deepEqual(mounts.mountsBelow(dir).map((each) => each.target), [target]);
      mounts.unmount(target);
      assert.equal(mounts.mountAt(target), null);
      assert.throws(() => mounts.unmount(target), (error) => isErrno(error, "EINVAL"));
      assert.equal(mounts.unmountIfMounted(`${dir}/nowhere`), false);
    });
  });
});

test("a bind mount is read-only at once, and private when asked", asRoot, () => {
  inTemporaryDir((dir) => {
    makeDirs(`${dir}/from`);
    makeDirs(`${dir}/to`);
    writeAtomic(`${dir}/from/file`, "x");
    thenUnmount([`${dir}/to`], () => {
      mounts.mount({
        source: `${dir}/from`,
        target: `${dir}/to`,
        flags: ["rbind", "ro", "nosuid", "rprivate"],
      });
      assert.throws(() => writeAtomic(`${dir}/to/y`, ""), (error) => isErrno(error, "EROFS"));
      assert.equal(readText(`${dir}/to/file`), "x");
      const found = mounts.mountAt(`${dir}/to`)!;
      assert.ok(found.options.includes("ro") && found.options.includes("nosuid"));
      assert.deepEqual(found.propagation, []);
      writeAtomic(`${dir}/from/y`, "");
      mounts.mount({ target: `${dir}/to`, flags: ["shared"] });
      assert.match(mounts.mountAt(`${dir}/to`)!.propagation[0] ?? "", /^shared:\d+$/);
    });
  });
});

test("what cannot be mounted is refused with a reason, before the kernel cuts it", asRoot, () => {
  inTemporaryDir((dir) => {
    const spec = { type: "tmpfs", target: dir };
    assert.throws(
      () => mounts.mount({ ...spec, flags: ["no-such"] }),
      (error) => hasCode(error, "usage"),
    );
    assert.throws(
      () => mounts.mount({ ...spec, data: "x".repeat(4096) }),
      (error) => hasCode(error, "unsupported") && error.message.includes("4096 bytes"),
    );
    assert.throws(
      () => mounts.mount({ ...spec, type: "nofs" }),
      (error) => isErrno(error, "ENODEV"),
    );
    assert.throws(
      () => mounts.mount({ ...spec, target: `${dir}/no` }),
      (error) => hasCode(error, "notfound"),
    );
    assert.deepEqual(mounts.mountsBelow(dir), []);
    assert.deepEqual(
      mounts.splitMountOptions(["ro", "size=5", "rprivate", "mode=1", "defaults"]),
      { flags: ["ro", "rprivate", "defaults"], data: "size=5,mode=1" },
    );
  });
});

test("overlay is mounted by short names from its own directory", asRoot, () => {
  inTemporaryDir((dir) => {
    const store = `${dir}/store, with: odd\\ name`;
    for (const name of ["l/1", "l/2", "u", "w", "m"]) makeDirs(`${store}/${name}`);
    writeAtomic(`${store}/l/1/one`, "1");
    writeAtomic(`${store}/l/2/two`, "2");
    const before = process.cwd();
    thenUnmount([`${store}/m`], () => {
      mounts.mountRelative(store, {
        source: "overlay",
        type: "overlay",
        target: "m",
        data: "lowerdir=l/2:l/1,upperdir=u,workdir=w",
      });
      assert.equal(process.cwd(), before);
      assert.deepEqual(listNames(`${store}/m`), ["one", "two"]);
      writeAtomic(`${store}/m/three`, "3");
      assert.equal(readText(`${store}/u/three`), "3");
      assert.equal(mounts.fsMagic(`${store}/m`), mounts.FS_MAGIC.overlay);
    });
    assert.throws(
      () => mounts.mountRelative(store, { type: "overlay", target: "m", data: "lowerdir=none" }),
      (error) => hasCode(error, "notfound"),
    );
    assert.equal(process.cwd(), before);
    assert.throws(() => mounts.mountRelative(`${dir}/none`, { target: "m" }));
  });
});

test(
  "the newer calls mount without a limit of length and pass on the kernel's words",
  { skip: skipUnless({ root: true, other: mounts.hasMountFs() ? false : "needs Linux 5.2" }) },
  () => {
    inTemporaryDir((dir) => {
      for (const name of ["a", "b", "u", "w", "m"]) makeDirs(`${dir}/${name}`);
      thenUnmount([`${dir}/m`], () => {
        mounts.mountFs(
          { type: "tmpfs", source: "name", options: [["size", "1m"]], flags: ["nosuid", "ro"] },
          `${dir}/m`,
        );
        const found = mounts.mountAt(`${dir}/m`);
        assert.deepEqual([found?.type, found?.source], ["tmpfs", "name"]);
        assert.ok(found?.options.includes("nosuid") && found?.superOptions.includes("ro"));
        mounts.unmount(`${dir}/m`);
        mounts.mountFs({
          type: "overlay",
          options: [["lowerdir", `${dir}/a:${dir}/b`], ["upperdir", `${dir}/u`], [
            "workdir",
            `${dir}/w`,
          ]],
        }, `${dir}/m`);
        writeAtomic(`${dir}/m/x`, "");
        assert.ok(exists(`${dir}/u/x`));
      });
      assert.throws(
        () => mounts.mountFs({ type: "overlay", options: [["nope", "1"]] }, `${dir}/m`),
        (error) => error instanceof CoracleError && /nope/.test(error.message),
      );
      assert.throws(
        () => mounts.mountFs({ type: "nofs", options: [] }, dir),
        (error) => error instanceof CoracleError,
      );
      assert.throws(
        () => mounts.mountFs({ type: "tmpfs", options: [], flags: ["bogus"] }, dir),
        (error) => hasCode(error, "usage"),
      );
      assert.equal(mounts.mountAt(`${dir}/m`), null);
    });
  },
);

test("mounts of a thread with its own namespace are not seen outside", asRoot, () => {
  inTemporaryDir((dir) => {
    makeDirs(`${dir}/m`);
    const command = scriptCommand(
      dir,
      `import * as m from "${floor}mount.ts";
      import { exists, writeAtomic } from "${floor}files.ts";
      m.unshareMounts();
      m.mount({ type: "tmpfs", target: "${dir}/m" });
      writeAtomic("${dir}/m/inside", "");
      if (!exists("${dir}/m/inside")) throw new Error("not mounted");`,
    );
    const result = run(command);
    assert.deepEqual([result.status, result.stderr], [0, ""]);
    assert.equal(exists(`${dir}/m/inside`), false);
  });
});
