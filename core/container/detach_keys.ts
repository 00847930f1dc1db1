/**
 * The keys that leave an attached container running: their text form (podman-attach(1),
 * --detach-keys) and the watch for them in what is typed.
 */
import { CoracleError } from "../errors.ts";

/** Podman's default. */
export const DEFAULT_DETACH_KEYS = "ctrl-p,ctrl-q";

/** What follows "ctrl-": its place in the list is the byte it sends. ascii(7). */
const CONTROL = "@abcdefghijklmnopqrstuvwxyz[\\]^_";

/**
 * The bytes of a sequence: single characters and `ctrl-<character>` or `DEL`, joined by commas; ""
 * is no sequence. Fails with `usage` on anything else, in Podman's words.
 */
export function parseDetachKeys(text: string): Uint8Array {
  if (text === "") return new Uint8Array(0);
  return Uint8Array.from(text.split(","), (key) => {
    if (key === "DEL") return 127;
    const control = key.startsWith("ctrl-") && key.length === 6 ? CONTROL.indexOf(key[5]!) : -1;
    if (control >= 0) return control;
    // One byte, not one character: a key of several bytes is never typed as one.
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    throw new CoracleError("usage", `cannot use the detach keys ${JSON.stringify(text)}`, {
      why: `invalid detach keys: Unknown character: '${key}'`,
      hint: 'use single characters or "ctrl-" and a letter, joined by commas: ctrl-p,ctrl-q',
    });
  });
}

/** Looks through typed bytes for a sequence, in pieces of any length. */
export interface DetachWatch {
  /**
   * The bytes to send on. Bytes that may begin the sequence are kept back until the next one
   * decides; `detached` says that the sequence is complete, and what came after it is dropped.
   */
  feed(typed: Uint8Array): { readonly pass: Uint8Array; readonly detached: boolean };
  /** What is kept back, for the end of the input. */
  rest(): Uint8Array;
}

/** A watch for `keys`; with no keys everything passes. */
export function watchDetachKeys(keys: Uint8Array): DetachWatch {
  let matched = 0;

  /** How many keys are matched when `matched` were and `byte` comes. */
  function next(byte: number): number {
    for (let length = matched; length >= 0; length--) {
      if (keys[length] !== byte) continue;
      // The last `length` of the matched bytes must be the first of the sequence as well.
      const tail = keys.subarray(matched - length, matched);
      if (tail.every((key, i) => key === keys[i])) return length + 1;
    }
    return 0;
  }

  return {
    feed(typed) {
      if (keys.length === 0 || (matched === 0 && !typed.includes(keys[0]!))) {
        return { pass: typed, detached: false };
      }
      const pass: number[] = [];
      for (const byte of typed) {
        const now = next(byte);
        if (now === keys.length) return { pass: Uint8Array.from(pass), detached: true };
        // Of the matched bytes and this one all but the last `now` are ordinary input.
        for (let i = 0; i < matched + 1 - now; i++) pass.push(i < matched ? keys[i]! : byte);
        matched = now;
      }
      return { pass: Uint8Array.from(pass), detached: false };
    },
    rest() {
      const kept = keys.slice(0, matched);
      matched = 0;
      return kept;
    },
  };
}
