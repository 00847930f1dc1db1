/** Pipes, waiting for descriptors, sockets and terminals. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isErrno } from "../../../core/errors.ts";
import { raw } from "../../../core/terms.ts";
import {
  AT_FDCWD,
  close,
  O,
  openAt,
  read,
  readAll,
  readSome,
  setNonBlocking,
  write,
  writeSome,
} from "../../../core/sys/at.ts";
import { exists, makeDirs } from "../../../core/sys/files.ts";
import { libc } from "../../../core/sys/libc.ts";
import { pipe, poll, pollOne } from "../../../core/sys/pipe.ts";
import * as sockets from "../../../core/sys/socket.ts";
import { run, spawnChild, waitChild } from "../../../core/sys/spawn.ts";
import { isTerminal, makeRaw, setWindowSize, windowSize } from "../../../core/sys/terminal.ts";
import { skipUnless } from "../../skip_reason.ts";
import { inTemporaryDir } from "./temporary_dir.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const said = (content: Uint8Array) => new TextDecoder().decode(content);

test("poll tells who is ready, who hung up, and when the time is over", () => {
  const [a, b] = [pipe(), pipe()];
  const before = performance.now();
  const none = poll([{ fd: a.read, events: "in" }, { fd: -1, events: "in" }], 30);
  assert.ok(performance.now() - before >= 29);
  assert.deepEqual(none.map(({ ready }) => ready), [false, false]);
  write(b.write, bytes("x"));
  const items = [a.read, b.read].map((fd) => ({ fd, events: "in" as const }));
  assert.deepEqual(poll(items, -1).map(({ ready }) => ready), [false, true]);
  close(a.write);
  assert.deepEqual(poll(items, 0)[0], { ready: true, hangup: true, error: false });
  assert.equal(pollOne(b.write, "out", 0), true);
  assert.equal(poll([{ fd: 9999, events: "in" }], 0)[0]?.error, true);
  const many = Array.from({ length: 100 }, () => ({ fd: b.read, events: "in" as const }));
  assert.equal(poll(many, 0).filter(({ ready }) => ready).length, 100);
  [a.read, b.read, b.write].forEach(close);
});

test("a full pipe takes no more without waiting, and write waits for its reader", () => {
  const { read: from, write: to } = pipe();
  setNonBlocking(to, true);
  setNonBlocking(from, true);
  assert.equal(readSome(from, new Uint8Array(5)), null);
  let total = 0;
  for (let n = 1; n > 0; total += n) n = writeSome(to, new Uint8Array(4096));
  assert.equal(total, 65536);
  setNonBlocking(from, false);
  const child = spawnChild(["sh", "-c", "sleep 0.1; cat > /dev/null"], { stdin: from });
  close(from);
  write(to, new Uint8Array(500_000));
  close(to);
  assert.equal(waitChild(child).status, 0);
});

test("sockets carry streams, messages and descriptors, also at paths longer than 108 bytes", () => {
  inTemporaryDir((dir) => {
    const long = `${dir}/${"d".repeat(100)}/${"e".repeat(100)}`;
    makeDirs(long);
    for (const path of [`${dir}/short-ü`, `${long}/socket`]) {
      const listener = sockets.listenUnix(path, "seqpacket");
      assert.equal(exists(path), true);
      const client = sockets.connectUnix(path, "seqpacket");
      const server = sockets.accept(listener);
      const passed = pipe();
      sockets.send(client, bytes("one"), [passed.write, passed.read]);
      sockets.send(client, bytes("two"));
      const first = sockets.receive(server);
      assert.deepEqual([said(first.bytes), first.fds.length, first.isCut], ["one", 2, false]);
      assert.equal(said(sockets.receive(server).bytes), "two");
      write(first.fds[0]!, bytes("through"));
      const buffer = new Uint8Array(20);
      assert.equal(said(buffer.subarray(0, read(passed.read, buffer))), "through");
      close(client);
      assert.equal(sockets.receive(server).bytes.length, 0);
      [server, listener, passed.read, passed.write, ...first.fds].forEach(close);
      assert.throws(
        () => sockets.connectUnix(path, "seqpacket"),
        (error) => isErrno(error, "ECONNREFUSED"),
      );
      assert.throws(
        () => sockets.listenUnix(path, "stream"),
        (error) => isErrno(error, "EADDRINUSE"),
      );
    }
    assert.throws(
      () => sockets.connectUnix(`${dir}/none`, "stream"),
      (error) => isErrno(error, "ENOENT"),
    );
    assert.throws(
      () => sockets.connectUnix(`${dir}/${"x".repeat(150)}`, "stream"),
      (error) => isErrno(error, "ENAMETOOLONG"),
    );
  });
  const [a, b] = sockets.socketPair("stream");
  sockets.send(a, new Uint8Array(150_000));
  sockets.shutdownWrite(a);
  assert.equal(readAll(b).length, 150_000);
  assert.throws(() => write(a, bytes("x")), (error) => isErrno(error, "EPIPE"));
  [a, b].forEach(close);
});

test("a terminal has a size and a raw mode, and a pipe has neither", {
  skip: skipUnless({ programs: ["stty"] }),
}, () => {
  const TIOCSPTLCK = 0x40045431;
  const TIOCGPTPEER = 0x5441;
  const controller = openAt(AT_FDCWD, raw("/dev/ptmx"), O.RDWR | O.NOCTTY);
  assert.equal(libc.ioctl(controller, TIOCSPTLCK, new Uint8Array(new ArrayBuffer(4))), 0);
  const terminal = libc.ioctlNumber(controller, TIOCGPTPEER, O.RDWR | O.NOCTTY);
  assert.ok(terminal >= 0);
  assert.equal(isTerminal(terminal), true);
  setWindowSize(terminal, { rows: 41, columns: 133 });
  assert.deepEqual(windowSize(controller), { rows: 41, columns: 133 });
  const settings = () => said(run(["stty", "-a"], { stdin: terminal }).stdout);
  const before = settings();
  assert.match(before, /rows 41; columns 133/);
  const restore = makeRaw(terminal);
  const inRaw = settings();
  run(["stty", "raw", "-echo"], { stdin: terminal });
  for (const word of ["-icanon", "-isig", "-echo", "-opost", "-icrnl", "-ixon", "cs8"]) {
    assert.match(inRaw, new RegExp(`(^|\\s)${word}\\b`, "m"), word);
  }
  restore();
  restore();
  assert.equal(settings(), before);
  const { read: from, write: to } = pipe();
  assert.deepEqual([isTerminal(from), windowSize(from)], [false, null]);
  assert.throws(() => makeRaw(to), (error) => isErrno(error, "ENOTTY"));
  [from, to, terminal, controller].forEach(close);
});
