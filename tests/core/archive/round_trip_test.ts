import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  assertMatchesArchive,
  assertSameTree,
  makeEverything,
  needs,
  pack,
  scratch,
  sh,
  unpack,
} from "./trees.ts";

const skip = needs("rsync", "tar");

let everything: string | null = null;
function tree(): string {
  if (everything === null) {
    everything = join(scratch(), "tree");
    mkdirSync(everything);
    makeEverything(everything);
  }
  return everything;
}

function target(): string {
  const path = join(scratch(), "out");
  mkdirSync(path);
  return path;
}

test("a tree with everything comes back the same", { skip }, () => {
  const out = target();
  unpack(pack(tree()).tar, out);
  assertSameTree(tree(), out);
});

test("it comes back the same when the archive arrives in odd pieces", { skip }, () => {
  const out = target();
  unpack(pack(tree()).tar, out, { piece: 4097 });
  assertSameTree(tree(), out);
});

test("100 MB of zeros take no space, whether they were a hole or written", { skip }, () => {
  const source = target();
  sh(
    `truncate -s 100M hole; dd if=/dev/urandom of=hole bs=4096 count=3 seek=5000 conv=notrunc status=none
     head -c 30000000 /dev/zero > written`,
    source,
  );
  const out = target();
  unpack(pack(source).tar, out, { piece: 100_000 });
  assertSameTree(source, out);
  const hole = statSync(join(out, "hole"));
  assert.equal(hole.size, 100 * 1024 * 1024);
  assert.ok(hole.blocks * 512 <= 64 * 1024, `${hole.blocks * 512} bytes are allocated`);
  assert.ok(statSync(join(out, "written")).blocks * 512 <= 8192);
});

test("GNU tar reads what we write", { skip }, () => {
  const out = target();
  const archive = join(scratch(), "a.tar");
  writeFileSync(archive, pack(tree()).tar);
  const env = { ...process.env, LC_ALL: "C.UTF-8" };
  const args = ["-x", "--xattrs", "--xattrs-include=*", "-p", "--same-owner", "--numeric-owner"];
  execFileSync("tar", [...args, "-f", archive, "-C", out], {
    env,
    stdio: ["ignore", "pipe", "ignore"],
  });
  assertSameTree(tree(), out);
});

test("bsdtar reads what we write", { skip: skip || needs("bsdtar") }, () => {
  const out = target();
  const archive = join(scratch(), "a.tar");
  writeFileSync(archive, pack(tree()).tar);
  const env = { ...process.env, LC_ALL: "C.UTF-8" };
  execFileSync("bsdtar", ["-xpf", archive, "-C", out, "--numeric-owner"], { env });
  // libarchive 3.6 reads fractions before 1970 wrongly, does not know GNU's "%3D" in names of
  // attributes, and leaves the time of a directory that was there.
  assertSameTree(tree(), out, ["./", "old", "older", "plain/sub/"]);
});

test("what GNU tar writes comes back the same, in every version of its holes", { skip }, () => {
  for (const version of ["0.0", "0.1", "1.0"]) {
    const out = target();
    const archive = join(scratch(), "a.tar");
    sh(
      `tar --format=posix --sparse --sparse-version=${version} --xattrs --xattrs-include='*' -cf ${archive} .`,
      tree(),
    );
    assert.ok(statSync(archive).size < 3_000_000);
    unpack(new Uint8Array(execFileSync("cat", [archive], { maxBuffer: 1 << 30 })), out);
    assertSameTree(tree(), out);
  }
});

test(
  "what GNU tar writes in its other formats comes back as that format can say it",
  { skip },
  () => {
    for (const format of ["gnu", "oldgnu", "gnu --sparse", "oldgnu --sparse", "ustar", "v7"]) {
      const out = target();
      const archive = join(scratch(), "a.tar");
      // What ustar and v7 cannot hold: long names, large ids, old times, in v7 also devices.
      const holes = format.includes("sparse") ? "" : "--exclude=hole";
      const small = format === "ustar" || format === "v7"
        ? "--exclude=nnn* --exclude=empty/* --exclude=owned --exclude=old*"
        : "";
      const noNodes = format === "v7" ? "--exclude=fifo --exclude=disk --exclude=console" : "";
      sh(`tar --format=${format} ${holes} ${small} ${noNodes} -cf ${archive} .`, tree());
      unpack(execFileSync("cat", [archive], { maxBuffer: 1 << 30 }), out);
      assertMatchesArchive(archive, out);
    }
  },
);

test("what bsdtar writes comes back the same", { skip: skip || needs("bsdtar") }, () => {
  for (const format of ["pax", "gnutar"]) {
    const out = target();
    const archive = join(scratch(), "a.tar");
    const env = { ...process.env, LC_ALL: "C" };
    execFileSync("bsdtar", [`--format=${format}`, "-cf", archive, "."], {
      cwd: tree(),
      env,
      // It says that names which are not UTF-8 cannot be translated, and writes them.
      stdio: ["ignore", "pipe", "ignore"],
    });
    unpack(execFileSync("cat", [archive], { maxBuffer: 1 << 30 }), out);
    // libarchive 3.6 writes -1.5 s as "-2.5".
    if (format === "pax") assertSameTree(tree(), out, ["old", "older"]);
    else assertMatchesArchive(archive, out);
  }
});

test("what Python writes comes back the same", { skip: skip || needs("python3") }, () => {
  for (const format of ["PAX", "GNU"]) {
    const out = target();
    const archive = join(scratch(), "a.tar");
    const script = `
import tarfile
t = tarfile.open(${JSON.stringify(archive)}, "w", format=tarfile.${format}_FORMAT)
t.add("plain", "plain"); t.add("empty", "empty"); t.add("setuid", "setuid"); t.close()`;
    execFileSync("python3", ["-c", script], { cwd: tree() });
    unpack(execFileSync("cat", [archive], { maxBuffer: 1 << 30 }), out);
    assertMatchesArchive(archive, out);
  }
});

test("a tree deeper than a path can be comes back the same", { skip }, () => {
  const source = target();
  sh(
    `n=$(printf 'x%.0s' {1..200}); for i in {1..30}; do mkdir $n; cd $n; done; echo bottom > file; ln -s file link`,
    source,
  );
  const first = pack(source).tar;
  const out = target();
  unpack(first, out);
  assert.ok(pack(out).tar.equals(first));
  sh(
    `n=$(printf 'x%.0s' {1..200}); for i in {1..30}; do cd $n; done; test "$(cat link)" = bottom`,
    out,
  );
});

test("a directory chain of a thousand levels comes back the same", { skip }, () => {
  const source = target();
  sh(`p=$(printf 'd/%.0s' {1..1000}); mkdir -p $p`, source);
  const first = pack(source).tar;
  const out = target();
  unpack(first, out);
  assert.ok(pack(out).tar.equals(first));
});

test("the same tree gives the same bytes, whatever way it was made", { skip }, () => {
  const out = target();
  const first = pack(tree()).tar;
  unpack(first, out);
  assert.ok(pack(tree()).tar.equals(first), "second run");
  assert.ok(pack(out).tar.equals(first), "copy of the tree");
});

test("with owners mine everything belongs to the caller, and closed directories are filled", {
  skip,
}, () => {
  const source = target();
  sh(
    "mkdir -p closed/in; echo x > closed/in/file; chown -R 1000:1001 closed; chmod 0 closed closed/in",
    source,
  );
  const out = target();
  unpack(pack(source).tar, out, { receive: { owners: "mine" } });
  assert.equal(
    sh("stat -c '%u:%g %a' closed closed/in closed/in/file | sort -u", out),
    "0:0 0\n0:0 644\n",
  );
});
