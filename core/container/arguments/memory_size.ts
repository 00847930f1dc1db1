/**
 * Sizes as flags give them: `512m`, `1.5g`, `100`. Units are powers of 1024, as in docker's and
 * Podman's flags, with or without `b` or `ib` behind.
 */
import { wrongValue } from "./wrong_value.ts";

const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  p: 1024 ** 5,
};
const SIZE = /^([0-9]+(?:\.[0-9]+)?) ?([kmgtp]?)(?:i?b)?$/i;

/** Bytes of `text`, or null when it is not a size. */
export function memorySize(text: string): number | null {
  const match = SIZE.exec(text);
  if (match === null) return null;
  const unit = UNITS[(match[2] ?? "").toLowerCase()];
  const bytes = Math.trunc(Number(match[1]) * (unit ?? Number.NaN));
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Words before "invalid size" that Podman uses for each flag. */
const PREFIX: Readonly<Record<string, string>> = {
  "--memory": "invalid value for memory",
  "--memory-swap": "invalid value for memory",
  "--memory-reservation": "invalid value for memory-reservation",
  "--shm-size": "unable to translate --shm-size",
};

/** Bytes. "" means "not set" in Podman, which the caller sees as undefined. */
export function parseMemory(flag: string, text: string): number | undefined {
  if (text === "") return undefined;
  const bytes = memorySize(text);
  if (bytes === null) {
    throw wrongValue(
      flag,
      `${PREFIX[flag] ?? `invalid value for ${flag}`}: invalid size: '${text}'`,
    );
  }
  return bytes;
}

/** As `parseMemory`, and -1 for unlimited. podman-run(1), `--memory-swap`. */
export function parseMemorySwap(text: string): number | undefined {
  return text === "-1" ? -1 : parseMemory("--memory-swap", text);
}
