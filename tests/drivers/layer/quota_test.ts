/** Limits of writable layers: kept where the file system has project quotas, refused elsewhere. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
} from "node:fs";
import { test } from "node:test";
import type { CoracleError } from "../../../core/errors.ts";
import type { LayerId } from "../../../core/terms.ts";
import { driver as copy } from "../../../drivers/layer/copy.ts";
import type { LayerDriver } from "../../../drivers/layer/driver.ts";
import { driver as overlay } from "../../../drivers/layer/overlay.ts";
import { close, O } from "../../../core/sys/at.ts";
import { openText } from "../../../core/sys/files.ts";
import {
  projectQuotaProblem,
  setProject,
  setProjectLimit,
} from "../../../core/sys/project_quota.ts";
import { skipUnless } from "../../skip_reason.ts";

const MIB = 1024 * 1024;
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

function sh(script: string, ...args: string[]): { status: number | null; stderr: string } {
  return spawnSync("sh", ["-ec", script, "sh", ...args], {
    encoding: "utf8",
    env: { ...process.env, PATH },
  });
}

interface Disk extends Disposable {
  readonly path: string;
}

/** A loop image with project quotas. Throws when this kernel has none. */
function quotaDisk(type: "ext4" | "xfs"): Disk {
  const base = mkdtempSync("/dev/shm/layer-quota-");
  const image = openSync(`${base}/image`, "w");
  ftruncateSync(image, 400 * MIB);
  closeSync(image);
  mkdirSync(`${base}/mount`);
  const make = type === "ext4" ? "mkfs.ext4 -q -F -O project,quota" : "mkfs.xfs -q -f";
  const { status, stderr } = sh(
    `${make} "$1/image"; mount -o loop,prjquota "$1/image" "$1/mount"`,
    base,
  );
  const dispose = () => {
    spawnSync("umount", ["-l", `${base}/mount`]);
    rmSync(base, { recursive: true, force: true });
  };
  const problem = status === 0 ? projectQuotaProblem(`${base}/mount`) : stderr.trim();
  if (problem !== null) {
    dispose();
    throw new Error(problem);
  }
  return { path: `${base}/mount`, [Symbol.dispose]: dispose };
}

function problemOf(type: "ext4" | "xfs"): string | false {
  if (process.getuid?.() !== 0) return "needs root";
  try {
    quotaDisk(type)[Symbol.dispose]();
    return false;
  } catch (error) {
    return `this kernel has no project quotas on ${type}: ${error}`;
  }
}

function open(module: typeof overlay, base: string, options = {}): LayerDriver {
  for (const name of ["root", "run"]) mkdirSync(`${base}/${name}`, { recursive: true });
  return module.open({ root: `${base}/root`, runroot: `${base}/run`, options });
}

const IMAGE = { id: "base".padEnd(26, "a") as LayerId, chain: [] };
const LIMITED = { id: "limited".padEnd(26, "a") as LayerId, chain: [IMAGE.id] };

function makeLimited(driver: LayerDriver, bytes: number): void {
  const image = driver.begin({ ...IMAGE, kind: "image" });
  image.end();
  image.commit();
  driver.begin({ ...LIMITED, kind: "container", quotaBytes: bytes }).commit();
}

for (const type of ["ext4", "xfs"] as const) {
  const skip = skipUnless({ other: problemOf(type) });
  test(`on ${type} a limited layer takes its limit and no more [59]`, { skip }, () => {
    using disk = quotaDisk(type);
    const driver = open(overlay, disk.path);
    assert.equal(driver.can.quota, true);
    makeLimited(driver, 50 * MIB);
    const { path } = driver.mount(LIMITED, { view: "rw" });
    try {
      const write = (name: string, mib: number) =>
        sh(`dd if=/dev/zero of="$1" bs=1M count=${mib} 2>&1`, `${path}/${name}`).status;
      assert.equal(write("first", 25), 0);
      assert.notEqual(write("second", 50), 0);
    } finally {
      driver.unmount(LIMITED);
    }
    assert.equal(readdirSync(`${disk.path}/root/quotas`).length, 1);
    driver.remove(LIMITED.id);
    assert.deepEqual(readdirSync(`${disk.path}/root/quotas`), []);
  });
}

function refused(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    assert.equal((error as CoracleError).code, "unsupported");
    return `${(error as CoracleError).why}`;
  }
  assert.fail("it was not refused");
}

test("without project quotas a limit is refused with the reason, and nothing is left", {
  skip: skipUnless({ root: true }),
}, () => {
  const base = mkdtempSync("/dev/shm/layer-quota-");
  try {
    const driver = open(overlay, base);
    assert.equal(driver.can.quota, false);
    const why = refused(() => makeLimited(driver, MIB));
    assert.match(why, /the file system tmpfs has no project quotas/);
    assert.deepEqual(driver.list(), [IMAGE.id]);
    assert.deepEqual(readdirSync(`${base}/root/stages`), []);
    const other = open(copy as unknown as typeof overlay, `${base}/copy`);
    assert.equal(other.can.quota, false);
    const spec = { ...LIMITED, chain: [], kind: "container", quotaBytes: MIB } as const;
    assert.match(refused(() => other.begin(spec)), /"copy" has no quotas/);
  } finally {
    rmSync(base, { recursive: true });
  }
});

test(
  "a file system without the mount option is named",
  { skip: skipUnless({ root: true }) },
  () => {
    const base = mkdtempSync("/dev/shm/layer-quota-");
    try {
      const done = sh(
        `truncate -s 64M "$1/image"; mkfs.ext4 -q -F "$1/image"; mkdir "$1/m"; mount -o loop "$1/image" "$1/m"`,
        base,
      );
      assert.equal(done.status, 0, done.stderr);
      assert.match(
        projectQuotaProblem(`${base}/m`) ?? "",
        /^the file system ext4 at "\/dev\/shm\/layer-quota-\w+\/m" is not mounted with "prjquota"$/,
      );
    } finally {
      spawnSync("umount", ["-l", `${base}/m`]);
      rmSync(base, { recursive: true });
    }
  },
);

test("a directory joins a project, and so does what is made in it", {
  skip: skipUnless({ root: true, programs: ["lsattr", "mkfs.xfs"] }),
}, () => {
  const base = mkdtempSync("/dev/shm/layer-quota-");
  try {
    const done = sh(
      `truncate -s 320M "$1/image"; mkfs.xfs -q -f "$1/image"; mkdir "$1/m"
      mount -o loop "$1/image" "$1/m"; mkdir "$1/m/limited"`,
      base,
    );
    assert.equal(done.status, 0, done.stderr);
    const fd = openText(`${base}/m/limited`, O.RDONLY | O.DIRECTORY);
    setProject(fd, 1_234_567);
    close(fd);
    mkdirSync(`${base}/m/limited/inner`);
    const listed = spawnSync("lsattr", ["-pd", `${base}/m/limited/inner`], { encoding: "utf8" });
    assert.match(listed.stdout, /^ *1234567 .*P/);
    // Reached the kernel, which keeps no limits on this mount.
    assert.throws(() => setProjectLimit(`${base}/m`, 1_234_567, MIB), /cannot limit the space/);
  } finally {
    spawnSync("umount", ["-l", `${base}/m`]);
    rmSync(base, { recursive: true });
  }
});
