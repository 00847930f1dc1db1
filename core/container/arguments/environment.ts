/**
 * Words of the form KEY=VALUE: environment variables, files of them, labels and annotations.
 */
import { wrongValue } from "./wrong_value.ts";

type Variables = Readonly<Record<string, string | undefined>>;

/**
 * One `-e` word or one line of a file, as `KEY=VALUE` lines: KEY alone takes the value of the
 * host's variable and is dropped when there is none; `KEY*` takes every variable that begins so.
 */
export function parseEnvironment(text: string, host: Variables): string[] {
  const equals = text.indexOf("=");
  if (equals === 0) throw invalid(text);
  if (equals > 0) return [text];
  if (text.endsWith("*")) {
    const start = text.slice(0, -1);
    return Object.keys(host).filter((key) => key.startsWith(start)).sort()
      .map((key) => `${key}=${host[key] ?? ""}`);
  }
  const value = host[text];
  return value === undefined || text === "" ? [] : [`${text}=${value}`];
}

function invalid(text: string): Error {
  return wrongValue("--env", `invalid environment variable: ${JSON.stringify(text)}`);
}

/** A file of `--env-file`: a variable a line, blanks before it and lines with # are skipped. */
export function parseEnvironmentFile(
  content: string,
  options: { readonly path: string; readonly host: Variables },
): string[] {
  const variables: string[] = [];
  for (const line of content.split("\n")) {
    const trimmed = line.replace(/\r$/, "").trimStart();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    if (trimmed.startsWith("=")) {
      throw wrongValue(
        "--env-file",
        `parsing env file ${JSON.stringify(options.path)}: ` +
          `invalid environment variable: ${JSON.stringify(trimmed)}`,
      );
    }
    variables.push(...parseEnvironment(trimmed, options.host));
  }
  return variables;
}

/** `-l KEY[=VALUE]`. */
export function parseLabel(text: string): { readonly key: string; readonly value: string } {
  const equals = text.indexOf("=");
  const key = equals < 0 ? text : text.slice(0, equals);
  if (key === "") {
    throw wrongValue(
      "--label",
      `unable to process labels: invalid label format: ${JSON.stringify(text)}`,
    );
  }
  return { key, value: equals < 0 ? "" : text.slice(equals + 1) };
}

/** A file of `--label-file`: a label a line; blank lines and lines with # are skipped. */
export function parseLabelFile(content: string): { key: string; value: string }[] {
  return content.split("\n").map((line) => line.replace(/\r$/, "").trimStart())
    .filter((line) => line !== "" && !line.startsWith("#")).map(parseLabel);
}

/** `--annotation KEY=VALUE`. */
export function parseAnnotation(text: string): { readonly key: string; readonly value: string } {
  const equals = text.indexOf("=");
  if (equals < 0) throw wrongValue("--annotation", "annotations must be formatted KEY=VALUE");
  return { key: text.slice(0, equals), value: text.slice(equals + 1) };
}

/**
 * `KEY=VALUE` lists laid over one another: a later value replaces an earlier one in its place, so
 * that the order is the order of first mention.
 */
export function mergeEnvironment(...lists: readonly (readonly string[])[]): string[] {
  const merged = new Map<string, string>();
  for (const list of lists) {
    for (const word of list) {
      const equals = word.indexOf("=");
      if (equals > 0) merged.set(word.slice(0, equals), word);
    }
  }
  return [...merged.values()];
}
