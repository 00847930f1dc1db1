/**
 * The client of a monitor's attach socket: what is typed goes in, what the container writes comes
 * out, until the container ends or the user types the detach keys. conmon(8): SOCK_SEQPACKET, each
 * packet one byte for the stream and up to 8 KiB of output; input is sent as it is.
 */
import { isErrno } from "../errors.ts";
import { close, read, statFd, write, writeSome } from "../sys/at.ts";
import { poll, type PollItem, pollOne } from "../sys/pipe.ts";
import { connectUnix, shutdownWrite } from "../sys/socket.ts";
import { isTerminal, makeRaw, windowSize } from "../sys/terminal.ts";
import { type DetachWatch, watchDetachKeys } from "./detach_keys.ts";
import { proxySignals } from "./signal_proxy.ts";

type Fd = number;
type WindowSize = NonNullable<ReturnType<typeof windowSize>>;

export interface AttachOptions {
  /** From `connectAttach`; closed when `attach` returns. */
  readonly socket: Fd;
  /** The container has a terminal: ours goes into raw mode and its size is passed on. */
  readonly terminal: boolean;
  /** Our ends; null: that stream is not attached. None is closed. */
  readonly stdin: Fd | null;
  readonly stdout: Fd | null;
  readonly stderr: Fd | null;
  /** From `parseDetachKeys`; looked for only when `stdin` is a terminal. Empty: none. */
  readonly detachKeys: Uint8Array;
  /** Called with the size of our window at the start and when it changes. */
  readonly resize?: (size: WindowSize) => void;
  /** Called with the number of each signal that should reach the container; else they have their own effect. */
  readonly proxy?: (signal: number) => void;
}

/** `ended`: the monitor closed the socket, all output is written. `detached`: the keys were typed. */
export type AttachEnd = "ended" | "detached";

/**
 * Longest wait in poll(2). A signal ends the wait at once (EINTR); one that arrives in the moment
 * before it is noticed after this long.
 */
const SLICE_MS = 250;
/** While data flows, time between two looks at what the event loop has (signals). */
const BUSY_MS = 100;
/** poll(2) promises room for this much in a pipe, PIPE_BUF: more could block us with signals unheard. */
const PIPE_PIECE = 4096;
/** conmon reads at most 32 KiB of a packet and drops the rest. */
const INPUT_PIECE = 16384;

const STREAM_STDOUT = 2;
const STREAM_STDERR = 3;

/**
 * Connects to `<dir>/attach`. From here on the monitor keeps the output for us, so connect before
 * the container is started. Fails with `notfound` when there is no monitor.
 */
export function connectAttach(path: string): Fd {
  return connectUnix(path, "seqpacket");
}

/** Where output goes, with what could not be written yet. */
interface Outlet {
  readonly fd: Fd;
  /** A regular file or a device that never makes us wait. */
  readonly direct: boolean;
  waiting: Uint8Array | null;
}

interface Session {
  readonly socket: Fd;
  readonly stdout: Outlet | null;
  readonly stderr: Outlet | null;
  readonly packet: Uint8Array<ArrayBuffer>;
  /** null when input is over or was never wanted. */
  stdin: Fd | null;
  readonly typed: Uint8Array<ArrayBuffer>;
  readonly keys: DetachWatch;
  /** Input on its way to the socket. */
  sending: Uint8Array | null;
  /** Input is over: shut our side down when `sending` is gone. */
  inputOver: boolean;
  outputOver: boolean;
  detached: boolean;
}

/**
 * Carries data both ways until the end. Output is never dropped: when our reader is slow, the
 * container waits. Throws when our own output fails (EPIPE); the container goes on.
 */
export async function attach(options: AttachOptions): Promise<AttachEnd> {
  const session = openSession(options);
  const undo: (() => void)[] = [() => close(options.socket)];
  try {
    prepareTerminal(options, undo);
    if (options.proxy) undo.push(proxySignals(options.proxy));
    const resized = options.terminal && options.resize ? followSize(options, undo) : () => {};
    let breathed = performance.now();
    while (!session.detached && (!session.outputOver || hasWaiting(session))) {
      const moved = step(session);
      if (moved && performance.now() - breathed < BUSY_MS) continue;
      resized();
      await breathe();
      breathed = performance.now();
    }
    return session.detached ? "detached" : "ended";
  } finally {
    for (const action of undo.reverse()) action();
  }
}

/** Lets handlers of signals run. Not setImmediate: Deno runs those before it looks for signals. */
function breathe(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}

function openSession(options: AttachOptions): Session {
  const keys = options.stdin !== null && isTerminal(options.stdin)
    ? options.detachKeys
    : new Uint8Array(0);
  return {
    socket: options.socket,
    stdout: options.stdout === null ? null : outlet(options.stdout),
    stderr: options.stderr === null ? null : outlet(options.stderr),
    packet: new Uint8Array(new ArrayBuffer(65536)),
    stdin: options.stdin,
    typed: new Uint8Array(new ArrayBuffer(INPUT_PIECE)),
    keys: watchDetachKeys(keys),
    sending: null,
    inputOver: false,
    outputOver: false,
    detached: false,
  };
}

function outlet(fd: Fd): Outlet {
  const { type } = statFd(fd);
  return { fd, direct: type === "file" || (type === "char" && !isTerminal(fd)), waiting: null };
}

function hasWaiting(session: Session): boolean {
  return Boolean(session.stdout?.waiting) || Boolean(session.stderr?.waiting);
}

/** One wait and what became possible. Returns false when nothing did (a signal, or the slice is over). */
function step(session: Session): boolean {
  const blocked = hasWaiting(session);
  const { stdout, stderr, socket, stdin } = session;
  const items: PollItem[] = [];
  const actions: (() => void)[] = [];
  const want = (fd: Fd, events: "in" | "out", action: () => void) => {
    items.push({ fd, events });
    actions.push(action);
  };
  if (stdout?.waiting) want(stdout.fd, "out", () => flush(stdout));
  if (stderr?.waiting) want(stderr.fd, "out", () => flush(stderr));
  // Nothing is taken from the monitor while our reader is behind: it makes the container wait.
  if (!blocked && !session.outputOver) want(socket, "in", () => receive(session));
  if (session.sending && !session.outputOver) want(socket, "out", () => send(session));
  if (stdin !== null && !session.sending && !session.outputOver) {
    want(stdin, "in", () => takeInput(session, stdin));
  }
  const ready = poll(items, SLICE_MS);
  let moved = false;
  for (let i = 0; i < actions.length; i++) {
    if (!ready[i]!.ready) continue;
    moved = true;
    actions[i]!();
  }
  return moved;
}

function receive(session: Session): void {
  const { packet } = session;
  let count: number;
  try {
    count = read(session.socket, packet);
  } catch (error) {
    // The monitor left input of ours unread. What it sent before can still be read after this.
    if (isErrno(error, "ECONNRESET", "EAGAIN")) return;
    throw error;
  }
  if (count === 0) {
    session.outputOver = true;
    return;
  }
  const target = packet[0] === STREAM_STDOUT
    ? session.stdout
    : packet[0] === STREAM_STDERR
    ? session.stderr
    : null;
  if (target === null || count === 1) return;
  const data = packet.subarray(1, count);
  if (target.direct) write(target.fd, data);
  else target.waiting = data;
}

/** Writes a piece that cannot block. `waiting` is a view of the packet, which stays until it is gone. */
function flush(target: Outlet): void {
  const { waiting } = target;
  if (waiting === null) return;
  const done = writeSome(target.fd, waiting.subarray(0, PIPE_PIECE));
  target.waiting = done < waiting.length ? waiting.subarray(done) : null;
}

function takeInput(session: Session, stdin: Fd): void {
  const count = readInput(stdin, session.typed);
  if (count < 0) return;
  if (count === 0) {
    session.stdin = null;
    session.inputOver = true;
    offer(session, session.keys.rest());
    if (session.sending === null) endInput(session);
    return;
  }
  const { pass, detached } = session.keys.feed(session.typed.subarray(0, count));
  session.detached = detached;
  offer(session, pass);
  // The last keys before the sequence still belong to the container.
  const room = detached && pollOne(session.socket, "out", 0);
  if (room) send(session);
}

/** Bytes read, 0 at the end, -1 when there is nothing after all (a shared non-blocking terminal). */
function readInput(stdin: Fd, buffer: Uint8Array): number {
  try {
    return read(stdin, buffer);
  } catch (error) {
    if (isErrno(error, "EAGAIN")) return -1;
    // A terminal that was hung up.
    if (isErrno(error, "EIO")) return 0;
    throw error;
  }
}

function offer(session: Session, bytes: Uint8Array): void {
  session.sending = bytes.length === 0 ? null : bytes;
}

function send(session: Session): void {
  const { sending } = session;
  if (sending === null) return;
  try {
    write(session.socket, sending);
  } catch (error) {
    if (!isErrno(error, "EPIPE", "ECONNRESET", "ENOTCONN")) throw error;
    // Nobody reads input any more; the output still does come to its end.
    session.stdin = null;
  }
  session.sending = null;
  if (session.inputOver) endInput(session);
}

/** Half-close: the container's standard input ends, its output goes on. */
function endInput(session: Session): void {
  session.inputOver = false;
  // Attached for input only: nothing is left to wait for.
  if (session.stdout === null && session.stderr === null) session.outputOver = true;
  try {
    shutdownWrite(session.socket);
  } catch (error) {
    if (!isErrno(error, "ENOTCONN", "EPIPE")) throw error;
  }
}

/** Raw mode, left again however this ends, as far as a process can see its end coming. */
function prepareTerminal(options: AttachOptions, undo: (() => void)[]): void {
  const { stdin } = options;
  if (!options.terminal || stdin === null || !isTerminal(stdin)) return;
  const restoreMode = makeRaw(stdin);
  let restored = false;
  const restore = () => {
    if (restored) return;
    restored = true;
    restoreMode();
  };
  process.on("exit", restore);
  undo.push(() => {
    process.removeListener("exit", restore);
    restore();
  });
  if (!options.proxy) undo.push(restoreOnSignals(restore));
}

/** A signal that ends us must not leave the user's terminal raw. */
function restoreOnSignals(restore: () => void): () => void {
  const names = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"] as const;
  const handlers = names.map((name) => {
    const handler = () => {
      restore();
      remove();
      process.kill(process.pid, name);
    };
    process.on(name, handler);
    return handler;
  });
  const remove = () => names.forEach((name, i) => process.removeListener(name, handlers[i]!));
  return remove;
}

/** Which of our ends is the user's window; null: none is a terminal. */
function windowOf({ stdin, stdout }: Pick<AttachOptions, "stdin" | "stdout">): Fd | null {
  return [stdin, stdout].find((one) => one !== null && isTerminal(one)) ?? null;
}

/**
 * The runtime-spec's `consoleSize` for a process that will be attached: what `resize` says comes
 * only after it runs. Empty when there is no window, or one that nobody has sized.
 */
export function consoleSize(
  streams: Pick<AttachOptions, "stdin" | "stdout"> | null,
): { readonly consoleSize?: { readonly height: number; readonly width: number } } {
  const fd = streams === null ? null : windowOf(streams);
  const size = fd === null ? null : windowSize(fd);
  if (size === null || size.rows === 0) return {};
  return { consoleSize: { height: size.rows, width: size.columns } };
}

/**
 * Passes the size on now and after each SIGWINCH. The function it returns is called between waits
 * and passes a changed size on once more: conmon 2.1.6 that finds two lines in its fifo obeys the
 * first one twice.
 */
function followSize(options: AttachOptions, undo: (() => void)[]): () => void {
  const fd = windowOf(options);
  if (fd === null) return () => {};
  let again = false;
  const pass = () => {
    const size = windowSize(fd);
    if (size) options.resize?.(size);
  };
  const changed = () => {
    pass();
    again = true;
  };
  process.on("SIGWINCH", changed);
  undo.push(() => process.removeListener("SIGWINCH", changed));
  changed();
  let due = 0;
  return () => {
    if (!again) return;
    if (due === 0) due = performance.now() + SLICE_MS;
    if (performance.now() < due) return;
    due = 0;
    again = false;
    pass();
  };
}
