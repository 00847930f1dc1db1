/**
 * The comma-separated words behind a mount: which are known, which exclude one another, and what is
 * added when nothing is said. Podman's rules and words.
 */
import { wrongValue } from "./wrong_value.ts";

const PROPAGATION: readonly string[] = [
  "private",
  "rprivate",
  "shared",
  "rshared",
  "slave",
  "rslave",
  "unbindable",
  "runbindable",
];

/** Words of which a mount can have one, and how the error names them. */
const EXCLUSIVE: readonly (readonly [words: readonly string[], names: string])[] = [
  [["rw", "ro"], "'rw' or 'ro'"],
  [["exec", "noexec"], "'noexec' or 'exec'"],
  [["dev", "nodev"], "'nodev' or 'dev'"],
  [["suid", "nosuid"], "'nosuid' or 'suid'"],
  [["z", "Z", "O"], "'z', 'Z', or 'O'"],
  [PROPAGATION, "'[r]shared', '[r]private', '[r]slave' or '[r]unbindable'"],
  [["bind", "rbind"], "'[r]bind'"],
  [["U"], "'U'"],
  [["copy", "nocopy"], "'copy' or 'nocopy'"],
];
/** Words that Docker on other systems needs; they mean nothing here. */
const IGNORED: readonly string[] = ["cached", "delegated", "consistent"];

export function isPropagation(word: string): boolean {
  return PROPAGATION.includes(word);
}

/** Checks the third part of `-v`. Throws what Podman says about unknown and double words. */
export function checkVolumeOptions(flag: string, words: readonly string[]): void {
  for (const word of words) {
    const isKnown = IGNORED.includes(word) || EXCLUSIVE.some(([group]) => group.includes(word));
    if (!isKnown) throw wrongValue(flag, `invalid option type ${JSON.stringify(word)}`);
  }
  for (const [group, names] of EXCLUSIVE) {
    if (words.filter((word) => group.includes(word)).length > 1) {
      throw wrongValue(
        flag,
        `invalid options ${JSON.stringify(words.join(", "))}, can only specify 1 ${names} option`,
      );
    }
  }
}

export interface SplitOptions {
  /** What goes to mount(2) and is shown by `inspect`. */
  readonly options: readonly string[];
  readonly relabel?: "shared" | "private";
  readonly chown?: boolean;
  readonly overlay?: boolean;
  readonly noCopy?: boolean;
}

/** Takes the words that are orders to us out of the words that are for mount(2). */
export function splitVolumeOptions(words: readonly string[]): SplitOptions {
  const orders = ["z", "Z", "U", "O", "copy", "nocopy", ...IGNORED];
  return {
    options: words.filter((word) => !orders.includes(word)),
    ...(words.includes("z") ? { relabel: "shared" as const } : {}),
    ...(words.includes("Z") ? { relabel: "private" as const } : {}),
    ...(words.includes("U") ? { chown: true } : {}),
    ...(words.includes("O") ? { overlay: true } : {}),
    ...(words.includes("nocopy") ? { noCopy: true } : {}),
  };
}

/** Checks the options of a tmpfs. tmpfs(5) and Podman's `tmpcopyup`, `notmpcopyup`. */
export function checkTmpfsOptions(flag: string, words: readonly string[]): void {
  const seen = new Set<string>();
  for (const word of words) {
    const name = word.split("=", 1)[0] ?? "";
    const group = tmpfsGroup(name);
    if (group === null) {
      throw wrongValue(flag, `unknown mount option ${JSON.stringify(name)}: invalid mount option`);
    }
    if (seen.has(group)) {
      throw wrongValue(
        flag,
        `only one ${group} option can be specified: duplicate mount option passed`,
      );
    }
    seen.add(group);
  }
}

function tmpfsGroup(name: string): string | null {
  const known = EXCLUSIVE.slice(0, 4).find(([group]) => group.includes(name));
  if (known !== undefined) return known[0].join("/");
  if (isPropagation(name)) return "propagation";
  if (name === "tmpcopyup" || name === "notmpcopyup") return "tmpcopyup/notmpcopyup";
  return ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"].includes(name) ? name : null;
}

/** Flags of the file system a bind mount comes from, which the bind must keep. */
export interface SourceFlags {
  readonly nosuid: boolean;
  readonly nodev: boolean;
  readonly noexec: boolean;
}

/**
 * The options in full, as the runtime gets them. The source's own nosuid, nodev and noexec are
 * repeated: a remount to `ro` would otherwise clear them and a set-uid file of a nosuid disk would
 * work in the container.
 */
export function completeOptions(
  options: readonly string[],
  mount: { readonly isTmpfs: boolean; readonly source: SourceFlags },
): string[] {
  const has = (...words: string[]) => options.some((word) => words.includes(word));
  const complete = options.filter((word) => word !== "notmpcopyup");
  if (!has("rw", "ro")) complete.push("rw");
  if (!options.some(isPropagation)) complete.push("rprivate");
  if (mount.source.noexec && !has("exec", "noexec")) complete.push("noexec");
  if (mount.source.nosuid && !has("suid", "nosuid")) complete.push("nosuid");
  if (mount.source.nodev && !has("dev", "nodev")) complete.push("nodev");
  if (mount.isTmpfs && !has("tmpcopyup", "notmpcopyup")) complete.push("tmpcopyup");
  if (!mount.isTmpfs && !has("bind", "rbind")) complete.push("rbind");
  return complete;
}

/** The word a relabel was asked for with, as `inspect` shows it. */
export function relabelWord(mount: Pick<SplitOptions, "relabel">): "" | "z" | "Z" {
  if (mount.relabel === undefined) return "";
  return mount.relabel === "shared" ? "z" : "Z";
}
