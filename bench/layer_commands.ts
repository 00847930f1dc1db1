/**
 * What layers cost on the command line, with the whole Debian image: the life of a mounted container,
 * load, save, diff and the copy driver against podman (and buildah), and the tar of a tree against
 * tar(1). On a tmpfs, where the disk does not hide what the programs do; in another place with
 * CORACLE_BENCH_DIRECTORY. Needs root.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { EXECUTABLE } from "../tools/build.ts";
import { debianTar } from "../tools/root_file_system.ts";
import {
  type Candidate,
  compare,
  type Comparison,
  note,
  prepare,
  type Promised,
  report,
} from "./measure.ts";

const IMAGE = "localhost/debian:bookworm";
const folder = mkdtempSync(
  join(process.env.CORACLE_BENCH_DIRECTORY ?? "/dev/shm", "coracle-bench-"),
);
const at = (name: string) => join(folder, name);
const store = (name: string) => ["--root", at(`${name}/root`), "--runroot", at(`${name}/run`)];

const coracle = [EXECUTABLE, ...store("coracle"), "--runtime", "crun"];
const copy = [EXECUTABLE, ...store("copy"), "--runtime", "crun", "--layer-driver", "copy"];
const podmanFlags = ["--cgroup-manager", "cgroupfs", "--runtime", "crun"];
const podman = ["podman", ...store("podman"), "--storage-driver", "overlay", ...podmanFlags];
const vfs = ["podman", ...store("vfs"), "--storage-driver", "vfs", ...podmanFlags];
const buildah = ["buildah", ...store("podman"), "--storage-driver", "overlay"];
const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

/** One shell script; the same small cost of the shell for everybody. */
function script(name: string, base: readonly string[], lines: string): Candidate {
  return { name, command: ["sh", "-ec", `e() { ${base.join(" ")} "$@"; }\n${lines}`] };
}

function life(): Comparison {
  const four = `
    id=$(e create ${IMAGE} true); dir=$(e mount "$id"); test -d "$dir/etc"
    e unmount "$id"; e rm "$id"`;
  const top = prepare([...coracle, "layer", "ls", "--format", "{{.Id}}"]).split("\n")[0];
  return compare("create + mount + unmount + rm", [
    script("coracle", coracle, four),
    script(
      "coracle layer",
      coracle,
      `id=$(e layer create --parent ${top}); dir=$(e layer mount "$id"); test -d "$dir/etc"
      e layer unmount "$id"; e layer rm "$id"`,
    ),
    script("podman", podman, four),
    script(
      "buildah",
      buildah,
      `id=$(e from ${IMAGE}); dir=$(e mount "$id"); test -d "$dir/etc"
      e umount "$id"; e rm "$id"`,
    ),
  ], {
    rounds: 21,
    promises: [
      { ours: "coracle", peer: "podman", limit: 0.25 },
      { ours: "coracle layer", peer: "podman", limit: 0.25 },
      { ours: "coracle", peer: "buildah" },
      { ours: "coracle layer", peer: "buildah" },
    ],
  });
}

function load(archive: string): Comparison {
  const tree = at("untar");
  const fresh = (base: readonly string[]) => () => void prepare([...base, "rmi", "-af"]);
  const inner = debianTar();
  return compare("load, Debian", [
    { name: "coracle", command: [...coracle, "load", "-i", archive], before: fresh(coracle) },
    { name: "podman", command: [...podman, "load", "-i", archive], before: fresh(podman) },
    {
      name: "tar -x and sha256sum",
      command: [
        "sh",
        "-ec",
        `mkdir ${tree}; tar -xpf ${inner} -C ${tree} --numeric-owner; sha256sum ${inner}`,
      ],
      before: () => rmSync(tree, { recursive: true, force: true }),
    },
  ], {
    rounds: 9,
    promises: [
      { ours: "coracle", peer: "podman", limit: 0.35 },
      { ours: "coracle", peer: "tar -x and sha256sum", limit: 1.3 },
    ],
  });
}

function save(): Comparison {
  const candidate = (name: string, base: readonly string[]): Candidate => ({
    name,
    command: [...base, "save", "-o", at(`${name}.tar`), IMAGE],
    before: () => rmSync(at(`${name}.tar`), { force: true }),
  });
  return compare("save, Debian", [candidate("coracle", coracle), candidate("podman", podman)], {
    rounds: 9,
    promises: [{ ours: "coracle", peer: "podman", limit: 0.35 }],
  });
}

/** A container with a hundred new files, some changes and deletions. */
function changed(base: readonly string[], how: string): void {
  prepare([
    "sh",
    "-ec",
    `e() { ${base.join(" ")} "$@"; }
    e create --name changed ${limits.join(" ")} ${IMAGE} true
    dir=$(e mount changed); cd "$dir"
    ${how}
    cd /; e umount changed`,
  ]);
}

function diffs(
  title: string,
  ours: readonly string[],
  peer: readonly string[],
  promise: { readonly how: string; readonly limit: number },
): Comparison {
  for (const base of [ours, peer]) changed(base, promise.how);
  const comparison = compare(title, [
    { name: "coracle", command: [...ours, "diff", "changed"] },
    { name: "podman", command: [...peer, "diff", "changed"] },
  ], { rounds: 30, promises: [{ ours: "coracle", peer: "podman", limit: promise.limit }] });
  for (const base of [ours, peer]) prepare([...base, "rm", "-f", "changed"]);
  return comparison;
}

const CHANGES = `
  i=0; while [ $i -lt 100 ]; do echo "$i" > "usr/share/new-$i"; i=$((i + 1)); done
  rm -r usr/share/doc/bash; echo x >> etc/passwd; chmod 700 srv`;

function copyRun(): Comparison {
  const run = (name: string, base: readonly string[], more: readonly string[]): Candidate => ({
    name,
    command: [...base, "run", "--rm", "--network", "none", ...more, IMAGE, "true"],
  });
  const promises: Promised[] = [{ ours: "coracle copy", peer: "podman vfs", limit: 0.3 }];
  return compare("run --rm true, whole copies", [
    run("coracle copy", copy, []),
    run("podman vfs", vfs, limits),
  ], { rounds: 9, promises });
}

function layerTar(): Comparison {
  const dir = prepare([...coracle, "image", "mount", IMAGE]);
  const top = prepare([...coracle, "layer", "ls", "--format", "{{.Id}}"]).split("\n")[0] ?? "";
  const file = at("tree.tar");
  const before = () => rmSync(file, { force: true });
  try {
    return compare("tar of the Debian tree", [
      {
        name: "coracle layer diff",
        command: [...coracle, "layer", "diff", "-o", file, top],
        before,
      },
      { name: "tar -c", command: ["tar", "-cf", file, "-C", dir, "."], before },
      {
        name: "tar -c --xattrs",
        command: ["tar", "--xattrs", "-cf", file, "-C", dir, "."],
        before,
      },
    ], {
      rounds: 15,
      promises: [
        { ours: "coracle layer diff", peer: "tar -c", limit: 1.3 },
        { ours: "coracle layer diff", peer: "tar -c --xattrs" },
      ],
    });
  } finally {
    prepare([...coracle, "image", "unmount", IMAGE]);
  }
}

try {
  // A registries file that knows nobody: buildah must not look for the image elsewhere.
  process.env.CONTAINERS_REGISTRIES_CONF = at("registries.conf");
  writeFileSync(at("registries.conf"), "unqualified-search-registries = []\n");
  for (const base of [coracle, copy, podman, vfs]) {
    note(`importing the Debian image: ${base[0]} …`);
    prepare([...base, "import", debianTar(), IMAGE]);
  }
  const comparisons = [
    life(),
    diffs("diff, 100 changes", coracle, podman, { how: CHANGES, limit: 0.5 }),
    layerTar(),
    copyRun(),
    diffs("diff, nothing changed, whole copies", copy, vfs, { how: ":", limit: 0.25 }),
    save(),
  ];
  comparisons.push(load(at("podman.tar")));
  report(comparisons);
} finally {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n")
    .map((line) => line.split(" ")[4] ?? "").filter((path) => path.startsWith(`${folder}/`));
  for (const path of mounts.reverse()) prepare(["umount", "-l", path]);
  rmSync(folder, { recursive: true, force: true });
}
