/**
 * What the tests of this folder share: scratch directories, a tree with everything a tree can have,
 * packing and unpacking in one call, and judges that are not ours.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { raw, type TreeEntry, type TreeSink } from "../../../core/terms.ts";
import { setXattrAt } from "../../../core/sys/xattr.ts";
import { AT_FDCWD, close, type Fd, O, openAt } from "../../../core/sys/at.ts";
import {
  type ReceiveNotes,
  type ReceiveOptions,
  TreeReceiver,
} from "../../../core/archive/receive.ts";
import { type TarNotes, TarReader, type TarReadOptions } from "../../../core/archive/tar_reader.ts";
import { type TarWriteOptions, TarWriter } from "../../../core/archive/tar_writer.ts";
import { type WalkNotes, type WalkOptions, walkTree } from "../../../core/archive/walk.ts";

export const isRoot: boolean = process.getuid?.() === 0;

let base: string | null = null;
let count = 0;

/** rm(1), because the runtimes fail or take seconds on paths longer than PATH_MAX. */
function cleanUp(): void {
  if (base !== null) execFileSync("rm", ["-rf", base]);
  base = null;
}
// Bun loads this module once for all test files, so a hook would come after the first file only;
// Deno's test runner loads it for each file, and has no exit event of node's.
if ("Bun" in globalThis) process.on("exit", cleanUp);
else after(cleanUp);

/** A new directory that goes away after the tests. */
export function scratch(): string {
  base ??= mkdtempSync(join(tmpdir(), "archive-"));
  const path = join(base, `${++count}`);
  mkdirSync(path);
  return path;
}

/** Why a test that needs these programs cannot run here; false when it can. */
export function missing(...programs: string[]): string | false {
  for (const program of programs) {
    const found = (process.env["PATH"] ?? "").split(":").some((dir) =>
      existsSync(join(dir, program))
    );
    if (!found) return `needs ${program}`;
  }
  return false;
}

/** Needs root besides the programs. */
export function needs(...programs: string[]): string | false {
  return isRoot ? missing(...programs) : "needs root";
}

export function sh(script: string, cwd: string): string {
  return execFileSync("bash", ["-euc", script], { cwd, encoding: "utf8" });
}

export function openDir(path: string): Fd {
  return openAt(AT_FDCWD, raw(path), O.RDONLY | O.DIRECTORY);
}

export function withDir<T>(path: string, use: (fd: Fd) => T): T {
  const fd = openDir(path);
  try {
    return use(fd);
  } finally {
    close(fd);
  }
}

/** The archive of a directory, by our walk and writer. */
export function pack(
  path: string,
  options: { walk?: WalkOptions; write?: TarWriteOptions } = {},
): { tar: Buffer; notes: WalkNotes } {
  const chunks: Buffer[] = [];
  const writer = new TarWriter(
    { write: (bytes) => chunks.push(Buffer.from(bytes)) },
    options.write,
  );
  const notes = withDir(path, (fd) => walkTree(fd, writer, options.walk));
  return { tar: Buffer.concat(chunks), notes };
}

/** Pushes `tar` in pieces of `piece` bytes. */
export function feed(reader: TarReader, tar: Uint8Array, piece = 64 * 1024): void {
  for (let at = 0; at < tar.length; at += piece) reader.push(tar.subarray(at, at + piece));
  reader.end();
}

export interface UnpackOptions {
  read?: Partial<TarReadOptions>;
  receive?: Partial<ReceiveOptions>;
  piece?: number;
}

/** Unpacks into a directory by our reader and receiver. */
export function unpack(
  tar: Uint8Array,
  path: string,
  options: UnpackOptions = {},
): { read: TarNotes; receive: ReceiveNotes } {
  return withDir(path, (fd) => {
    const receiver = new TreeReceiver(fd, { whiteouts: "overlay", ...options.receive });
    try {
      const reader = new TarReader(receiver, { whiteouts: "keep", ...options.read });
      feed(reader, tar, options.piece);
      return { read: reader.notes, receive: receiver.notes };
    } finally {
      receiver.close();
    }
  });
}

export class Collector implements TreeSink {
  readonly entries: (TreeEntry & { content: string })[] = [];
  isEnded = false;
  entry(entry: TreeEntry): void {
    this.entries.push({ ...entry, content: "" });
  }
  write(bytes: Uint8Array): void {
    const last = this.entries.at(-1);
    assert.ok(last);
    last.content += Buffer.from(bytes).toString("latin1");
  }
  end(): void {
    this.isEnded = true;
  }
}

/** The entries of an archive. */
export function entriesOf(
  tar: Uint8Array,
  options: Partial<TarReadOptions> = {},
  piece?: number,
): (TreeEntry & { content: string })[] {
  const collector = new Collector();
  feed(new TarReader(collector, { whiteouts: "keep", ...options }), tar, piece);
  assert.ok(collector.isEnded);
  return collector.entries;
}

/** Fails unless rsync finds no difference in content, owners, modes, times to the nanosecond, links. */
export function assertSameTree(a: string, b: string, except: readonly string[] = []): void {
  const args = ["-aHAXn", "--delete", "--checksum", "--modify-window=-1", "--itemize-changes"];
  const out = execFileSync("rsync", [...args, `${a}/`, `${b}/`], { encoding: "utf8" });
  const lines = out.split("\n").filter((line) => line !== "" && !except.includes(line.slice(12)));
  assert.deepEqual(lines, []);
}

/** Fails unless GNU tar finds the tree as the archive says. */
export function assertMatchesArchive(archive: string, directory: string): void {
  const args = ["--compare", "--xattrs", "--xattrs-include=*", "-f", archive, "-C", directory];
  const result = spawnSync("tar", args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
  assert.equal(result.stdout + result.stderr, "");
  assert.equal(result.status, 0);
}

/** Makes the tree of `EVERYTHING` in the empty directory `path`. */
export function makeEverything(path: string): void {
  sh(EVERYTHING, path);
  withDir(path, (fd) => {
    const set = (name: string, xattr: string, value: string) => {
      setXattrAt(fd, raw(name), raw(xattr), Buffer.from(value, "latin1"));
    };
    set("capable", "security.capability", `\x01\0\0\x02\0\x04${"\0".repeat(14)}`);
    set("plain/file", "user.note", "a=b");
    set("plain/file", "user.empty", "");
    set("plain", "user.binary", "\0\n=\0\xff");
    set("plain/sub", "user.with=sign%3D", "odd name");
    set("plain/sub", "trusted.mark", "1");
    set("plain/link", "trusted.link", "2");
  });
}

/** Everything a tree can have; as root on a file system with xattrs. */
const EVERYTHING = String.raw`
mkdir -p plain/sub empty sticky setgid
echo hello > plain/file
: > plain/nothing
head -c 700000 /dev/urandom > plain/large
ln plain/file plain/hard
ln plain/file plain/sub/hard
ln -s file plain/link
ln -s /proc/self/fd absolute
ln -s ../../../../etc/shadow outside
ln plain/link plain/linkhard 2>/dev/null || true
mkfifo -m 0640 fifo
mknod -m 0660 disk b 7 200
mknod -m 0620 console c 300 70000
chown 12:34 console
cp plain/file setuid; chown 1000:1001 setuid; chmod 6755 setuid
chmod 1777 sticky; chmod 2775 setgid; chmod 0 plain/nothing
cp plain/file capable
chown -h 5:6 plain/link
cp plain/file owned; chown 2147483648:4294967294 owned
cp plain/file old; touch -d '1969-12-31 23:59:58.5 UTC' old
cp plain/file older; touch -d '1901-12-14 00:00:00.000000001 UTC' older
cp plain/file exact; touch -d '2024-02-29 12:34:56.123456789 UTC' exact
touch -h -d '2001-02-03 04:05:06.000000007 UTC' plain/link
touch -d '2011-11-11 11:11:11.111111111 UTC' setgid
long=$(printf 'n%.0s' {1..255})
echo long > $long
mkdir -p $long.d 2>/dev/null || true
cd empty
deep=$(printf 'd%.0s' {1..90})
mkdir -p $deep/$deep/$deep/$deep; echo deep > $deep/$deep/$deep/$deep/file; ln $deep/$deep/$deep/$deep/file deephard
ln -s $deep/$deep/$deep deeplink
cd ..
echo bytes > $'not-utf8-\xff\xfe'
ln $'not-utf8-\xff\xfe' $'also-\xff'
ln -s $'\xff\x01' binarylink
echo utf8 > $'gr\u00fc\u00dfe'
echo new > $'new\nline'; echo dash > -dash; echo dots > ..dots; echo space > ' space '; echo back > 'b\ack'
truncate -s 8M hole
dd if=/dev/urandom of=hole bs=4096 count=3 seek=500 conv=notrunc status=none
truncate -s 5000000 tail; dd if=/dev/urandom of=tail bs=4096 count=1 conv=notrunc status=none
touch -d '2020-01-01 UTC' .
`;
