/**
 * Unix sockets as descriptors: connect, listen, send, receive. unix(7).
 */
import { raw } from "../terms.ts";
import { AT_FDCWD, close, type Fd, O, openAt } from "./at.ts";
import { ERRNO, errnoError, sysError } from "./errno.ts";
import { addressOf, errno, fixed, libc } from "./libc.ts";
import { fdError } from "./path_buffer.ts";

const AF_UNIX = 1;
const CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const KIND = { stream: 1, seqpacket: 5 } as const;
export type SocketKind = keyof typeof KIND;

/** sun_path, with its NUL. */
const PATH_ROOM = 108;

function unixSocket(kind: SocketKind): Fd {
  const fd = libc.socket(AF_UNIX, KIND[kind] | CLOEXEC, 0);
  if (fd < 0) throw sysError("make", "socket");
  return fd;
}

/**
 * struct sockaddr_un of a path. One that is too long for it is named through its directory, opened,
 * as /proc/self/fd/N/name; the directory is closed by the returned function.
 */
function socketAddress(path: string): { address: Uint8Array<ArrayBuffer>; done: () => void } {
  let name: string = raw(path);
  let dir = -1;
  if (name.length >= PATH_ROOM) {
    const slash = name.lastIndexOf("/");
    dir = openAt(AT_FDCWD, raw(path.slice(0, path.lastIndexOf("/")) || "/"), O.PATH | O.DIRECTORY);
    name = `/proc/self/fd/${dir}/${name.slice(slash + 1)}`;
  }
  const done = () => dir >= 0 && close(dir);
  if (name.length >= PATH_ROOM || name.includes("\0")) {
    done();
    throw errnoError("use socket", path, ERRNO.ENAMETOOLONG);
  }
  const address = fixed(2 + name.length + 1);
  address[0] = AF_UNIX;
  for (let i = 0; i < name.length; i++) address[2 + i] = name.charCodeAt(i);
  return { address, done };
}

/** Connects to a listening socket. Fails with ECONNREFUSED when nobody listens any more. */
export function connectUnix(path: string, kind: SocketKind): Fd {
  const { address, done } = socketAddress(path);
  const fd = unixSocket(kind);
  let connected = false;
  try {
    for (;;) {
      if (libc.connect(fd, address, address.length) === 0) break;
      const number = errno();
      if (number === ERRNO.EISCONN) break; // a signal came, and the connection was made meanwhile
      if (number !== ERRNO.EINTR) throw errnoError("connect to", path, number);
    }
    connected = true;
    return fd;
  } finally {
    done();
    if (!connected) close(fd);
  }
}

/** Makes the socket file `path` and listens on it. Fails with EADDRINUSE when it is there. */
export function listenUnix(path: string, kind: SocketKind, backlog = 16): Fd {
  const { address, done } = socketAddress(path);
  const fd = unixSocket(kind);
  let listening = false;
  try {
    if (libc.bind(fd, address, address.length) !== 0) throw sysError("listen on", path);
    if (libc.listen(fd, backlog) !== 0) throw sysError("listen on", path);
    listening = true;
    return fd;
  } finally {
    done();
    if (!listening) close(fd);
  }
}

/** The next connection; waits for it. */
export function accept(listener: Fd): Fd {
  for (;;) {
    const fd = libc.accept4(listener, null, null, CLOEXEC);
    if (fd >= 0) return fd;
    const number = errno();
    if (number !== ERRNO.EINTR && number !== ERRNO.ECONNABORTED) {
      throw fdError("accept from", listener, number);
    }
  }
}

/** Two connected sockets. */
export function socketPair(kind: SocketKind): [Fd, Fd] {
  const out = fixed(8);
  if (libc.socketpair(AF_UNIX, KIND[kind] | CLOEXEC, 0, out) !== 0) {
    throw sysError("make", "socket");
  }
  const view = new DataView(out.buffer);
  return [view.getInt32(0, true), view.getInt32(4, true)];
}

/** Tells the other side that nothing more comes. */
export function shutdownWrite(fd: Fd): void {
  if (libc.shutdown(fd, SHUT_WR) === 0) return;
  const number = errno();
  if (number !== ERRNO.ENOTCONN) throw fdError("shut down", fd, number);
}

/** struct msghdr and cmsghdr, in memory that does not move: the kernel reads pointers from them. */
const header = fixed(56);
const headerView = new DataView(header.buffer);
const vector = fixed(16);
const vectorView = new DataView(vector.buffer);
const MOST_FDS = 16;
const control = fixed(16 + MOST_FDS * 4);
const controlView = new DataView(control.buffer);
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSG_TRUNC = 0x20;
const MSG_CTRUNC = 8;
const MESSAGE = 64 * 1024;
let message: Uint8Array<ArrayBuffer> | undefined;

function setHeader(data: Uint8Array<ArrayBuffer>, length: number, controlLength: number): void {
  header.fill(0);
  vectorView.setBigUint64(0, addressOf(data), true);
  vectorView.setBigUint64(8, BigInt(length), true);
  headerView.setBigUint64(16, addressOf(vector), true);
  headerView.setBigUint64(24, 1n, true);
  if (controlLength > 0) {
    headerView.setBigUint64(32, addressOf(control), true);
    headerView.setBigUint64(40, BigInt(controlLength), true);
  }
}

/** Sends one message (seqpacket) or all bytes (stream), with descriptors at its beginning. */
export function send(fd: Fd, bytes: Uint8Array, fds: readonly Fd[] = []): void {
  message ??= fixed(MESSAGE);
  if (fds.length > MOST_FDS) throw errnoError("send to", `socket ${fd}`, ERRNO.EINVAL);
  let done = 0;
  do {
    const piece = bytes.subarray(done, done + MESSAGE);
    message.set(piece);
    const rights = done === 0 ? fds : [];
    setHeader(message, piece.length, rights.length === 0 ? 0 : controlOf(rights));
    const n = libc.sendmsg(fd, header, MSG_NOSIGNAL);
    if (n >= 0) done += n;
    else if (errno() !== ERRNO.EINTR) throw fdError("send to", fd);
  } while (done < bytes.length);
}

function controlOf(fds: readonly Fd[]): number {
  controlView.setBigUint64(0, BigInt(16 + fds.length * 4), true);
  controlView.setInt32(8, SOL_SOCKET, true);
  controlView.setInt32(12, SCM_RIGHTS, true);
  fds.forEach((fd, i) => controlView.setInt32(16 + i * 4, fd, true));
  return 16 + Math.ceil(fds.length / 2) * 8;
}

export interface Received {
  /** Empty at the end of the connection. */
  readonly bytes: Uint8Array;
  /** Descriptors that came along, closed on exec; the caller closes them. */
  readonly fds: Fd[];
  /** A message was longer than 64 KiB and was cut. */
  readonly isCut: boolean;
}

/** The next message, or what of a stream has come, at most 64 KiB; waits for it. */
export function receive(fd: Fd): Received {
  message ??= fixed(MESSAGE);
  for (;;) {
    setHeader(message, MESSAGE, control.length);
    const n = libc.recvmsg(fd, header, MSG_CMSG_CLOEXEC);
    if (n >= 0) {
      const flags = headerView.getInt32(48, true);
      return {
        bytes: message.slice(0, n),
        fds: receivedFds(Number(headerView.getBigUint64(40, true))),
        isCut: (flags & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
      };
    }
    const number = errno();
    if (number !== ERRNO.EINTR) throw fdError("receive from", fd, number);
  }
}

function receivedFds(controlLength: number): Fd[] {
  if (controlLength < 16 || controlView.getInt32(12, true) !== SCM_RIGHTS) return [];
  const count = (Number(controlView.getBigUint64(0, true)) - 16) >> 2;
  return Array.from({ length: count }, (_, i) => controlView.getInt32(16 + i * 4, true));
}
