/**
 * Who a container runs as: the text of `--user` looked up in the container's own /etc/passwd and
 * /etc/group, which are read beneath the container's root and trusted with nothing. passwd(5),
 * group(5).
 */
import { CoracleError, isErrno } from "../errors.ts";
import { close, O, openBeneath, read, statFd } from "../sys/at.ts";
import { raw } from "../terms.ts";

export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups. */
  readonly groups: readonly number[];
  /** "" when passwd does not know the user. */
  readonly home: string;
}

export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** The text and contents of one look-up. */
export interface UserQuestion {
  /** "" (root), `name`, `uid`, `name:group`, `uid:gid`. */
  readonly user: string;
  /** `--group-add`. */
  readonly groupAdd: readonly string[];
}

/** Ids are 31 bits wide in Podman and docker; -1 and larger ones mean something else to setuid(2). */
const MOST_ID = 2 ** 31 - 1;
/** Bytes of passwd or group we are ready to read. */
const MOST_BYTES = 8 * 1024 * 1024;

/** `root` is a descriptor of the container's root directory. Fails with `usage`. */
export function resolveUser(root: number, question: UserQuestion): ResolvedUser {
  return lookUpUser(question, {
    passwd: parsePasswd(readBeneath(root, "etc/passwd")),
    group: parseGroup(readBeneath(root, "etc/group")),
  });
}

/** A small regular file of the container as text; "" when it is missing. */
export function readBeneath(root: number, path: string): string {
  let fd: number;
  try {
    // NONBLOCK: a fifo in the file's place must not stop us.
    fd = openBeneath(root, raw(path), O.RDONLY | O.NONBLOCK, { scope: "in-root" });
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return "";
    throw error;
  }
  try {
    const { type, size } = statFd(fd);
    if (type !== "file" || size > MOST_BYTES) {
      throw new CoracleError("corrupt", `cannot read ${JSON.stringify(path)} of the container`, {
        why: type === "file" ? `it has ${size} bytes` : `it is a ${type}, not a file`,
      });
    }
    return readAll(fd, size);
  } finally {
    close(fd);
  }
}

function readAll(fd: number, size: number): string {
  const bytes = new Uint8Array(new ArrayBuffer(size));
  let filled = 0;
  while (filled < size) {
    const count = read(fd, bytes.subarray(filled));
    if (count === 0) break;
    filled += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, filled));
}

export function parsePasswd(content: string): PasswdEntry[] {
  return content.split("\n").flatMap((line) => {
    const [name = "", , uid = "", gid = "", , home = ""] = line.trim().split(":");
    if (name === "" || name.startsWith("#") || !isNumber(uid)) return [];
    return [{ name, uid: Number(uid), gid: isNumber(gid) ? Number(gid) : 0, home }];
  });
}

export function parseGroup(content: string): GroupEntry[] {
  return content.split("\n").flatMap((line) => {
    const [name = "", , gid = "", members = ""] = line.trim().split(":");
    if (name === "" || name.startsWith("#") || !isNumber(gid)) return [];
    return [{ name, gid: Number(gid), members: members.split(",").filter((one) => one !== "") }];
  });
}

function isNumber(text: string): boolean {
  return /^[0-9]+$/.test(text);
}

/** Pure; the rules and words are those of Podman and runc. */
export function lookUpUser(
  { user, groupAdd }: UserQuestion,
  files: { readonly passwd: readonly PasswdEntry[]; readonly group: readonly GroupEntry[] },
): ResolvedUser {
  const colon = user.indexOf(":");
  const userText = colon < 0 ? user : user.slice(0, colon);
  const groupText = colon < 0 ? "" : user.slice(colon + 1);
  const found = files.passwd.find((entry) =>
    userText === "" ? entry.uid === 0 : isMeant(entry.name, entry.uid, userText)
  );
  const uid = found?.uid ?? idOf(userText || "0", "user", user);
  const gid = groupText === ""
    ? found?.gid ?? 0
    : files.group.find((entry) => isMeant(entry.name, entry.gid, groupText))?.gid ??
      idOf(groupText, "group", user);
  checkRange(uid, user);
  checkRange(gid, user);
  const name = found?.name;
  const own = colon >= 0 || name === undefined
    ? []
    : files.group.filter((entry) => entry.members.includes(name)).map((entry) => entry.gid);
  const added = groupAdd.map((text) =>
    files.group.find((entry) => isMeant(entry.name, entry.gid, text))?.gid ??
      checkRange(idOf(text, "group", text), text)
  );
  // The own group is also supplementary: else setgid(2) would shed a group the user is kept out of
  // by a mode such as 0705 (CVE-2022-2989).
  const primary = user === "" ? [] : [gid];
  return {
    uid,
    gid,
    groups: [...new Set([...primary, ...added, ...own])],
    home: found?.home ?? "",
  };
}

function isMeant(name: string, id: number, text: string): boolean {
  return name === text || (isNumber(text) && Number(text) === id);
}

/** A number that no file knows is taken as it is; a name is not. */
function idOf(text: string, kind: "user" | "group", user: string): number {
  if (/^-?[0-9]+$/.test(text)) return Number(text);
  const file = kind === "user" ? "passwd" : "group";
  throw new CoracleError("usage", `cannot use user ${JSON.stringify(user)}`, {
    why: `unable to find ${kind} ${text}: no matching entries in ${file} file`,
  });
}

function checkRange(id: number, user: string): number {
  if (id >= 0 && id <= MOST_ID) return id;
  throw new CoracleError("usage", `cannot use user ${JSON.stringify(user)}`, {
    why: `uids and gids must be in range 0-${MOST_ID}`,
  });
}
