/**
 * The records of pax extended headers: "LENGTH KEY=VALUE\n", POSIX pax(1), "pax Extended Header".
 * Keys and values are bytes in latin1 strings, like `RawPath`.
 */
import { asBuffer } from "./tar_header.ts";

/** Key and value of one record, in the order of the header; keys may repeat (GNU.sparse 0.0). */
export type PaxRecord = readonly [key: string, value: string];

/** The records of a header's body, or a sentence that says what is wrong with it. */
export function parsePax(body: Uint8Array): PaxRecord[] | string {
  const all = asBuffer(body).toString("latin1");
  const records: PaxRecord[] = [];
  let at = 0;
  while (at < all.length) {
    const space = all.indexOf(" ", at);
    const digits = space < 0 || space - at > 9 ? "" : all.slice(at, space);
    if (!/^[0-9]+$/.test(digits)) return "its extended header has no length where one must be";
    const end = at + Number(digits);
    const equals = all.indexOf("=", space);
    if (end > all.length || all[end - 1] !== "\n" || equals < 0 || equals >= end) {
      return "a record of its extended header is cut off";
    }
    if (equals === space + 1) return "a record of its extended header has no key";
    records.push([all.slice(space + 1, equals), all.slice(equals + 1, end - 1)]);
    at = end;
  }
  return records;
}

/** One record with its length, which counts itself. */
export function formatPax(key: string, value: string): string {
  const rest = key.length + value.length + 3; // blank, "=", newline
  let length = rest + String(rest).length;
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return `${length} ${key}=${value}\n`;
}

/** Seconds with a fraction to nanoseconds since 1970; digits after the ninth are cut. */
export function parsePaxTime(value: string): bigint | null {
  const found = /^(-?)([0-9]{1,18})(?:\.([0-9]*))?$/.exec(value);
  if (found === null) return null;
  const [, sign, seconds = "0", fraction = ""] = found;
  const nanos = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.slice(0, 9).padEnd(9, "0"));
  return sign === "-" ? -nanos : nanos;
}

/** Nanoseconds to the shortest decimal number of seconds. */
export function formatPaxTime(nanos: bigint): string {
  const size = nanos < 0n ? -nanos : nanos;
  const fraction = String(size % 1_000_000_000n).padStart(9, "0").replace(/0+$/, "");
  const whole = `${nanos < 0n ? "-" : ""}${size / 1_000_000_000n}`;
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** A number of a record: decimal, 0 to 2^53. Null when it is none. */
export function parsePaxNumber(value: string): number | null {
  if (!/^[0-9]{1,16}$/.test(value)) return null;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : null;
}

/** GNU tar writes "=" and "%" of an attribute's name in the key as "%3D" and "%25". */
export function encodeKeyName(name: string): string {
  return /[%=]/.test(name) ? name.replaceAll("%", "%25").replaceAll("=", "%3D") : name;
}

export function decodeKeyName(name: string): string {
  return name.includes("%") ? name.replaceAll("%3D", "=").replaceAll("%25", "%") : name;
}
