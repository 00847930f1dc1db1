/**
 * How quick the everyday commands are, against podman, skopeo and the bare runtime, with the same
 * Debian image: run, ps with 300 containers, load, save, and the start of the program itself.
 * `--peers` leaves coracle out. Needs root; takes about six minutes, `--quick` two.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { BUN, EXECUTABLE } from "../tools/build.ts";
import { debianTar } from "../tools/root_file_system.ts";
import {
  type Candidate,
  compare,
  type Comparison,
  isQuick,
  note,
  prepare,
  report,
} from "./measure.ts";

const IMAGE = "localhost/debian:bookworm";
const CONTAINERS = isQuick ? 60 : 300;

const folder = mkdtempSync(join(tmpdir(), "coracle-bench-"));
const at = (name: string) => join(folder, name);
const store = (name: string) => ["--root", at(`${name}/root`), "--runroot", at(`${name}/run`)];

const coracle = [EXECUTABLE, ...store("coracle"), "--runtime", "crun"];
const podman = ["podman", ...store("podman"), "--cgroup-manager", "cgroupfs", "--runtime", "crun"];
/** Podman's default limits need CAP_SYS_RESOURCE, which a virtual machine may lack. */
const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
const engines = process.argv.includes("--peers")
  ? [{ name: "podman", base: podman, flags: limits }]
  : [{ name: "coracle", base: coracle, flags: [] }, {
    name: "podman",
    base: podman,
    flags: limits,
  }];

/** A bundle for the bare runtime: the same root, its own default configuration. */
function makeBundle(): string {
  const bundle = at("bundle");
  mkdirSync(join(bundle, "rootfs"), { recursive: true });
  prepare(["tar", "-xpf", debianTar(), "-C", join(bundle, "rootfs"), "--numeric-owner"]);
  prepare(["sh", "-c", 'cd "$1" && crun spec', "sh", bundle]);
  const path = join(bundle, "config.json");
  const config = JSON.parse(readFileSync(path, "utf8"));
  config.process.args = ["true"];
  config.process.terminal = false;
  delete config.process.rlimits;
  writeFileSync(path, JSON.stringify(config));
  return bundle;
}

function measureRun(): Comparison {
  const bundle = makeBundle();
  const candidates: Candidate[] = engines.map(({ name, base, flags }) => ({
    name: `${name} run`,
    command: [...base, "run", "--rm", "--network", "none", ...flags, IMAGE, "true"],
  }));
  candidates.push({
    name: "crun run",
    command: ["crun", "--root", at("crun"), "run", "--bundle", bundle, "coracle-bench"],
  });
  return compare("run --rm true", candidates, {
    rounds: 30,
    promises: [
      { ours: "coracle run", peer: "podman run", limit: 0.5 },
      { ours: "coracle run", peer: "crun run" },
    ],
  });
}

function measurePs(): Comparison {
  for (const { name, base, flags } of engines) {
    note(`${name}: creating ${CONTAINERS} containers …`);
    for (let i = 0; i < CONTAINERS; i++) {
      const words = ["--name", `many-${i}`, "--network", "none", ...flags, IMAGE, "true"];
      prepare([...base, "create", ...words]);
    }
  }
  const comparison = compare(
    `ps -a, ${CONTAINERS} containers`,
    engines.map(({ name, base }) => ({ name: `${name} ps`, command: [...base, "ps", "-a"] })),
    { rounds: 30, promises: [{ ours: "coracle ps", peer: "podman ps", limit: 0.8 }] },
  );
  for (const { base } of engines) prepare([...base, "rm", "--all", "--force"]);
  return comparison;
}

/** Writes of an earlier candidate must not be waited for by the next one's sync. */
function settle(): void {
  prepare(["sync"]);
}

function measureSave(): Comparison {
  const file = (name: string) => at(`${name}.saved.tar`);
  const before = (name: string) => () => {
    rmSync(file(name), { force: true });
    settle();
  };
  const candidates: Candidate[] = engines.map(({ name, base }) => ({
    name: `${name} save`,
    command: [...base, "save", "-o", file(name), IMAGE],
    before: before(name),
  }));
  candidates.push({
    name: "skopeo copy out",
    command: [
      "skopeo",
      "copy",
      containersStorage("podman"),
      `docker-archive:${file("skopeo")}:${IMAGE}`,
    ],
    before: before("skopeo"),
  });
  return compare("save, Debian", candidates, {
    rounds: 9,
    promises: [
      { ours: "coracle save", peer: "podman save", limit: 0.5 },
      { ours: "coracle save", peer: "skopeo copy out" },
    ],
  });
}

/** An image in the storage that podman and skopeo share. */
function containersStorage(name: string): string {
  return `containers-storage:[overlay@${at(`${name}/root`)}+${at(`${name}/run`)}]${IMAGE}`;
}

/** Loads the archive that podman saved; before each run the image is removed. */
function measureLoad(): Comparison {
  const archive = at("podman.saved.tar");
  const candidates: Candidate[] = engines.map(({ name, base }) => ({
    name: `${name} load`,
    command: [...base, "load", "-i", archive],
    before: () => {
      prepare([...base, "rmi", "--all", "--force"]);
      settle();
    },
  }));
  const skopeoStore = ["podman", ...store("skopeo")];
  candidates.push({
    name: "skopeo copy in",
    command: ["skopeo", "copy", `docker-archive:${archive}`, containersStorage("skopeo")],
    before: () => {
      prepare([...skopeoStore, "rmi", "--all", "--force"]);
      settle();
    },
  });
  return compare("load, Debian", candidates, {
    rounds: 9,
    promises: [
      { ours: "coracle load", peer: "podman load", limit: 0.6 },
      { ours: "coracle load", peer: "skopeo copy in" },
    ],
  });
}

/** The start of the program against an executable of the same compiler with nothing in it. */
function measureStart(): Comparison {
  writeFileSync(at("empty.ts"), "export {};\n");
  const flags = ["--compile", "--minify", "--bytecode", "--format=esm"];
  prepare([BUN, "build", at("empty.ts"), ...flags, "--outfile", at("empty")]);
  const candidates: Candidate[] = [
    { name: "empty executable", command: [at("empty")] },
    { name: "podman --version", command: ["podman", "--version"] },
  ];
  if (engines.length > 1) {
    candidates.push({ name: "coracle --version", command: [EXECUTABLE, "--version"] });
  }
  return compare("--version", candidates, {
    rounds: 40,
    promises: [
      { ours: "coracle --version", peer: "empty executable", limit: 2 },
      { ours: "coracle --version", peer: "podman --version" },
    ],
  });
}

try {
  for (const { name, base } of engines) {
    note(`${name}: importing the Debian image …`);
    prepare([...base, "import", debianTar(), IMAGE]);
  }
  // In this order: load uses what save wrote and removes the image.
  report([measureStart(), measureRun(), measurePs(), measureSave(), measureLoad()]);
} finally {
  for (const name of ["coracle", "podman", "skopeo"]) {
    // Storage libraries leave their own directory mounted.
    for (const driver of ["overlay", "layers"]) {
      try {
        prepare(["umount", at(`${name}/root/${driver}`)]);
      } catch {
        // it was not mounted
      }
    }
  }
  rmSync(folder, { recursive: true, force: true });
}
