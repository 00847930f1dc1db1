/** Extended attributes of files, links and devices. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isErrno } from "../../../core/errors.ts";
import { raw, type RawPath } from "../../../core/terms.ts";
import { AT_FDCWD, close, type Fd, mknodAt, O, openAt, symlinkAt } from "../../../core/sys/at.ts";
import * as xattr from "../../../core/sys/xattr.ts";
import { skipUnless } from "../../skip_reason.ts";
import { inTemporaryDir } from "./temporary_dir.ts";

function inDir(body: (dir: Fd) => void): void {
  inTemporaryDir((path) => {
    const dir = openAt(AT_FDCWD, raw(path), O.RDONLY | O.DIRECTORY);
    try {
      body(dir);
    } finally {
      close(dir);
    }
  });
}
const bytes = (...values: number[]) => new Uint8Array(values);

test("an open file has attributes: binary, empty, named in bytes, up to 3 KiB", () => {
  inDir((dir) => {
    const fd = openAt(dir, raw("file"), O.RDWR | O.CREAT, 0o600);
    assert.deepEqual(xattr.listXattrs(fd), []);
    const odd = "user.\xff name" as RawPath;
    const large = new Uint8Array(3000).map((_, i) => i);
    xattr.setXattr(fd, raw("user.zero"), bytes(0, 1, 0));
    xattr.setXattr(fd, raw("user.empty"), bytes());
    xattr.setXattr(fd, odd, bytes(255));
    assert.deepEqual(xattr.listXattrs(fd).sort(), ["user.empty", "user.zero", odd].sort());
    assert.deepEqual(xattr.getXattr(fd, raw("user.zero")), bytes(0, 1, 0));
    assert.deepEqual(xattr.getXattr(fd, raw("user.empty")), bytes());
    assert.deepEqual(xattr.getXattr(fd, odd), bytes(255));
    assert.equal(xattr.getXattr(fd, raw("user.none")), null);
    for (const name of [raw("user.zero"), raw("user.empty"), odd]) xattr.removeXattr(fd, name);
    xattr.setXattr(fd, raw("user.large"), large);
    assert.deepEqual(xattr.getXattr(fd, raw("user.large")), large);
    xattr.removeXattr(fd, raw("user.large"));
    xattr.removeXattr(fd, raw("user.large"));
    assert.deepEqual(xattr.listXattrs(fd), []);
    assert.throws(
      () => xattr.setXattr(fd, raw("nospace.x"), bytes(1)),
      (error) => isErrno(error, "EOPNOTSUPP") && error.message.includes("nospace.x"),
    );
    close(fd);
  });
});

test("a list of names longer than the first buffer comes back whole", () => {
  inDir((dir) => {
    const fd = openAt(dir, raw("file"), O.RDWR | O.CREAT, 0o600);
    const names = Array.from({ length: 12 }, (_, i) => raw(`user.${"n".repeat(120)}${i}`));
    for (const name of names) xattr.setXattr(fd, name, bytes(1));
    assert.deepEqual(xattr.listXattrs(fd).sort(), [...names].sort());
    assert.deepEqual(xattr.listXattrsAt(dir, raw("file")).sort(), [...names].sort());
    close(fd);
  });
});

test("links and devices have attributes of their own", { skip: skipUnless({ root: true }) }, () => {
  inDir((dir) => {
    close(openAt(dir, raw("file"), O.RDWR | O.CREAT, 0o600));
    symlinkAt(raw("file"), dir, raw("link"));
    symlinkAt(raw("gone"), dir, raw("dangling"));
    mknodAt(dir, raw("device"), "char", 0, { major: 0, minor: 0 });
    for (const each of ["link", "dangling", "device"].map(raw)) {
      xattr.setXattrAt(dir, each, raw("trusted.overlay.x"), bytes(1, 2));
      xattr.setXattrAt(dir, each, raw("trusted.empty"), bytes());
      assert.deepEqual(xattr.getXattrAt(dir, each, raw("trusted.overlay.x")), bytes(1, 2));
      assert.equal(xattr.listXattrsAt(dir, each).length, 2);
      xattr.removeXattrAt(dir, each, raw("trusted.empty"));
      xattr.removeXattrAt(dir, each, raw("trusted.empty"));
      assert.deepEqual(xattr.listXattrsAt(dir, each), ["trusted.overlay.x"]);
      assert.throws(
        () => xattr.setXattrAt(dir, each, raw("user.x"), bytes(1)),
        (error) => isErrno(error, "EPERM", "EOPNOTSUPP"),
      );
      assert.equal(xattr.getXattrAt(dir, each, raw("user.x")), null);
    }
    assert.deepEqual(xattr.listXattrsAt(dir, raw("file")), []);
    const capability = bytes(1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    xattr.setXattrAt(dir, raw("file"), raw("security.capability"), capability);
    assert.deepEqual(xattr.getXattrAt(dir, raw("file"), raw("security.capability")), capability);
    assert.throws(() => xattr.listXattrsAt(dir, raw("gone")), (error) => isErrno(error, "ENOENT"));
  });
});
