/**
 * Makes the root file systems that the tasks work with, each once, under build/: a real Debian
 * (mmdebstrap) and a small one of busybox. Both appear whole or not at all.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { findProgram, finish, must, PROJECT, run, say, ToolError } from "./command.ts";

const SUITE = "bookworm";
const SUITES = [SUITE, `${SUITE}-updates`, `${SUITE}-security`];
/** Times in the trees are not later than this (2026-01-01), so that equal packages give equal tars. */
const EPOCH = "1767225600";

/** Path of build/debian-bookworm.tar, made first if it is not there (about 15 s and 40 MB). */
export function debianTar(): string {
  const tar = join(PROJECT, `build/debian-${SUITE}.tar`);
  if (existsSync(tar)) return tar;
  say(`root file system: making build/debian-${SUITE}.tar with mmdebstrap`);
  makeWhole(tar, (fresh) => {
    const folder = mkdtempSync(join(tmpdir(), "coracle-sources-"));
    try {
      const sources = join(folder, "debian.list");
      const lines = hostSources();
      writeFileSync(sources, lines.join("\n") + "\n");
      must([
        "mmdebstrap",
        "--variant=minbase",
        "--format=tar",
        ...aptSettings(),
        SUITE,
        fresh,
        // With no source of the host's own mmdebstrap takes Debian's.
        ...(lines.length > 0 ? [sources] : []),
      ], { show: true, env: { SOURCE_DATE_EPOCH: EPOCH }, timeout: 600_000 });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
  return tar;
}

/** Path of build/busybox.tar, made first if it is not there: one static program, about 2 MB. */
export function busyboxTar(): string {
  const tar = join(PROJECT, "build/busybox.tar");
  if (existsSync(tar)) return tar;
  const busybox = findProgram("busybox");
  if (busybox === null) {
    throw new ToolError('cannot make build/busybox.tar: no program "busybox" (busybox-static)');
  }
  makeWhole(tar, (fresh) => {
    const tree = mkdtempSync(join(tmpdir(), "coracle-busybox-"));
    try {
      for (const name of ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp", "usr", "var"]) {
        mkdirSync(join(tree, name));
      }
      must(["cp", "-L", busybox, join(tree, "bin/busybox")]);
      for (const applet of must([busybox, "--list"]).trim().split("\n")) {
        if (applet !== "busybox") run(["ln", "-s", "busybox", join(tree, "bin", applet)]);
      }
      writeFileSync(join(tree, "etc/passwd"), PASSWD);
      writeFileSync(join(tree, "etc/group"), GROUP);
      must(["chmod", "-R", "u=rwX,go=rX", tree]);
      must(["chmod", "1777", join(tree, "tmp")]);
      const owner = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name"];
      must(["tar", "-C", tree, ...owner, `--mtime=@${EPOCH}`, "-cf", fresh, "."]);
    } finally {
      rmSync(tree, { recursive: true, force: true });
    }
  });
  return tar;
}

const PASSWD = "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/tmp:/bin/sh\n";
const GROUP = "root:x:0:\nguest:x:1000:\nextra:x:2000:guest\n";

/** Has `make` write a file beside `path` and renames it when it is whole. */
function makeWhole(path: string, make: (fresh: string) => void): void {
  mkdirSync(join(PROJECT, "build"), { recursive: true });
  const fresh = `${path}.${process.pid}.new`;
  try {
    make(fresh);
    renameSync(fresh, path);
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** The host's way to the archive: proxies and validity checks, as options of mmdebstrap. */
function aptSettings(): string[] {
  const names = [
    "Acquire::http",
    "Acquire::https",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
  ];
  return names.flatMap((name) => run(["apt-config", "dump", "--no-empty", name]).stdout.split("\n"))
    .filter((line) => line.endsWith('";'))
    .map((line) => `--aptopt=${line}`);
}

/** One archive as apt knows it. sources.list(5). */
interface Source {
  readonly uri: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly signedBy?: string;
}

/**
 * The host's own sources of Debian bookworm as one-line entries, so that a mirror set up there is
 * used here; other archives (of browsers, databases, …) stay out. Empty on any other system.
 */
function hostSources(): string[] {
  const folder = "/etc/apt/sources.list.d";
  const names = existsSync(folder) ? readdirSync(folder).sort().map((n) => join(folder, n)) : [];
  const found = ["/etc/apt/sources.list", ...names].filter(existsSync).flatMap((path) => {
    if (path.endsWith(".sources")) return readDeb822(readFileSync(path, "utf8"));
    return path.endsWith(".list") ? readOneLine(readFileSync(path, "utf8")) : [];
  });
  return found
    .filter((s) => SUITES.includes(s.suite) && s.components.includes("main"))
    .map((s) => {
      const options = s.signedBy === undefined ? "" : `[signed-by=${s.signedBy}] `;
      return `deb ${options}${s.uri} ${s.suite} main`;
    });
}

function readOneLine(content: string): Source[] {
  const sources: Source[] = [];
  for (const line of content.split("\n")) {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(.+)$/.exec(
      line.replace(/#.*/, ""),
    );
    if (match === null) continue;
    const [, options = "", uri = "", suite = "", components = ""] = match;
    const signedBy = /signed-by=(\S+)/i.exec(options)?.[1];
    sources.push({ uri, suite, components: components.trim().split(/\s+/), signedBy });
  }
  return sources;
}

function readDeb822(content: string): Source[] {
  const bare = content.split("\n").filter((line) => !line.startsWith("#")).join("\n");
  return bare.split(/\n\s*\n/).flatMap((stanza) => {
    const field = (name: string) =>
      new RegExp(`^${name}:[ \\t]*(.*(?:\\n[ \\t]+.*)*)`, "im").exec(stanza)?.[1]?.trim();
    const words = (name: string) => (field(name) ?? "").split(/\s+/).filter((word) => word !== "");
    if (!words("Types").includes("deb") || field("Enabled")?.toLowerCase() === "no") return [];
    // A key written into the stanza itself has no place in a one-line entry; mmdebstrap finds it.
    const key = field("Signed-By");
    const signedBy = key?.startsWith("/") ? key : undefined;
    return words("URIs").flatMap((uri) =>
      words("Suites").map((suite) => ({ uri, suite, components: words("Components"), signedBy }))
    );
  });
}

if (import.meta.main) {
  await finish(() => {
    say(debianTar());
    if (findProgram("busybox") !== null) say(busyboxTar());
  });
}
