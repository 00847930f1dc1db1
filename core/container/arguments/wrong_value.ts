/**
 * The error of a flag whose value is wrong. The reason is worded as Podman words it, because
 * scripts and people search for those words.
 */
import { CoracleError } from "../../errors.ts";

/** `cannot use "--memory": <why>`; code `usage`. */
export function wrongValue(flag: string, why: string): CoracleError {
  return new CoracleError("usage", `cannot use "${flag}"`, { why });
}

/** A whole number in decimal digits, with a minus when `signed`; Podman's (Go's) words otherwise. */
export function parseInteger(
  flag: string,
  text: string,
  options: { readonly signed?: boolean } = {},
): number {
  const call = options.signed ? "ParseInt" : "ParseUint";
  const pattern = options.signed ? /^[+-]?[0-9]+$/ : /^[0-9]+$/;
  const quoted = JSON.stringify(text);
  if (!pattern.test(text)) {
    throw wrongValue(
      flag,
      `invalid argument ${quoted} for "${flag}" flag: strconv.${call}: parsing ${quoted}: invalid syntax`,
    );
  }
  const value = Number(text);
  if (!Number.isSafeInteger(value)) {
    throw wrongValue(
      flag,
      `invalid argument ${quoted} for "${flag}" flag: strconv.${call}: parsing ${quoted}: value out of range`,
    );
  }
  return value;
}
