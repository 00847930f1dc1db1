/**
 * JSON from outside: read with limits on size and depth, and taken apart with checks that say which
 * key is wrong.
 */
import { CoracleError } from "../errors.ts";
import { type Digest } from "../terms.ts";
import { isDigest } from "./reference.ts";

export const MANIFEST_BYTES = 4 * 1024 * 1024;
export const CONFIG_BYTES = 8 * 1024 * 1024;
/** Real documents have 6. */
const DEEPEST = 64;

export type JsonObject = Readonly<Record<string, unknown>>;

/** `document` is a short name for messages: `manifest "sha256:…"`, `"index.json"`. */
export function wrongDocument(document: string, why: string): CoracleError {
  return new CoracleError("corrupt", `cannot use the image's ${document}`, { why });
}

/** Fails with `corrupt` when it is too large, too deep, or not JSON. */
export function parseJson(bytes: Uint8Array, document: string, limit: number): unknown {
  if (bytes.length > limit) {
    throw wrongDocument(document, `it has ${bytes.length} bytes, the limit is ${limit}`);
  }
  // Before JSON.parse: a document of nothing but brackets would overflow its stack.
  if (depthOf(bytes) > DEEPEST) {
    throw wrongDocument(document, `it is nested deeper than ${DEEPEST} levels`);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    throw wrongDocument(document, `it is not JSON: ${said}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function depthOf(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let isText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    if (isText) {
      if (byte === BACKSLASH) i++;
      else if (byte === QUOTE) isText = false;
    } else if (byte === QUOTE) isText = true;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > deepest) deepest = depth;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return deepest;
}

/** Takes values out of one document; every failure is `corrupt` and names the key. */
export class DocumentReader {
  readonly document: string;

  constructor(document: string) {
    this.document = document;
  }

  fail(key: string, wanted: string): CoracleError {
    return wrongDocument(this.document, `"${key}" is not ${wanted}`);
  }

  object(value: unknown, key: string): JsonObject {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.fail(key, "an object");
    }
    return value as JsonObject;
  }

  list(value: unknown, key: string, most: number): readonly unknown[] {
    if (!Array.isArray(value)) throw this.fail(key, "a list");
    if (value.length > most) throw this.fail(key, `a list of at most ${most}`);
    return value;
  }

  text(value: unknown, key: string): string {
    if (typeof value !== "string") throw this.fail(key, "a string");
    return value;
  }

  optionalText(value: unknown, key: string): string | undefined {
    return value === undefined || value === null ? undefined : this.text(value, key);
  }

  digest(value: unknown, key: string): Digest {
    if (typeof value !== "string" || !isDigest(value)) {
      throw this.fail(key, "a digest (sha256: and 64 hex digits)");
    }
    return value;
  }

  size(value: unknown, key: string): number {
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw this.fail(key, "a size");
    return value as number;
  }

  /** A map from text to text, or undefined. */
  optionalTexts(value: unknown, key: string): Readonly<Record<string, string>> | undefined {
    if (value === undefined || value === null) return undefined;
    const map = this.object(value, key);
    for (const name of Object.keys(map)) this.text(map[name], `${key}.${name}`);
    return map as Readonly<Record<string, string>>;
  }

  /** A list of text, or undefined. */
  optionalTextList(value: unknown, key: string): readonly string[] | undefined {
    if (value === undefined || value === null) return undefined;
    return this.list(value, key, 100_000).map((item, i) => this.text(item, `${key}[${i}]`));
  }
}
