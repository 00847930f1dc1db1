/** Volumes, on the real executable. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { skipUnless } from "../skip_reason.ts";
import { BUSYBOX, withStore } from "./executable.ts";

const skip = skipUnless({ root: true, programs: ["crun", "conmon"] });

test(
  "a volume outlives its containers and takes over what the image has there",
  { skip },
  withStore((store) => {
    store.importBusybox();
    assert.equal(store.ok(["volume", "create", "--label", "a=b", "data"]), "data");
    store.ok(["run", "--rm", "-v", "data:/d", BUSYBOX, "sh", "-c", "echo kept >/d/file"]);
    assert.equal(store.ok(["run", "--rm", "-v", "data:/d", BUSYBOX, "cat", "/d/file"]), "kept");
    const place = store.ok(["volume", "inspect", "--format", "{{.Mountpoint}}", "data"]);
    assert.equal(readFileSync(`${place}/file`, "utf8"), "kept\n");
    const listed = store.ok(["run", "--rm", "-v", "new:/bin", BUSYBOX, "/bin/sh", "-c", "ls /bin"]);
    assert.ok(listed.split("\n").includes("sh"));
    assert.equal(store.ok(["volume", "ls", "-q"]), "data\nnew");
    assert.equal(
      store.ok(["volume", "ls", "--filter", "label=a=b"]).split("\n").at(-1),
      "local       data",
    );
    assert.match(store.ok(["volume", "create"]), /^[0-9a-f]{64}$/);
    store.ok(["volume", "rm", "--all"]);
    assert.ok(!existsSync(place));
    assert.equal(store.ok(["volume", "ls", "-q"]), "");
  }),
);

test(
  "a volume in use is not removed but by force, and prune takes the others",
  { skip },
  withStore((store) => {
    store.importBusybox();
    store.ok(["run", "-d", "--name", "a", "-v", "used:/u", BUSYBOX, "sleep", "1000"]);
    for (const name of ["x", "y"]) store.ok(["volume", "create", name]);
    const busy = store.coracle(["volume", "rm", "used"]);
    assert.equal(busy.status, 2);
    assert.match(
      busy.stderr,
      /volume used is being used by the following container\(s\): [0-9a-f]{64}/,
    );
    assert.equal(store.coracle(["volume", "rm", "none"]).status, 1);
    assert.equal(store.coracle(["volume", "rm", "none", "used"]).status, 2);
    assert.equal(store.coracle(["volume", "rm", "-f", "none"]).status, 0);
    const asked = store.coracle(["volume", "prune"], { input: "n\n" });
    assert.equal(asked.status, 0);
    assert.match(
      asked.stdout,
      /^WARNING! This will remove all volumes .* removed:\nx\ny\nAre you sure/,
    );
    assert.equal(store.coracle(["volume", "prune"]).status, 125);
    assert.equal(store.ok(["volume", "prune", "--force"]), "x\ny");
    assert.equal(store.ok(["volume", "rm", "-f", "-t", "0", "used"]), "used");
    assert.equal(store.ok(["ps", "-aq"]), "");
    assert.equal(store.coracle(["volume", "exists", "used"]).status, 1);
  }),
);

test(
  "a volume with a file system of its own is mounted while a container uses it",
  { skip },
  withStore((store) => {
    store.importBusybox();
    const options = ["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", "o=size=1m,nodev"];
    store.ok(["volume", "create", ...options, "memory"]);
    const run = (...words: string[]) =>
      store.ok(["run", "--rm", "-v", "memory:/m", BUSYBOX, ...words]);
    assert.match(run("df", "/m"), /^tmpfs +1024 /m);
    assert.deepEqual(store.leftovers(), []);
    store.ok(["run", "-d", "--name", "a", "-v", "memory:/m", BUSYBOX, "sleep", "1000"]);
    store.ok(["exec", "a", "touch", "/m/shared"]);
    assert.equal(run("ls", "/m"), "shared");
    store.ok(["rm", "-f", "-t", "0", "a"]);
    assert.equal(run("ls", "/m"), "");
    writeFileSync(`${store.folder}/note`, "bound\n");
    const bind = ["--opt", "type=none", "--opt", `device=${store.folder}`, "--opt", "o=bind"];
    store.ok(["volume", "create", ...bind, "here"]);
    assert.equal(store.ok(["run", "--rm", "-v", "here:/h", BUSYBOX, "cat", "/h/note"]), "bound");
    store.ok(["volume", "rm", "here"]);
    assert.ok(existsSync(`${store.folder}/note`));
    store.ok(["volume", "create", "--opt", "type=bogus", "--opt", "device=x", "bogus"]);
    const wrong = store.coracle(["run", "--rm", "-v", "bogus:/b", BUSYBOX, "true"]);
    assert.equal(wrong.status, 126);
    assert.match(wrong.stderr, /^coracle: cannot mount volume "bogus": no such device$/m);
  }),
);

test(
  "volume commands refuse what Podman refuses",
  { skip },
  withStore((store) => {
    store.ok(["volume", "create", "data"]);
    const table: readonly (readonly [readonly string[], string])[] = [
      [["create", "data"], "volume with name data already exists: volume already exists"],
      [["create", "a/b"], "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument"],
      [["create", "--driver", "nfs", "x"], "no volume plugin with name nfs available"],
      [["create", "--opt", "foo=bar", "x"], "invalid mount option foo for driver 'local'"],
      [["ls", "--filter", "foo=bar"], '"foo" is an invalid volume filter'],
      [["ls", "x"], "takes no arguments"],
      [["inspect"], "provide one or more volume names or use --all"],
      [["inspect", "none"], "no such volume none"],
      [["rm"], "choose either one or more volumes or all"],
      [["rm", "-t", "3", "data"], "--force option must be specified to use the --time option"],
      [["exists"], "accepts 1 arg(s), received 0"],
    ];
    for (const [words, expected] of table) {
      const { status, stderr } = store.coracle(["volume", ...words]);
      assert.equal(status, 125, words.join(" "));
      assert.ok(stderr.includes(expected), stderr);
    }
    assert.equal(store.ok(["volume", "ls", "-q"]), "data");
  }),
);
