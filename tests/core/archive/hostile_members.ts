/** Archives made by hand for the tests of hostile and damaged ones, and what must come of them. */
import assert from "node:assert/strict";
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CoracleError } from "../../../core/errors.ts";
import { formatPax } from "../../../core/archive/pax.ts";
import { type HeaderFields, padding, writeHeader } from "../../../core/archive/tar_header.ts";
import { type TarLimits } from "../../../core/archive/tar_reader.ts";
import { entriesOf, isRoot, scratch, unpack, type UnpackOptions } from "./trees.ts";

export const skip = isRoot ? false : "needs root";

export type Member = Partial<Omit<HeaderFields, "type">> & {
  type?: string;
  body?: string | Uint8Array;
};

/** An archive of members that no tool would write. */
export function archive(...members: Member[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { body = "", type = "0", ...fields } of members) {
    const bytes = Buffer.from(body as string, "latin1");
    const block = new Uint8Array(512);
    const rest = { name: "x", mode: 0o644, uid: 0, gid: 0, size: bytes.length, mtime: 0 };
    writeHeader(block, 0, { ...rest, ...fields, type: type.charCodeAt(0) });
    parts.push(block, bytes, new Uint8Array(padding(bytes.length)));
  }
  return Buffer.concat([...parts, new Uint8Array(1024)]);
}

export function pax(records: Record<string, string>, type = "x"): Member {
  const body = Object.entries(records).map(([key, value]) => formatPax(key, value)).join("");
  return { name: "pax", type, body };
}

/** Unpacks beside a victim; fails when anything but the target was touched. */
export function attempt(
  tar: Uint8Array,
  options: UnpackOptions = {},
): { error: unknown; out: string } {
  const dir = scratch();
  const out = join(dir, "out");
  mkdirSync(out);
  mkdirSync(join(dir, "victim"));
  writeFileSync(join(dir, "victim", "file"), "untouched");
  let error: unknown = null;
  try {
    unpack(tar, out, options);
  } catch (thrown) {
    error = thrown;
  }
  assert.deepEqual(readdirSync(dir).sort(), ["out", "victim"]);
  assert.deepEqual(readdirSync(join(dir, "victim")), ["file"]);
  assert.equal(readFileSync(join(dir, "victim", "file"), "latin1"), "untouched");
  assert.equal(lstatSync(join(dir, "victim", "file")).nlink, 1);
  return { error, out };
}

export function assertRefused(tar: Uint8Array, member: string, options: UnpackOptions = {}): void {
  const { error } = attempt(tar, options);
  assert.ok(error instanceof CoracleError, `${member}: ${error}`);
  assert.ok(error.message.includes(member), `"${error.message}" does not name "${member}"`);
}

export function readerRefuses(
  tar: Uint8Array,
  member: string,
  limits: Partial<TarLimits> = {},
): void {
  assert.throws(() => entriesOf(tar, { limits }), (error) => {
    return error instanceof CoracleError && error.message.includes(member);
  });
}
