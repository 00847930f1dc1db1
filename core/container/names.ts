/**
 * Names of containers: the rule, and random ones for those who give none.
 */
import { CoracleError } from "../errors.ts";

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** Returns the name; fails with `usage` and Podman's words. */
export function checkName(name: string): string {
  if (NAME.test(name)) return name;
  throw new CoracleError("usage", `cannot use name ${JSON.stringify(name)}`, {
    why: "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
  });
}

/** What `create` says about a name that another container has. */
export function nameTaken(name: string, owner: string): CoracleError {
  return new CoracleError("exists", `cannot use name ${JSON.stringify(name)}`, {
    why: `the container name ${JSON.stringify(name)} is already in use by ${owner}. ` +
      "You have to remove that container to be able to reuse that name: that name is already in use",
    hint: `remove it with "coracle rm ${name}", or use "--replace"`,
  });
}

/** `words` are two lists; `isTaken` is asked until it says no. After ten tries digits are added. */
export function randomName(
  words: { readonly first: readonly string[]; readonly second: readonly string[] },
  isTaken: (name: string) => boolean,
): string {
  for (let attempt = 0;; attempt++) {
    const [a = 0, b = 0, c = 0] = crypto.getRandomValues(new Uint32Array(3));
    const first = words.first[a % words.first.length];
    const second = words.second[b % words.second.length];
    const name = `${first}_${second}${attempt < 10 ? "" : c % 10 ** Math.min(9, attempt - 9)}`;
    if (!isTaken(name)) return name;
  }
}
