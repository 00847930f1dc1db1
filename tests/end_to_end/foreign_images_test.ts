/**
 * Images made by others (buildah, podman, skopeo, umoci) run unchanged in every format they write,
 * and what coracle saves is read by others; the digest of a manifest survives the way through.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { busyboxTar, type Store, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["buildah", "podman", "skopeo", "umoci", "crun"] });

/** Runs a program of somebody else's; gives its standard output, trimmed. */
function others(folder: string, program: string, ...words: string[]): string {
  return execFileSync(program, words, { cwd: folder, encoding: "utf8", stdio: "pipe" }).trim();
}

/** `containers/storage` of the test's own, for podman and buildah. */
function storage(folder: string): string[] {
  return ["--root", join(folder, "peer"), "--runroot", join(folder, "peer-run")];
}

/** An image of two layers made by buildah, as `localhost/built:1` in the peers' storage. */
function build(folder: string): void {
  const own = storage(folder);
  others(folder, "podman", ...own, "import", "-q", busyboxTar(), "localhost/base:1");
  const container = others(folder, "buildah", ...own, "from", "localhost/base:1");
  execFileSync("sh", ["-c", "mkdir -p new/dir && echo added > new/dir/file"], { cwd: folder });
  others(folder, "buildah", ...own, "copy", container, "new", "/");
  others(folder, "buildah", ...own, "config", "--cmd", '["cat","/dir/file"]', container);
  others(folder, "buildah", ...own, "commit", "-q", container, "localhost/built:1");
  others(folder, "buildah", ...own, "rm", container);
}

/** Loads, checks by running it, and removes it again. */
function runs(store: Store, archive: string): void {
  const said = store.ok(["load", "-q", "-i", archive]).split(/[\s,]+/).at(-1) ?? "";
  assert.equal(store.ok(["run", "--rm", said]), "added", archive);
  store.ok(["rmi", "--all", "--force"]);
}

function unmountPeers(folder: string): void {
  spawnSync("umount", [join(folder, "peer", "overlay")]);
}

test(
  "what buildah, podman and skopeo write is loaded and runs, plain, gzip and zstd",
  { skip },
  withStore((store) => {
    const { folder } = store;
    build(folder);
    const own = storage(folder);
    const name = "localhost/built:1";
    for (const kind of ["oci-archive", "docker-archive"]) {
      others(folder, "buildah", ...own, "push", "-q", name, `${kind}:buildah-${kind}.tar:${name}`);
      runs(store, `buildah-${kind}.tar`);
      others(
        folder,
        "podman",
        ...own,
        "save",
        "-q",
        "--format",
        kind,
        "-o",
        `podman-${kind}.tar`,
        name,
      );
      runs(store, `podman-${kind}.tar`);
    }
    others(
      folder,
      "podman",
      ...own,
      "save",
      "-q",
      "--format",
      "oci-dir",
      "-o",
      "podman-oci-dir",
      name,
    );
    runs(store, "podman-oci-dir");
    const source = `docker-archive:${join(folder, "buildah-docker-archive.tar")}`;
    for (const format of ["gzip", "zstd"]) {
      const flags = ["--dest-compress", "--dest-compress-format", format];
      others(folder, "skopeo", "copy", "-q", ...flags, source, `oci:layout-${format}:x`);
      runs(store, `layout-${format}`);
      others(
        folder,
        "skopeo",
        "copy",
        "-q",
        `oci:layout-${format}:x`,
        `oci-archive:${format}.tar:x`,
      );
      runs(store, `${format}.tar`);
    }
    unmountPeers(folder);
  }),
);

test(
  "an image that umoci made runs",
  { skip },
  withStore((store) => {
    const { folder } = store;
    others(folder, "umoci", "init", "--layout", "lay");
    others(folder, "umoci", "new", "--image", "lay:x");
    others(folder, "umoci", "unpack", "--image", "lay:x", "bundle");
    execFileSync("tar", ["-xf", busyboxTar(), "-C", "bundle/rootfs"], { cwd: folder });
    mkdirSync(join(folder, "bundle/rootfs/dir"));
    execFileSync("sh", ["-c", "echo added > bundle/rootfs/dir/file"], { cwd: folder });
    others(folder, "umoci", "repack", "--image", "lay:x", "bundle");
    others(
      folder,
      "umoci",
      "config",
      "--image",
      "lay:x",
      "--config.cmd=cat",
      "--config.cmd=/dir/file",
    );
    runs(store, "lay");
  }),
);

test(
  "what save writes is read by skopeo, umoci and podman, and keeps its digest",
  { skip },
  withStore((store) => {
    const { folder } = store;
    build(folder);
    const own = storage(folder);
    others(
      folder,
      "podman",
      ...own,
      "save",
      "-q",
      "--format",
      "oci-archive",
      "-o",
      "in.tar",
      "localhost/built:1",
    );
    const digest = others(
      folder,
      "skopeo",
      "inspect",
      "--format",
      "{{.Digest}}",
      "oci-archive:in.tar",
    );
    store.ok(["load", "-q", "-i", "in.tar"]);
    assert.equal(store.ok(["inspect", "--format", "{{.Digest}}", "localhost/built:1"]), digest);
    for (const format of ["oci-archive", "oci-dir", "docker-archive"]) {
      const out = format === "oci-dir" ? "out-dir" : `out-${format}.tar`;
      store.ok(["save", "-q", "--format", format, "-o", out, "localhost/built:1"]);
      const transport = format === "oci-dir" ? "oci" : format;
      const seen = JSON.parse(others(folder, "skopeo", "inspect", `${transport}:${out}`));
      assert.equal(seen.Layers.length, 2);
      if (format !== "docker-archive") assert.equal(seen.Digest, digest);
    }
    others(folder, "umoci", "unpack", "--image", "out-dir:localhost/built:1", "unpacked");
    assert.equal(readFileSync(join(folder, "unpacked/rootfs/dir/file"), "utf8"), "added\n");
    others(folder, "podman", ...own, "rmi", "-a", "-f");
    for (const archive of ["out-oci-archive.tar", "out-docker-archive.tar"]) {
      assert.match(
        others(folder, "podman", ...own, "load", "-q", "-i", archive),
        /localhost\/built:1/,
      );
      assert.match(others(folder, "podman", ...own, "images", "--noheading"), /localhost\/built/);
      others(folder, "podman", ...own, "rmi", "-a", "-f");
    }
    assert.equal(existsSync(join(folder, "out-dir/index.json")), true);
    unmountPeers(folder);
  }),
);
