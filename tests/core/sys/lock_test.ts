/** Locks between processes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasCode } from "../../../core/errors.ts";
import { lookAtText, readText, removeFile, writeAtomic } from "../../../core/sys/files.ts";
import { lockFile, tryLock } from "../../../core/sys/lock.ts";
import { sendSignal, SIGNALS } from "../../../core/sys/process.ts";
import { pipe } from "../../../core/sys/pipe.ts";
import { close, read } from "../../../core/sys/at.ts";
import { spawnChild, waitChild } from "../../../core/sys/spawn.ts";
import { floor, inTemporaryDir, scriptCommand } from "./temporary_dir.ts";

test("one holder at a time, or several that share", () => {
  inTemporaryDir((dir) => {
    const path = `${dir}/lock`;
    const first = lockFile(path);
    assert.equal(lookAtText(path)?.mode, 0o600);
    assert.equal(tryLock(path), null);
    assert.throws(() => lockFile(path, { wait: false }), (error) => hasCode(error, "busy"));
    const before = performance.now();
    assert.throws(() => lockFile(path, { wait: 60 }), (error) => hasCode(error, "busy"));
    assert.ok(performance.now() - before >= 59);
    first.release();
    first.release();
    const readers = [lockFile(path, { shared: true }), tryLock(path, { shared: true })];
    assert.equal(tryLock(path), null);
    for (const reader of readers) reader?.release();
    {
      using held = lockFile(path);
      assert.equal(held.path, path);
      assert.equal(tryLock(path, { shared: true }), null);
    }
    tryLock(path)!.release();
  });
});

test("a lock whose file was removed does not let two holders in", () => {
  inTemporaryDir((dir) => {
    const path = `${dir}/lock`;
    const first = lockFile(path);
    removeFile(path);
    const second = lockFile(path, { wait: false });
    assert.equal(tryLock(path), null);
    first.release();
    assert.equal(tryLock(path), null);
    second.release();
  });
});

test("four processes count to the same sum under a lock that they also remove", () => {
  inTemporaryDir((dir) => {
    writeAtomic(`${dir}/count`, "0");
    const command = scriptCommand(
      dir,
      `import { lockFile } from "${floor}lock.ts";
      import { readText, removeFile, writeAtomic } from "${floor}files.ts";
      for (let i = 0; i < 100; i++) {
        using held = lockFile("${dir}/lock", { wait: i % 2 === 0 ? true : 20000 });
        writeAtomic("${dir}/count", String(Number(readText("${dir}/count")) + 1));
        if (i % 10 === 0) removeFile(held.path);
      }`,
    );
    const children = [1, 2, 3, 4].map(() => spawnChild(command));
    for (const pid of children) assert.equal(waitChild(pid).status, 0);
    assert.equal(readText(`${dir}/count`), "400");
  });
});

test("the lock of a killed process is free", () => {
  inTemporaryDir((dir) => {
    const ready = pipe();
    const command = scriptCommand(
      dir,
      `import { lockFile } from "${floor}lock.ts";
      import { sleep } from "${floor}pipe.ts";
      import { write } from "${floor}at.ts";
      const held = lockFile("${dir}/lock");
      write(3, new Uint8Array([1]));
      for (;;) sleep(10000), held.path;`,
    );
    const pid = spawnChild(command, { extraFds: [ready.write] });
    close(ready.write);
    assert.equal(read(ready.read, new Uint8Array(1)), 1);
    assert.equal(tryLock(`${dir}/lock`), null);
    sendSignal(pid, SIGNALS.KILL!);
    lockFile(`${dir}/lock`, { wait: 5000 }).release();
    assert.equal(waitChild(pid).signal, "SIGKILL");
    close(ready.read);
  });
});
