/** Descriptor-relative calls: every kind of object, strange names, times, confinement, errors. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode, isErrno } from "../../../core/errors.ts";
import { raw, type RawPath, text } from "../../../core/terms.ts";
import * as at from "../../../core/sys/at.ts";
import { fdatasync, O } from "../../../core/sys/at.ts";
import { skipUnless } from "../../skip_reason.ts";
import { inTemporaryDir } from "./temporary_dir.ts";

/** Runs `body` with an open empty directory. */
function inDir(body: (dir: at.Fd, path: string) => void): void {
  inTemporaryDir((path) => {
    const dir = at.openAt(at.AT_FDCWD, raw(path), O.RDONLY | O.DIRECTORY);
    try {
      body(dir, path);
    } finally {
      at.close(dir);
    }
  });
}

function writeFile(dir: at.Fd, name: RawPath, content: string): void {
  const fd = at.openAt(dir, name, O.WRONLY | O.CREAT | O.TRUNC, 0o644);
  at.write(fd, new TextEncoder().encode(content));
  at.close(fd);
}

function readFile(dir: at.Fd, name: RawPath): string {
  const fd = at.openAt(dir, name, O.RDONLY);
  try {
    return new TextDecoder().decode(at.readAll(fd));
  } finally {
    at.close(fd);
  }
}

const name = (value: string) => value as RawPath;
const throwsErrno = (action: () => unknown, ...names: string[]) =>
  assert.throws(action, (error) => isErrno(error, ...names) || assert.fail(String(error)));

test("names are bytes: not UTF-8, 255 bytes long, with newlines", () => {
  inDir((dir) => {
    const names = [
      "\xff\xfe\x80",
      "a".repeat(255),
      "\xe4".repeat(255),
      "two\nlines",
      " ",
      "-rf",
      "\\",
    ];
    for (const each of names) writeFile(dir, name(each), each.slice(0, 3));
    for (const each of names) assert.equal(at.statAt(dir, name(each)).type, "file");
    assert.deepEqual(at.listDir(dir).map((entry) => entry.name).sort(), names.map(name).sort());
    writeFile(dir, raw("größe-🐳"), "x");
    at.seek(dir, 0);
    assert.ok(at.listDir(dir).some((entry) => text(entry.name) === "größe-🐳"));
    throwsErrno(() => writeFile(dir, name("a".repeat(256)), ""), "ENAMETOOLONG");
    throwsErrno(() => at.statAt(dir, name("a/".repeat(3000))), "ENAMETOOLONG");
    throwsErrno(() => at.statAt(dir, name("a\0b")), "EINVAL");
    throwsErrno(() => at.statAt(dir, name("ü🐳")), "EINVAL"); // text that was not passed through raw()
  });
});

test("a directory of three thousand names is listed whole, with types", () => {
  inDir((dir) => {
    for (let i = 0; i < 1500; i++) {
      at.symlinkAt(raw("x"), dir, raw(`link-${i}`));
      at.mknodAt(dir, raw(`file-with-a-longer-name-${i}`), "file", 0o600);
    }
    const names = at.listDir(dir);
    assert.equal(new Set(names.map((entry) => entry.name)).size, 3000);
    for (const { name, type } of names) assert.equal(type, name[0] === "l" ? "symlink" : "file");
  });
});

test(
  "stat tells type, mode, owner, size, links and blocks",
  { skip: skipUnless({ root: true }) },
  () => {
    inDir((dir) => {
      writeFile(dir, raw("file"), "hello");
      at.mkdirAt(dir, raw("dir"), 0o700);
      at.symlinkAt(raw("nowhere/at/all"), dir, raw("link"));
      at.mknodAt(dir, raw("fifo"), "fifo", 0o640);
      at.mknodAt(dir, raw("socket"), "socket", 0o600);
      at.mknodAt(dir, raw("char"), "char", 0o600, { major: 4095, minor: 1_048_575 });
      at.mknodAt(dir, raw("block"), "block", 0o600, { major: 259, minor: 70_000 });
      at.mknodAt(dir, raw("whiteout"), "char", 0, { major: 0, minor: 0 });
      at.linkAt(dir, raw("file"), dir, raw("again"));
      at.chownAt(dir, raw("file"), 1234, 4_000_000_000);
      at.chmodAt(dir, raw("file"), 0o4755);
      const file = at.statAt(dir, raw("file"));
      assert.deepEqual(
        [file.type, file.mode, file.uid, file.gid, file.size, file.nlink, file.blocks],
        ["file", 0o4755, 1234, 4_000_000_000, 5, 2, 8],
      );
      assert.equal(file.ino, at.statAt(dir, raw("again")).ino);
      for (const type of ["dir", "fifo", "socket", "char", "block"] as const) {
        assert.equal(at.statAt(dir, raw(type)).type, type);
      }
      const link = at.statAt(dir, raw("link"));
      assert.deepEqual([link.type, link.size], ["symlink", 14]);
      const { major, minor } = at.statAt(dir, raw("char"));
      assert.deepEqual([major, minor], [4095, 1_048_575]);
      const block = at.statAt(dir, raw("block"));
      assert.deepEqual([block.major, block.minor], [259, 70_000]);
      assert.equal(at.statAt(dir, raw("whiteout")).major, 0);
    });
  },
);

test("looking at what is not there gives null, and follows only when asked", () => {
  inDir((dir) => {
    at.symlinkAt(raw("missing"), dir, raw("link"));
    writeFile(dir, raw("file"), "");
    assert.equal(at.lookAt(dir, raw("missing")), null);
    assert.equal(at.lookAt(dir, raw("file/below")), null);
    assert.equal(at.lookAt(dir, raw("link"))?.type, "symlink");
    assert.equal(at.lookAt(dir, raw("link"), { follow: true }), null);
    at.symlinkAt(raw("loop"), dir, raw("loop"));
    throwsErrno(() => at.lookAt(dir, raw("loop"), { follow: true }), "ELOOP");
  });
});

test("times keep nanoseconds, before 1970 and after 2038, on links too", () => {
  inDir((dir, path) => {
    writeFile(dir, raw("file"), "");
    at.symlinkAt(raw("file"), dir, raw("link"));
    at.mkdirAt(dir, raw("dir"), 0o755);
    // ext4 with 256-byte inodes holds 1901 to 2446.
    const times = [
      -1n,
      -1_500_000_001n,
      0n,
      999_999_999n,
      1_700_000_000_123_456_789n,
      4_300_000_000_000_000_001n,
    ];
    for (const mtime of times) {
      for (const each of ["file", "link", "dir"]) {
        at.utimeAt(dir, raw(each), mtime, mtime + 7n);
        const found = at.statAt(dir, raw(each));
        assert.deepEqual([found.mtime, found.atime], [mtime, mtime + 7n], `${each} ${path}`);
      }
    }
    at.utimeAt(dir, raw("file"), 5n);
    assert.equal(at.statAt(dir, raw("file")).atime, times.at(-1)! + 7n);
    const fd = at.openAt(dir, raw("file"), O.RDONLY);
    at.utimeFd(fd, -12n, -13n);
    assert.deepEqual([at.statFd(fd).mtime, at.statFd(fd).atime], [-12n, -13n]);
    at.close(fd);
  });
});

test("owners of links change without touching what they point to", {
  skip: skipUnless({ root: true }),
}, () => {
  inDir((dir) => {
    writeFile(dir, raw("file"), "");
    at.symlinkAt(raw("file"), dir, raw("link"));
    at.chownAt(dir, raw("link"), 77, 78);
    assert.equal(at.statAt(dir, raw("file")).uid, 0);
    assert.equal(at.statAt(dir, raw("link")).gid, 78);
    at.chownAt(dir, raw("link"), -1, 79);
    assert.deepEqual([at.statAt(dir, raw("link")).uid, at.statAt(dir, raw("link")).gid], [77, 79]);
  });
});

test("rename replaces, refuses, or exchanges", () => {
  inDir((dir) => {
    writeFile(dir, raw("a"), "A");
    writeFile(dir, raw("b"), "B");
    throwsErrno(() => at.renameAt(dir, raw("a"), dir, raw("b"), "no-replace"), "EEXIST");
    at.renameAt(dir, raw("a"), dir, raw("b"), "exchange");
    assert.deepEqual([readFile(dir, raw("a")), readFile(dir, raw("b"))], ["B", "A"]);
    at.renameAt(dir, raw("a"), dir, raw("c"), "no-replace");
    at.renameAt(dir, raw("c"), dir, raw("b"));
    assert.deepEqual([readFile(dir, raw("b")), at.lookAt(dir, raw("c"))], ["B", null]);
    throwsErrno(() => at.renameAt(dir, raw("gone"), dir, raw("b"), "exchange"), "ENOENT");
  });
});

test("a file without a name gets one when it is whole", () => {
  inDir((dir, path) => {
    const fd = at.openAt(at.AT_FDCWD, raw(path), O.TMPFILE | O.RDWR, 0o600);
    at.write(fd, new TextEncoder().encode("whole"));
    assert.deepEqual(at.listDir(dir), []);
    at.linkFd(fd, dir, raw("named"));
    at.close(fd);
    assert.equal(readFile(dir, raw("named")), "whole");
  });
});

test("hard links to symlinks link the symlink", () => {
  inDir((dir) => {
    at.symlinkAt(name("to \xff"), dir, raw("link"));
    at.linkAt(dir, raw("link"), dir, raw("second"));
    assert.equal(at.readlinkAt(dir, raw("second")), "to \xff");
    const long = raw("x/".repeat(2000) + "end");
    at.symlinkAt(long, dir, raw("long"));
    assert.equal(at.readlinkAt(dir, raw("long")), long);
  });
});

test("reading and writing at the position and at offsets beyond 4 GiB", () => {
  inDir((dir) => {
    const fd = at.openAt(dir, raw("file"), O.RDWR | O.CREAT, 0o600);
    const far = 5 * 2 ** 32 + 3;
    at.write(fd, new Uint8Array(0));
    at.write(fd, new Uint8Array([1, 2, 3]));
    at.pwrite(fd, new Uint8Array([9, 8]), far);
    assert.equal(at.statFd(fd).size, far + 2);
    const piece = new Uint8Array(8);
    assert.equal(at.pread(fd, piece, far), 2);
    assert.deepEqual([...piece.subarray(0, 2)], [9, 8]);
    assert.equal(at.seek(fd, -1, at.SEEK_END), far + 1);
    assert.equal(at.read(fd, piece), 1);
    assert.equal(at.read(fd, piece), 0);
    at.truncate(fd, 2);
    assert.equal(at.seek(fd, 0), 0);
    assert.equal(at.readAll(fd).length, 2);
    at.fsync(fd);
    fdatasync(fd);
    at.syncfs(fd);
    at.chmodFd(fd, 0o1700);
    assert.equal(at.statFd(fd).mode, 0o1700);
    at.close(fd);
    throwsErrno(() => at.close(fd), "EBADF");
  });
});

test("a path beneath a root cannot leave it, whatever links say", () => {
  inDir((outer) => {
    writeFile(outer, raw("secret"), "outside");
    at.mkdirAt(outer, raw("root"), 0o755);
    const root = at.openAt(outer, raw("root"), O.PATH | O.DIRECTORY);
    at.mkdirAt(root, raw("dir"), 0o755);
    at.mkdirAt(root, raw("etc"), 0o755);
    writeFile(root, raw("etc/passwd"), "inside");
    at.symlinkAt(raw("../secret"), root, raw("up"));
    at.symlinkAt(raw("../../../../../../etc/passwd"), root, raw("dir/far-up"));
    at.symlinkAt(raw("/etc/passwd"), root, raw("absolute"));
    at.symlinkAt(raw("dir/../etc"), root, raw("around"));
    at.symlinkAt(raw("/proc/self/root"), root, raw("magic"));
    const open = (path: string, options: at.BeneathOptions = {}) => {
      const fd = at.openBeneath(root, raw(path), O.RDONLY, options);
      try {
        return new TextDecoder().decode(at.readAll(fd));
      } finally {
        at.close(fd);
      }
    };
    for (
      const path of [
        "../secret",
        "dir/../../secret",
        "up",
        "absolute",
        "/etc/passwd",
        "dir/far-up",
        "magic/etc/passwd",
      ]
    ) {
      throwsErrno(() => open(path), "EXDEV");
    }
    assert.equal(open("around/passwd"), "inside");
    throwsErrno(() => open("around/passwd", { noSymlinks: true }), "ELOOP");
    for (const path of ["absolute", "/etc/passwd", "dir/far-up", "../../etc/passwd"]) {
      assert.equal(open(path, { scope: "in-root" }), "inside");
    }
    throwsErrno(() => open("up", { scope: "in-root" }), "ENOENT");
    const made = at.openBeneath(root, raw("dir/new"), O.WRONLY | O.CREAT | O.EXCL, { mode: 0o600 });
    assert.equal(at.statFd(made).mode, 0o600);
    at.close(made);
    at.close(root);
    throwsErrno(() => at.openBeneath(outer, raw("../../proc/self"), O.PATH), "EXDEV");
  });
  const slash = at.openAt(at.AT_FDCWD, raw("/"), O.PATH);
  throwsErrno(
    () => at.openBeneath(slash, raw("proc/version"), O.RDONLY, { noXdev: true }),
    "EXDEV",
  );
  throwsErrno(() => at.openBeneath(slash, raw("proc/self/cwd"), O.RDONLY), "ELOOP");
  at.close(slash);
});

test("errors name the call, the whole path and the reason, and carry a code", () => {
  inDir((dir, path) => {
    at.mkdirAt(dir, raw("sub"), 0o755);
    const sub = at.openAt(dir, raw("sub"), O.RDONLY);
    assert.throws(() => at.unlinkAt(sub, raw("größe")), (error) => {
      assert.ok(isErrno(error, "ENOENT") && hasCode(error, "notfound"));
      assert.equal(error.message, `cannot remove "${path}/sub/größe": no such file or directory`);
      assert.deepEqual([error.errno, error.path], [2, `${path}/sub/größe`]);
      return true;
    });
    at.close(sub);
    assert.throws(() => at.mkdirAt(dir, raw("sub"), 0o755), (error) => hasCode(error, "exists"));
    throwsErrno(() => at.unlinkAt(dir, raw("sub")), "EISDIR");
    throwsErrno(() => at.openAt(dir, raw("sub"), O.WRONLY), "EISDIR");
    throwsErrno(() => at.openAt(dir, raw("sub/x"), O.RDONLY), "ENOENT");
    throwsErrno(() => at.listDir(-1), "EBADF");
    throwsErrno(() => at.readlinkAt(dir, raw("sub")), "EINVAL");
  });
});

test("errno is right in 100,000 failing calls while memory is allocated", () => {
  inDir((dir) => {
    writeFile(dir, raw("file"), "");
    const calls: [string, () => unknown][] = [
      ["ENOENT", () => at.openAt(dir, raw("missing"), O.RDONLY)],
      ["ENOTDIR", () => at.openAt(dir, raw("file/x"), O.RDONLY)],
      ["EEXIST", () => at.mkdirAt(dir, raw("file"), 0o755)],
      ["EINVAL", () => at.readlinkAt(dir, raw("file"))],
      ["EBADF", () => at.fsync(9999)],
    ];
    // The stack of each error is what takes the time here.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    let kept: unknown[] = [];
    try {
      for (let i = 0; i < 100_000; i++) {
        if (i % 500 === 0) kept = [];
        kept.push(new Uint8Array(64), `text ${i}`, { i });
        const [expected, call] = calls[i % calls.length]!;
        let met = "nothing";
        try {
          call();
        } catch (error) {
          met = isErrno(error, expected) ? expected : String(error);
        }
        if (met !== expected) assert.fail(`call ${i}: ${met} instead of ${expected}`);
      }
    } finally {
      Error.stackTraceLimit = limit;
    }
  });
});
