import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { raw, text } from "../../../core/terms.ts";
import { CoracleError } from "../../../core/errors.ts";
import { AT_FDCWD, close, O, openAt } from "../../../core/sys/at.ts";
import { indexTar, TarMembers } from "../../../core/archive/tar_index.ts";
import { scratch, sh } from "./trees.ts";

/** A docker-archive in small: links between the layers, long names, what an image tool may write. */
function imageArchive(...options: string[]): string {
  const dir = scratch();
  const tree = join(dir, "tree");
  mkdirSync(tree);
  const long = "a".repeat(90);
  sh(
    `echo '[]' > manifest.json; mkdir one two three ${long}; head -c 3000 /dev/urandom > one/layer.tar
     ln one/layer.tar two/layer.tar; ln -s ../one/layer.tar three/layer.tar; : > empty
     mkdir ${long}/${long}; echo deep > ${long}/${long}/file`,
    tree,
  );
  const archive = join(dir, "a.tar");
  execFileSync("tar", [...options, "--sort=name", "-cf", archive, "."], { cwd: tree });
  return archive;
}

function index(archive: string, size = statSync(archive).size) {
  const fd = openAt(AT_FDCWD, raw(archive), O.RDONLY);
  try {
    return indexTar(fd, size);
  } finally {
    close(fd);
  }
}

test("an index says where each member's bytes are and where links lead", () => {
  for (const format of ["gnu", "posix"]) {
    const archive = imageArchive(`--format=${format}`);
    const bytes = readFileSync(archive);
    const found = index(archive);
    const layer = found.get(raw("one/layer.tar"));
    assert.ok(layer);
    assert.deepEqual([layer.type, layer.size], ["file", 3000]);
    const content = bytes.subarray(layer.offset, layer.offset + layer.size);
    assert.ok(content.equals(readFileSync(join(archive, "../tree/one/layer.tar"))));
    assert.equal(found.get(raw("two/layer.tar"))?.linkTarget, "one/layer.tar");
    assert.equal(found.get(raw("two/layer.tar"))?.type, "hardlink");
    assert.equal(found.get(raw("three/layer.tar"))?.linkTarget, "../one/layer.tar");
    assert.equal(found.get(raw("empty"))?.size, 0);
    assert.equal(found.get(raw("one"))?.type, "dir");
    const deep = [...found.keys()].find((name) => name.endsWith("/file"));
    assert.equal(deep?.length, 90 + 1 + 90 + 5);
  }
});

test("an index of a cut or foreign file is refused", () => {
  const archive = imageArchive();
  const bytes = readFileSync(archive);
  const end = bytes.length - bytes.length % 10240;
  const part = join(scratch(), "part.tar");
  for (const cut of [0, 100, 512, 1024, 2000, 3000, 5000]) {
    writeFileSync(part, bytes.subarray(0, Math.min(cut, end)));
    assert.throws(() => index(part), CoracleError, `${cut} bytes`);
  }
  writeFileSync(part, "hello ".repeat(1000));
  assert.throws(() => index(part), CoracleError);
  writeFileSync(part, bytes);
  assert.throws(() => index(part, 4000), CoracleError);
});

test("an index does not read bodies", () => {
  const dir = scratch();
  const archive = join(dir, "a.tar");
  sh("truncate -s 3G big; echo x > small; tar --format=posix -cf - small > a.tar", dir);
  // The header of `big`, then a hole of 3 GiB in the archive itself, then `small`.
  sh(
    `tar --format=posix -cf - big 2>/dev/null | head -c 1536 > head || true
     size=$(stat -c %s head); cp head h; truncate -s $((size + 3221225472)) h; cat a.tar >> h; mv h a.tar`,
    dir,
  );
  const began = performance.now();
  assert.deepEqual([...index(archive).keys()].map(text), ["big", "small"]);
  assert.ok(performance.now() - began < 1000);
});

test("members of a stream go where the visitor says", () => {
  const archive = imageArchive();
  const bytes = readFileSync(archive);
  const bodies = new Map<string, number>();
  const links: string[] = [];
  let current = "";
  let ends = 0;
  const members = new TarMembers({
    onMember(member) {
      current = text(member.name);
      if (member.linkTarget !== undefined) links.push(`${current} ${member.linkTarget}`);
      if (!current.endsWith("layer.tar")) return null;
      return { write: (part) => bodies.set(current, (bodies.get(current) ?? 0) + part.length) };
    },
    onMemberEnd: () => ends++,
  });
  for (let at = 0; at < bytes.length; at += 700) members.push(bytes.subarray(at, at + 700));
  members.end();
  assert.deepEqual([...bodies], [["one/layer.tar", 3000]]);
  assert.deepEqual(links, ["three/layer.tar ../one/layer.tar", "two/layer.tar one/layer.tar"]);
  assert.ok(ends >= 8);
});

test("a stream of members that is cut off is refused", () => {
  const bytes = readFileSync(imageArchive());
  const members = new TarMembers({ onMember: () => null });
  members.push(bytes.subarray(0, 4000));
  assert.throws(() => members.end(), CoracleError);
});
