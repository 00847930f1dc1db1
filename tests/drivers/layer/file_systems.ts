/** File systems to prove layer drivers on: a tmpfs, and loop images made for the occasion. */
import { spawnSync } from "node:child_process";
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";

export interface TestFileSystem {
  readonly name: string;
  /** Mounts it and returns an empty directory in it. Throws when this host cannot. */
  open(): string;
  close(): void;
}

const MIB = 1024 * 1024;

function run(command: string, ...args: string[]): void {
  const path = `${process.env.PATH}:/usr/sbin:/sbin`;
  const ended = spawnSync(command, args, { encoding: "utf8", env: { ...process.env, PATH: path } });
  if (ended.error) throw ended.error;
  if (ended.status !== 0) throw new Error(`${command} ${args.join(" ")}: ${ended.stderr}`);
}

/** `size`: MiB of the image; it is sparse, and lies in memory where there is a tmpfs. */
function fileSystem(name: string, size: number, make: string[] | null): TestFileSystem {
  let base = "";
  const close = () => {
    if (base === "") return;
    spawnSync("umount", ["-l", `${base}/mount`]);
    rmSync(base, { recursive: true });
    base = "";
  };
  return {
    name,
    close,
    open() {
      base = mkdtempSync(`/dev/shm/layer-${name}-`);
      mkdirSync(`${base}/mount`);
      try {
        if (make === null) {
          run("mount", "-t", name, "-o", `size=${size}m`, name, `${base}/mount`);
        } else {
          const image = openSync(`${base}/image`, "w");
          ftruncateSync(image, size * MIB);
          closeSync(image);
          run(make[0] as string, ...make.slice(1), `${base}/image`);
          run("mount", "-o", "loop", `${base}/image`, `${base}/mount`);
        }
        const directory = `${base}/mount/here`;
        mkdirSync(directory);
        return directory;
      } catch (error) {
        close();
        throw error;
      }
    },
  };
}

export const FILE_SYSTEMS: readonly TestFileSystem[] = [
  fileSystem("tmpfs", 512, null),
  fileSystem("ext4", 256, ["mkfs.ext4", "-q", "-F"]),
  fileSystem("xfs", 320, ["mkfs.xfs", "-q", "-f"]),
  fileSystem("btrfs", 256, ["mkfs.btrfs", "-q", "-f"]),
];
