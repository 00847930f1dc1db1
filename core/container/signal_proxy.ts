/**
 * Passes the signals that reach this process on to a container, as Podman's --sig-proxy does
 * (podman-run(1)).
 */
import { SIGNALS } from "../sys/process.ts";

/**
 * What is passed on. Not: KILL and STOP (cannot be caught), CHLD, PIPE, URG, WINCH, TTIN and TTOU
 * (meant for this process: its children, its output, the runtime's own use, its window, and its use
 * of a terminal it is in the background of, where catching them makes read and write spin), and the
 * signals of a fault in our own code (SEGV, BUS, FPE, ILL, TRAP, ABRT, SYS).
 */
export const PROXIED_SIGNALS = [
  "HUP",
  "INT",
  "QUIT",
  "USR1",
  "USR2",
  "ALRM",
  "TERM",
  "STKFLT",
  "CONT",
  "TSTP",
  "XCPU",
  "XFSZ",
  "VTALRM",
  "PROF",
  "IO",
  "PWR",
] as const;

/**
 * Calls `pass` with the number of each signal that arrives from now on, and returns the function
 * that gives the signals their old meaning back. A signal the host language does not let us catch
 * keeps its default.
 */
export function proxySignals(pass: (signal: number) => void): () => void {
  const caught: [name: NodeJS.Signals, handler: () => void][] = [];
  for (const name of PROXIED_SIGNALS) {
    const number = SIGNALS[name];
    if (number === undefined) continue;
    const handler = () => pass(number);
    try {
      process.on(`SIG${name}`, handler);
      caught.push([`SIG${name}`, handler]);
    } catch {
      // Deno does not know every signal's name.
    }
  }
  return () => {
    for (const [name, handler] of caught) process.removeListener(name, handler);
  };
}
