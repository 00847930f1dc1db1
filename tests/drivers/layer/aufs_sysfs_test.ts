import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { suite, test } from "node:test";
import { parseMountInfo } from "../../../core/sys/mount_table.ts";
import { isKnown } from "../../../drivers/layer/aufs_probe.ts";
import {
  branchesInOptions,
  branchMismatch,
  isUnionAlive,
  readBranches,
  unionId,
} from "../../../drivers/layer/aufs_sysfs.ts";
import type { AufsBranch } from "../../../drivers/layer/aufs_plan.ts";

const mounted = (options: string) =>
  parseMountInfo(`40 26 0:35 / /store/mnt/x rw,relatime - aufs aufs ${options}`);

/** A directory as sysfs has it. */
function withSysfs(branches: readonly string[], work: (directory: string) => void): void {
  const base = mkdtempSync("/tmp/layer-aufs-sysfs-");
  try {
    mkdirSync(`${base}/si_5f2c`);
    writeFileSync(`${base}/si_5f2c/xi_path`, "/dev/shm/.x\n");
    branches.forEach((line, index) => {
      writeFileSync(`${base}/si_5f2c/br${index}`, `${line}\n`);
      writeFileSync(`${base}/si_5f2c/brid${index}`, `${64 + index}\n`);
    });
    work(base);
  } finally {
    rmSync(base, { recursive: true });
  }
}

suite("what aufs says of a union", () => {
  test("the id of a union is in the mount table", () => {
    assert.equal(unionId(mounted("rw,si=5f2c91a0,dirperm1")), "5f2c91a0");
    assert.equal(unionId(mounted("rw,xino=/si=5f")), null);
    assert.equal(unionId(null), null);
  });

  test("branches are read in the order of their numbers, and nothing else is", () => {
    const lines = Array.from(
      { length: 127 },
      (_, i) => `/s/layers/${i}/diff=${i ? "ro+wh" : "rw"}`,
    );
    withSysfs(lines, (sysfs) => {
      const found = readBranches("5f2c", sysfs);
      assert.deepEqual(found.map(({ path, permission }) => `${path}=${permission}`), lines);
      assert.deepEqual(readBranches("other", sysfs), []);
      assert.deepEqual([isUnionAlive("5f2c", sysfs), isUnionAlive("5f2", sysfs)], [true, false]);
    });
  });

  test("a path with an equals sign ends at the last one", () => {
    withSysfs(["/a=b/diff=ro+wh"], (sysfs) => {
      assert.deepEqual(readBranches("5f2c", sysfs), [{ path: "/a=b/diff", permission: "ro+wh" }]);
    });
  });

  test("a module without branches in sysfs has them in the mount table", () => {
    const info = mounted("rw,si=5f2c,dirperm1,br:/s,t/u/diff=rw:/s,t/l/diff=ro+wh");
    assert.deepEqual(branchesInOptions(info), [
      { path: "/s,t/u/diff", permission: "rw" },
      { path: "/s,t/l/diff", permission: "ro+wh" },
    ]);
    assert.deepEqual(branchesInOptions(mounted("rw,si=5f2c")), []);
  });

  test("the file systems of the kernel are read by whole words", () => {
    assert.ok(isKnown("nodev\tproc\nnodev\taufs\n\text4\n"));
    assert.ok(!isKnown("nodev\taufs2\nnodev\tnoaufs\n\text4\n"));
  });
});

suite("a mount is believed when every branch is the wanted one", () => {
  const wanted: AufsBranch[] = [
    { path: "layers/u/diff", permission: "rw" },
    { path: "l/100", permission: "ro+wh" },
    { path: "l/101", permission: "ro+wh" },
  ];
  const directories = ["layers/u/diff", "layers/a/diff", "layers/b/diff"];
  const lines = ["/s/layers/u/diff=rw", "/s/layers/a/diff=ro+wh", "/s/layers/b/diff=ro+wh"];
  const mismatch = (found: readonly string[]) => {
    let why: string | null = "";
    withSysfs(found, (sysfs) => {
      why = branchMismatch(readBranches("5f2c", sysfs), wanted, directories);
    });
    return why;
  };

  test("all there and in order", () => assert.equal(mismatch(lines), null));
  test("cut after a whole branch", () => {
    assert.equal(mismatch(lines.slice(0, 2)), "2 of 3 layers");
  });
  test("cut within a permission that is valid as it is left", () => {
    assert.match(mismatch([...lines.slice(0, 2), "/s/layers/b/diff=ro"]) ?? "", /layer 2 as "ro"/);
  });
  test("another layer under a short name", () => {
    assert.match(
      mismatch([lines[0] as string, lines[2] as string, lines[1] as string]) ?? "",
      /in place of layer 1/,
    );
  });
  test("a name that only ends the same", () => {
    assert.match(mismatch(["/s/xlayers/u/diff=rw", ...lines.slice(1)]) ?? "", /layer 0/);
  });
});
