/** diff, mount and unmount of containers and images, and image tree. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { BUSYBOX, type Store, withStore } from "./executable.ts";

const isMounted = (store: Store, dir: string) => store.leftovers().includes(`mount ${dir}`);

test(
  "diff lists what a container changed, as Podman does, also while it runs",
  withStore((store) => {
    store.importBusybox();
    const script = "echo x > /new; rm /bin/vi; chmod 700 /tmp; mkdir /d && touch /d/f; sleep 100";
    store.ok(["run", "-d", "--name", "c", BUSYBOX, "sh", "-c", script]);
    const expected = ["C /bin", "D /bin/vi", "A /d", "A /d/f", "C /etc", "A /new", "C /tmp"];
    const deadline = performance.now() + 10_000;
    let lines: string[] = [];
    while (lines.length < expected.length && performance.now() < deadline) {
      lines = store.ok(["diff", "c"]).split("\n");
    }
    assert.deepEqual(lines, expected);
    assert.equal(
      store.coracle(["container", "diff", "--format", "json", "c"]).stdout,
      `${
        JSON.stringify(
          {
            changed: ["/bin", "/etc", "/tmp"],
            added: ["/d", "/d/f", "/new"],
            deleted: ["/bin/vi"],
          },
          null,
          5,
        )
      }\n`,
    );
    assert.deepEqual(store.ok(["diff", "--latest"]).split("\n"), expected);
    assert.deepEqual(store.ok(["diff", "c", BUSYBOX]).split("\n"), expected);
    const back = store.ok(["diff", BUSYBOX, "c"]).split("\n");
    assert.deepEqual(back, ["C /bin", "A /bin/vi", "D /d", "C /etc", "D /new", "C /tmp"]);
    assert.match(store.ok(["image", "diff", BUSYBOX]), /^A \/bin\/busybox$/m);
    const wrong = store.coracle(["diff", "--format", "xml", "c"]);
    assert.equal(wrong.status, 125);
    assert.match(wrong.stderr, /only supported value for '--format' is 'json'/);
    assert.equal(store.coracle(["diff", "nothing"]).status, 125);
    assert.equal(store.coracle(["diff"]).status, 125);
  }),
);

test(
  "mount of a container prints where, is counted, and is listed",
  withStore((store) => {
    store.importBusybox();
    const id = store.ok(["create", "--name", "c", BUSYBOX, "sh"]);
    assert.equal(store.ok(["mount"]), "");
    const dir = store.ok(["mount", "c"]);
    assert.ok(existsSync(join(dir, "bin/busybox")));
    writeFileSync(join(dir, "mine"), "x");
    assert.equal(store.ok(["container", "mount", "c"]), dir);
    assert.equal(store.ok(["mount"]), `${id.slice(0, 12)}  ${dir}`);
    assert.equal(store.ok(["mount", "--no-trunc"]), `${id}  ${dir}`);
    assert.deepEqual(JSON.parse(store.ok(["mount", "--format", "json"])), [
      { id, Names: ["c"], mountpoint: dir },
    ]);
    assert.equal(store.ok(["unmount", "c"]), "c");
    assert.ok(isMounted(store, dir));
    assert.equal(store.ok(["umount", "c"]), "c");
    assert.ok(!isMounted(store, dir));
    assert.equal(store.ok(["umount", "c"]), "c");
    assert.equal(store.ok(["diff", "c"]), "A /mine");
    // What the user mounted goes with the container.
    store.ok(["mount", "--all"]);
    store.ok(["rm", "c"]);
    assert.ok(!isMounted(store, dir));
    assert.equal(store.coracle(["mount", "c"]).status, 125);
  }),
);

test(
  "a running container keeps what it runs on, and the user's mount of it survives its end [C8]",
  withStore((store) => {
    store.importBusybox();
    store.ok(["run", "-d", "--name", "c", BUSYBOX, "sleep", "100"]);
    const refused = store.coracle(["unmount", "c"]);
    assert.equal(refused.status, 125);
    assert.match(refused.stderr, /as it is running or paused/);
    const dir = store.ok(["mount", "c"]);
    store.ok(["unmount", "c"]);
    store.ok(["mount", "c"]);
    store.ok(["mount", "c"]);
    store.ok(["unmount", "--force", "c"]);
    assert.equal(store.ok(["exec", "c", "echo", "lives"]), "lives");
    store.ok(["mount", "c"]);
    store.ok(["stop", "-t", "0", "c"]);
    assert.ok(isMounted(store, dir));
    writeFileSync(join(dir, "later"), "x");
    store.ok(["start", "c"]);
    assert.equal(store.ok(["exec", "c", "cat", "/later"]), "x");
    store.ok(["unmount", "--all"]);
    store.ok(["stop", "-t", "0", "c"]);
    assert.ok(!isMounted(store, dir));
  }),
);

test(
  "images are mounted read-only, listed, and unmounted as often as they were mounted",
  withStore((store) => {
    store.importBusybox();
    const dir = store.ok(["image", "mount", BUSYBOX]);
    assert.ok(existsSync(join(dir, "bin/busybox")));
    assert.throws(() => mkdirSync(join(dir, "x")), /EROFS/);
    assert.equal(store.ok(["image", "mount", BUSYBOX]), dir);
    assert.equal(store.ok(["image", "mount"]), `${BUSYBOX}  ${dir}`);
    const [listed] = JSON.parse(store.ok(["image", "mount", "--format", "json"]));
    assert.deepEqual([listed.Repositories, listed.mountpoint], [[BUSYBOX], dir]);
    store.ok(["run", "--rm", BUSYBOX, "true"]);
    store.ok(["image", "unmount", BUSYBOX]);
    assert.ok(isMounted(store, dir));
    store.ok(["image", "umount", BUSYBOX]);
    assert.ok(!isMounted(store, dir));
    assert.equal(store.ok(["image", "unmount", BUSYBOX]), "");
    assert.equal(store.ok(["image", "unmount", "--all"]), "");
    // As in Podman a mounted image can be removed, and the mount goes with it.
    store.ok(["image", "mount", "--all"]);
    store.ok(["rmi", BUSYBOX]);
    assert.ok(!isMounted(store, dir));
    assert.equal(store.ok(["layer", "ls", "-q"]), "");
  }),
);

test(
  "image tree draws the layers of an image, and what was made from it",
  withStore((store) => {
    store.importBusybox();
    const id = store.ok(["inspect", "--format", "{{.Id}}", BUSYBOX]);
    store.ok(["create", "--name", "c", BUSYBOX, "sh"]);
    const [own, below] = store.ok(["layer", "ls", "-q"]).split("\n");
    const head = [
      `Image ID: ${id.slice(0, 12)}`,
      `Tags:     [${BUSYBOX}]`,
      "Size:     SIZE",
      "Image Layers",
    ];
    const lines = (...args: string[]) =>
      store.coracle(["image", "tree", ...args]).stdout.replaceAll(/ +\d[\d.]*[kM]B/g, " SIZE")
        .replace("Size: SIZE", "Size:     SIZE").split("\n");
    const top = `ID: ${below?.slice(0, 12)} Size: SIZE Top Layer of: [${BUSYBOX}]`;
    assert.deepEqual(lines(BUSYBOX), [...head, `└── ${top}`, "", ""]);
    assert.deepEqual(lines("--whatrequires", BUSYBOX), [
      ...head,
      `├── ${top}`,
      `└── ID: ${own?.slice(0, 12)} Size:      0B`,
      "",
      "",
    ]);
    assert.equal(store.coracle(["image", "tree", "nothing"]).status, 125);
  }),
);
