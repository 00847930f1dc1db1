/** From the words of a command line to the command: two-word names first, then one word. */
import { nearest } from "../nearest.ts";
import { usageError } from "./normalise.ts";
import { type CommandEntry, COMMANDS, NOUNS } from "./table.ts";

export type Found =
  | { readonly kind: "command"; readonly entry: CommandEntry; readonly rest: readonly string[] }
  /** `coracle image`, without a command of that noun. */
  | { readonly kind: "noun"; readonly noun: string; readonly rest: readonly string[] };

/** The entry with this exact name or alias. */
export function entryOf(name: string): CommandEntry | undefined {
  return COMMANDS.find((entry) => entry.name === name || entry.aliases.includes(name));
}

/** Every spelling that begins with the noun and a space, by its second word. */
export function entriesOfNoun(noun: string): { word: string; entry: CommandEntry }[] {
  return COMMANDS.filter((entry) => entry.hidden !== true).flatMap((entry) =>
    [entry.name, ...entry.aliases]
      .filter((name) => name.startsWith(`${noun} `))
      .map((name) => ({ word: name.slice(noun.length + 1), entry }))
  ).sort((a, b) => (a.word < b.word ? -1 : 1));
}

/** Fails with `usage`: unrecognized command. `words` is not empty. */
export function findCommand(words: readonly string[]): Found {
  const [first = "", second, ...after] = words;
  if (second !== undefined) {
    const entry = entryOf(`${first} ${second}`);
    if (entry !== undefined) return { kind: "command", entry, rest: after };
  }
  const entry = entryOf(first);
  if (entry !== undefined) return { kind: "command", entry, rest: words.slice(1) };
  const isNoun = Object.hasOwn(NOUNS, first);
  if (isNoun && (second === undefined || second.startsWith("-"))) {
    return { kind: "noun", noun: first, rest: words.slice(1) };
  }
  throw unrecognized(isNoun ? `${first} ` : "", isNoun ? second ?? "" : first);
}

function unrecognized(noun: string, word: string): Error {
  const names = noun === ""
    ? [
      ...COMMANDS.filter((entry) => entry.hidden !== true).flatMap((entry) => [
        entry.name,
        ...entry.aliases,
      ]),
      ...Object.keys(NOUNS),
    ].filter((name) => !name.includes(" "))
    : entriesOfNoun(noun.trim()).map((found) => found.word);
  const near = nearest(word, names);
  return usageError(
    noun.trim(),
    `unrecognized command "coracle ${noun}${word}"`,
    near === undefined ? undefined : `coracle ${noun}${near}`,
  );
}
