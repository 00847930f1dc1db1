/**
 * Pipes and waiting for descriptors. Both runtimes' own "pipe" stdio is not used, because Bun's is a
 * socket pair, on which opening /dev/stdout fails in the child.
 */
import type { Fd } from "./descriptor.ts";
import { ERRNO, errnoError, sysError } from "./errno.ts";
import { errno, fixed, libc } from "./libc.ts";

const CLOEXEC = 0o2000000;
const pair = fixed(8);
const pairView = new DataView(pair.buffer);

/** A pipe whose ends are closed on exec. */
export function pipe(): { read: Fd; write: Fd } {
  if (libc.pipe2(pair, CLOEXEC) !== 0) throw sysError("make", "pipe");
  return { read: pairView.getInt32(0, true), write: pairView.getInt32(4, true) };
}

/** poll(2). An `fd` of -1 is skipped. */
export interface PollItem {
  readonly fd: Fd;
  readonly events: "in" | "out";
}
export interface Ready {
  /** It can be read (data, end or error) or written without waiting. */
  readonly ready: boolean;
  /** The other end is closed. */
  readonly hangup: boolean;
  /** Not open, or broken. */
  readonly error: boolean;
}

const POLL = { IN: 1, OUT: 4, ERR: 8, HUP: 16, NVAL: 32 } as const;
let items = fixed(8 * 16);
let itemsView = new DataView(items.buffer);

function room(count: number): void {
  if (items.length >= count * 8) return;
  items = fixed(count * 16);
  itemsView = new DataView(items.buffer);
}

/**
 * Waits until an item is ready or `timeoutMs` is over (-1: no limit). A signal ends the wait early
 * with nothing ready, so that the caller can return to the event loop, where handlers run.
 */
export function poll(list: readonly PollItem[], timeoutMs: number): Ready[] {
  room(list.length);
  list.forEach(({ fd, events }, i) => {
    itemsView.setInt32(i * 8, fd, true);
    itemsView.setUint16(i * 8 + 4, events === "in" ? POLL.IN : POLL.OUT, true);
    itemsView.setUint16(i * 8 + 6, 0, true);
  });
  const count = libc.poll(items, list.length, Math.min(Math.ceil(timeoutMs), 0x7fffffff));
  if (count < 0) {
    const number = errno();
    if (number !== ERRNO.EINTR) throw errnoError("wait for", "file descriptors", number);
  }
  return list.map((_, i) => {
    const got = count <= 0 ? 0 : itemsView.getUint16(i * 8 + 6, true);
    return {
      ready: got !== 0,
      hangup: (got & POLL.HUP) !== 0,
      error: (got & (POLL.ERR | POLL.NVAL)) !== 0,
    };
  });
}

/** Waits for one descriptor; false when the time is over or a signal came. */
export function pollOne(fd: Fd, events: "in" | "out", timeoutMs: number): boolean {
  return poll([{ fd, events }], timeoutMs)[0]!.ready;
}

const never = fixed(8);

/** Blocks this thread; a signal may end it early. */
export function sleep(ms: number): void {
  libc.poll(never, 0, Math.ceil(ms));
}
