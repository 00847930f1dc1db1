/**
 * The Debian packages that the tasks need, each with its reason, and the step that installs the
 * missing ones. `deno run -A tools/host_packages.ts start|test|bench` runs it alone.
 */
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { findProgram, finish, isRoot, must, quote, run, say, ToolError } from "./command.ts";

export type Purpose = "start" | "test" | "bench";

interface HostPackage {
  readonly name: string;
  /** A program of it: how a host without dpkg is asked. */
  readonly program: string;
  readonly why: string;
  readonly for: readonly Purpose[];
}

const ALL: readonly Purpose[] = ["start", "test", "bench"];
const TEST: readonly Purpose[] = ["test"];
const PEERS: readonly Purpose[] = ["test", "bench"];

export const HOST_PACKAGES: readonly HostPackage[] = [
  { name: "crun", program: "crun", for: ALL, why: "OCI runtime, starts the processes" },
  { name: "runc", program: "runc", for: ALL, why: "OCI runtime, the other one" },
  { name: "conmon", program: "conmon", for: ALL, why: "stays beside a detached container" },
  { name: "mmdebstrap", program: "mmdebstrap", for: ALL, why: "makes the Debian root file system" },
  { name: "gpg", program: "gpg", for: ALL, why: "mmdebstrap finds the archive's key with it" },
  { name: "mount", program: "mount", for: ALL, why: "mmdebstrap mounts /proc and /sys with it" },
  { name: "xz-utils", program: "xz", for: ALL, why: "opens .tar.xz images and layers" },
  { name: "bzip2", program: "bzip2", for: ALL, why: "opens .tar.bz2 images and layers" },
  { name: "podman", program: "podman", for: PEERS, why: "images of others, peer to compare with" },
  { name: "skopeo", program: "skopeo", for: PEERS, why: "images of others, checks ours" },
  { name: "umoci", program: "umoci", for: TEST, why: "images of others, unpacks ours" },
  { name: "buildah", program: "buildah", for: TEST, why: "images of others" },
  { name: "busybox-static", program: "busybox", for: PEERS, why: "the small test image" },
  { name: "zstd", program: "zstd", for: TEST, why: "makes zstd archives that we did not write" },
  {
    name: "libarchive-tools",
    program: "bsdtar",
    for: TEST,
    why: "makes and reads tars beside GNU",
  },
  { name: "sqlite3", program: "sqlite3", for: TEST, why: "looks into state.db from outside" },
  { name: "jq", program: "jq", for: TEST, why: "reads our JSON as scripts do" },
  { name: "strace", program: "strace", for: TEST, why: "shows which system calls are made" },
  { name: "tmux", program: "tmux", for: TEST, why: "a real terminal for run -it" },
  { name: "libcap2-bin", program: "setcap", for: TEST, why: "file capabilities, capability sets" },
  { name: "attr", program: "setfattr", for: TEST, why: "extended attributes made by others" },
  { name: "procps", program: "ps", for: TEST, why: "which processes are left" },
  { name: "e2fsprogs", program: "mkfs.ext4", for: TEST, why: "small and full file systems" },
  { name: "xfsprogs", program: "mkfs.xfs", for: TEST, why: "a file system that clones files" },
  { name: "btrfs-progs", program: "mkfs.btrfs", for: TEST, why: "a file system that clones trees" },
  { name: "rsync", program: "rsync", for: TEST, why: "compares trees, peer for mirrors" },
  { name: "restic", program: "restic", for: TEST, why: "peer for backups" },
  {
    name: "hyperfine",
    program: "hyperfine",
    for: ["bench"],
    why: "a second clock for the benches",
  },
];

function missingPackages(purpose: Purpose): HostPackage[] {
  const wanted = HOST_PACKAGES.filter((p) => p.for.includes(purpose));
  if (findProgram("dpkg-query") === null) {
    return wanted.filter((p) => findProgram(p.program) === null);
  }
  const format = "${binary:Package} ${db:Status-Status}\n";
  const known = run(["dpkg-query", "-W", "-f", format, ...wanted.map((p) => p.name)]).stdout;
  const installed = new Set(
    known.split("\n").filter((line) => line.endsWith(" installed"))
      .map((line) => line.replace(/[: ].*/, "")),
  );
  return wanted.filter((p) => !installed.has(p.name));
}

function hasPackageLists(): boolean {
  const folder = "/var/lib/apt/lists";
  return existsSync(folder) && readdirSync(folder).some((name) => /_Packages(\.\w+)?$/.test(name));
}

/** Installs what `purpose` needs and the host lacks; throws with the command to type if it cannot. */
export function ensurePackages(purpose: Purpose): void {
  const missing = missingPackages(purpose);
  if (missing.length === 0) return say(`packages: all there for "${purpose}"`);
  say(`packages: ${missing.length} missing for "${purpose}"`);
  for (const p of missing) say(`  ${p.name.padEnd(17)} ${p.why}`);

  const install = ["apt-get", "install", "-y", "--no-install-recommends"];
  const command = [...install, ...missing.map((p) => p.name)];
  if (!isRoot() || findProgram("apt-get") === null) {
    const reason = isRoot() ? "this host has no apt-get" : "installing needs root";
    const typed = isRoot()
      ? `these programs (the names are Debian's): ${missing.map((p) => p.name).join(" ")}`
      : `sudo apt-get update && sudo ${quote(command)}`;
    throw new ToolError(`cannot install the packages: ${reason}\ninstall: ${typed}`);
  }
  const quiet = { env: { DEBIAN_FRONTEND: "noninteractive" } };
  const wait = ["-qq", "-o", "DPkg::Lock::Timeout=300"];
  const update = ["apt-get", "update", ...wait];
  const fresh = !hasPackageLists();
  if (fresh) must(update, quiet);
  if (run([...command, ...wait], quiet).status !== 0) {
    // Old lists name package versions that the mirror no longer has.
    if (!fresh) must(update, quiet);
    must([...command, ...wait], quiet);
  }
  say(`packages: installed ${missing.length}`);
}

if (import.meta.main) {
  await finish(() => {
    const purpose = process.argv[2] ?? "";
    if (!(ALL as readonly string[]).includes(purpose)) {
      throw new ToolError(`cannot install for ${JSON.stringify(purpose)}: say ${ALL.join(", ")}`);
    }
    ensurePackages(purpose as Purpose);
  });
}
