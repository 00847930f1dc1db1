/**
 * Terminals: is it one, how large is it, raw mode. tty_ioctl(4), termios(3).
 */
import type { Fd } from "./descriptor.ts";
import { fixed, libc } from "./libc.ts";
import { fdError } from "./path_buffer.ts";

const TIOCGWINSZ = 0x5413;
const TIOCSWINSZ = 0x5414;
const TCSANOW = 0;
const TCSADRAIN = 1;

/** struct termios has 60 bytes: four flag words, c_line, 32 control characters, two speeds. */
const TERMIOS_SIZE = 60;
const state = fixed(128);
const size = fixed(8);
const sizeView = new DataView(size.buffer);

export function isTerminal(fd: Fd): boolean {
  return libc.tcgetattr(fd, state) === 0;
}

export interface WindowSize {
  readonly rows: number;
  readonly columns: number;
}

/** Null when `fd` is no terminal. A terminal that nobody has sized says 0 and 0. */
export function windowSize(fd: Fd): WindowSize | null {
  if (libc.ioctl(fd, TIOCGWINSZ, size) !== 0) return null;
  return { rows: sizeView.getUint16(0, true), columns: sizeView.getUint16(2, true) };
}

/** The processes in the foreground of the terminal get SIGWINCH. */
export function setWindowSize(fd: Fd, { rows, columns }: WindowSize): void {
  sizeView.setUint32(4, 0, true); // pixels: unknown
  sizeView.setUint16(0, rows, true);
  sizeView.setUint16(2, columns, true);
  if (libc.ioctl(fd, TIOCSWINSZ, size) !== 0) throw fdError("set the size of terminal", fd);
}

/** What cfmakeraw(3) clears in the four flag words, and what it sets. */
const RAW = {
  input: 0o1 | 0o2 | 0o10 | 0o40 | 0o100 | 0o200 | 0o400 | 0o2000,
  output: 0o1,
  control: 0o60 | 0o400,
  controlSet: 0o60,
  local: 0o10 | 0o100 | 0o2 | 0o1 | 0o100000,
} as const;

/**
 * Passes every byte on as it is: no echo, no line editing, no signals from keys. Gives a function
 * that restores what was; calling it twice is harmless.
 */
export function makeRaw(fd: Fd): () => void {
  if (libc.tcgetattr(fd, state) !== 0) throw fdError("read the mode of terminal", fd);
  const before = fixed(TERMIOS_SIZE);
  before.set(state.subarray(0, TERMIOS_SIZE));
  const wanted = fixed(128);
  wanted.set(before);
  const view = new DataView(wanted.buffer);
  const change = (at: number, clear: number, set = 0) =>
    view.setUint32(at, (view.getUint32(at, true) & ~clear) | set, true);
  change(0, RAW.input);
  change(4, RAW.output);
  change(8, RAW.control, RAW.controlSet);
  change(12, RAW.local);
  const MINIMUM = 17 + 6; // c_cc[VMIN]: a read waits for one byte
  const TIME = 17 + 5; // c_cc[VTIME]: for ever
  wanted[MINIMUM] = 1;
  wanted[TIME] = 0;
  if (libc.tcsetattr(fd, TCSANOW, wanted) !== 0) throw fdError("set the mode of terminal", fd);
  let isRaw = true;
  return () => {
    if (!isRaw) return;
    isRaw = false;
    // The terminal may be gone (hangup): then there is nothing to restore.
    libc.tcsetattr(fd, TCSADRAIN, before);
  };
}
