/** `KEY=VALUE` words as a record: labels, options. */

/** Later ones win; a word without "=" has the value "". */
export function pairs(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => {
    const equals = word.indexOf("=");
    return equals < 0 ? [word, ""] : [word.slice(0, equals), word.slice(equals + 1)];
  }));
}
