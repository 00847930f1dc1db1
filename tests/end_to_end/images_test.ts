/** Images on the command line: what is printed, exit statuses, standard input and output. */
import { test } from "node:test";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dockerFiles, handMade, ociFiles, sha256, tarOf } from "../core/engine/image_files.ts";
import { BUSYBOX, withStore } from "./executable.ts";

const image = handMade();
const id = sha256(image.config);
const archive = (...tags: string[]) => tarOf(dockerFiles([{ image, tags }]));

test(
  "load says what it loaded, from a file and from standard input",
  withStore((store) => {
    const path = join(store.folder, "a.tar");
    writeFileSync(path, archive("localhost/a:1", "b:2"));
    assert.equal(
      store.ok(["load", "-i", path]),
      "Loaded image: localhost/a:1\nLoaded image: docker.io/library/b:2",
    );
    assert.equal(store.ok(["load"], { input: archive() }), `Loaded image: sha256:${id}`);
    const missing = store.coracle(["load", "-i", "nosuch.tar"]);
    assert.equal(missing.status, 125);
    assert.match(missing.stderr, /nosuch\.tar: no such file or directory/);
    const wrong = store.coracle(["load"], { input: "garbage" });
    assert.equal(wrong.status, 125);
    assert.match(wrong.stderr, /^coracle: cannot /);
  }),
);

test(
  "images, inspect and history print Podman's columns and keys",
  withStore((store) => {
    store.ok(["load"], { input: archive("localhost/a:1") });
    const [header = "", line = ""] = store.ok(["images"]).split("\n");
    assert.match(header, /^REPOSITORY +TAG +IMAGE ID +CREATED +SIZE$/);
    assert.match(line, new RegExp(`^localhost/a +1 +${id.slice(0, 12)} +\\d+ .* ago +301 kB$`));
    assert.equal(store.ok(["images", "-q"]), id.slice(0, 12));
    assert.equal(store.ok(["images", "-q", "--no-trunc"]), `sha256:${id}`);
    assert.equal(
      store.ok(["images", "--format", "{{.Repository}}:{{.Tag}} {{.CreatedAt}} {{.Labels.mark}}"]),
      "localhost/a:1 2024-01-02 03:04:05 +0000 UTC one",
    );
    const [listed] = JSON.parse(store.ok(["images", "--format", "json"]));
    assert.equal(listed.Id, id);
    assert.deepEqual(listed.Names, ["localhost/a:1"]);
    assert.equal(listed.Created, 1704164645);
    assert.equal(store.ok(["images", "--noheading", "nosuch"]), "");
    assert.equal(
      store.ok(["inspect", "--format", "{{.Config.Cmd}} {{.Created}}", "a:1"]),
      "[/bin/sh] 2024-01-02 03:04:05.6 +0000 UTC",
    );
    assert.equal(
      JSON.parse(store.ok(["image", "inspect", "a:1"]))[0].Created,
      "2024-01-02T03:04:05.600000000Z",
    );
    assert.deepEqual(
      store.ok(["history", "--format", "{{.ID}} {{.CreatedBy}} {{.Size}}", "a:1"]).split("\n"),
      [`${id.slice(0, 12)} second 11 B`, "<missing> label 0 B", "<missing> first 300 kB"],
    );
    const both = store.coracle(["inspect", "a:1", "nosuch"]);
    assert.equal(both.status, 125);
    assert.equal(JSON.parse(both.stdout).length, 1);
    assert.match(both.stderr, /no such object: "nosuch"/);
  }),
);

test(
  "exists, tag, untag and rmi have Podman's exit statuses and lines",
  withStore((store) => {
    store.ok(["load"], { input: archive("localhost/a:1") });
    assert.equal(store.coracle(["image", "exists", "a:1"]).status, 0);
    assert.equal(store.coracle(["image", "exists", "nosuch"]).status, 1);
    store.ok(["tag", "a:1", "b", "quay.io/c:2"]);
    store.ok(["untag", "b", "localhost/b"]);
    assert.equal(store.coracle(["tag", "a:1", "BAD"]).status, 125);
    const names = store.ok(["images", "--sort", "repository", "--format", "{{.Repository}}"]);
    assert.equal(names, "localhost/a\nquay.io/c");
    assert.equal(store.ok(["rmi", "a:1"]), "Untagged: localhost/a:1");
    const unknown = store.coracle(["rmi", "a:1"]);
    assert.equal(unknown.status, 1);
    assert.match(unknown.stderr, /a:1: image not known/);
    assert.equal(store.coracle(["rmi", "--ignore", "a:1"]).status, 0);
    assert.equal(store.ok(["rmi", id]), `Untagged: quay.io/c:2\nDeleted: ${id}`);
    assert.equal(store.coracle(["rmi"]).status, 125);
  }),
);

test(
  "an image a container uses goes only with force, and the container with it",
  withStore((store) => {
    store.importBusybox();
    store.ok(["create", "--name", "user", BUSYBOX, "true"]);
    const used = store.coracle(["rmi", BUSYBOX]);
    assert.equal(used.status, 2);
    assert.match(used.stderr, /image is in use by a container/);
    assert.equal(store.ok(["image", "prune", "--all", "--force"]), "");
    assert.match(store.ok(["rmi", "--force", BUSYBOX]), /^Untagged: .*\nDeleted: [0-9a-f]{64}$/);
    assert.equal(store.ok(["ps", "-aq"]), "");
  }),
);

test(
  "prune asks, and takes what has no name",
  withStore((store) => {
    store.ok(["load"], { input: archive() });
    assert.equal(store.coracle(["image", "prune"]).status, 125);
    assert.ok(!store.ok(["image", "prune"], { input: "n\n" }).includes(id));
    assert.ok(store.ok(["image", "prune"], { input: "y\n" }).includes(id));
    assert.equal(store.ok(["images", "-aq"]), "");
  }),
);

test(
  "what is saved is loaded again, through a file, a pipe and a folder, with the same digest",
  withStore((store) => {
    const { files, manifest } = ociFiles(image, { squeeze: "zstd", name: "localhost/z:1" });
    store.ok(["load"], { input: tarOf(files) });
    const digest = () => store.ok(["images", "--format", "{{.Digest}}", "z:1"]);
    assert.equal(digest(), manifest);
    const saved = store.coracle(["save", "--format", "oci-archive", "z:1"]).bytes;
    store.ok(["save", "--format", "oci-dir", "-o", "layout", "z:1"]);
    store.ok(["rmi", "z:1"]);
    store.ok(["load"], { input: saved });
    assert.equal(digest(), manifest);
    store.ok(["rmi", "z:1"]);
    store.ok(["load", "-i", join(store.folder, "layout")]);
    assert.equal(digest(), manifest);
    store.ok(["save", "-o", "d.tar", "z:1"]);
    const again = store.coracle(["save", "-o", "d.tar", "z:1"]);
    assert.equal(again.status, 125);
    assert.match(again.stderr, /docker-archive doesn't support modifying existing images/);
    assert.equal(store.coracle(["save", "--format", "bad", "z:1"]).status, 125);
    assert.equal(store.coracle(["save", "--compress", "z:1"]).status, 125);
  }),
);

test(
  "a root file system is imported with changes and runs",
  withStore((store) => {
    const folder = join(store.folder, "out.tar");
    store.importBusybox();
    store.ok(["save", "-o", folder, BUSYBOX]);
    const [{ Layers: [layer] }] = JSON.parse(
      execFileSync("tar", ["xOf", folder, "manifest.json"]).toString(),
    );
    execFileSync("tar", ["xf", folder, "-C", store.folder, layer]);
    const printed = store.ok([
      ...["import", "--change", 'CMD ["echo","hello"]', "--change", "ENV A=b", "--message", "mine"],
      ...[join(store.folder, layer), "mine"],
    ]);
    assert.match(printed, /^sha256:[0-9a-f]{64}$/);
    assert.equal(store.ok(["run", "--rm", "mine"]), "hello");
    assert.equal(store.ok(["run", "--rm", "mine", "sh", "-c", "echo $A"]), "b");
    assert.equal(
      store.ok(["import", "-", "streamed"], { input: readFileSync(join(store.folder, layer)) })
        .length,
      71,
    );
    assert.match(store.coracle(["import", "http://x/y.tar"]).stderr, /fetches nothing/);
  }),
);
