/** Names of images, as Docker's grammar and Podman's habits have them. */
import { test } from "node:test";
import assert from "node:assert/strict";
import {
  candidateNames,
  fullName,
  localName,
  matchesSuffix,
  parseReference,
  splitName,
} from "../../../core/image/reference.ts";
import { dockerName } from "../../../core/image/docker_archive.ts";

const HEX = "a".repeat(64);

test("a name is taken apart into domain, path, tag and digest", () => {
  const parts = (name: string) => {
    const { domain, path, tag, digest } = parseReference(name);
    return [domain, path, tag, digest];
  };
  assert.deepEqual(parts("debian"), ["", "debian", undefined, undefined]);
  assert.deepEqual(parts("a/b:c"), ["", "a/b", "c", undefined]);
  assert.deepEqual(parts("host:5000/a/b:c"), ["host:5000", "a/b", "c", undefined]);
  assert.deepEqual(parts("localhost/a"), ["localhost", "a", undefined, undefined]);
  assert.deepEqual(parts("[fd00::1]:5000/a"), ["[fd00::1]:5000", "a", undefined, undefined]);
  assert.deepEqual(parts("index.docker.io/a"), ["docker.io", "a", undefined, undefined]);
  assert.deepEqual(parts(`q.io/a:b@sha256:${HEX}`), ["q.io", "a", "b", `sha256:${HEX}`]);
  assert.deepEqual(parts("a__b/c--d.e_f"), ["", "a__b/c--d.e_f", undefined, undefined]);
});

test("what is no name is refused in Docker's words", () => {
  const wrong: [string, RegExp][] = [
    ["", /must have at least one component/],
    ["UPPER", /must be lowercase/],
    ["a b", /invalid reference format/],
    ["a:", /invalid reference format/],
    ["a:-x", /invalid reference format/],
    ["a/", /invalid reference format/],
    ["/a", /invalid reference format/],
    ["a//b", /invalid reference format/],
    ["../a", /invalid reference format/],
    ["a_-b", /invalid reference format/],
    ["a.", /invalid reference format/],
    [`a:${"t".repeat(129)}`, /invalid reference format/],
    ["a@sha256:12", /digest/],
    ["a@md5:abc", /digest/],
    [HEX, /64 hexadecimal/],
    [`x.io/${"a".repeat(255)}`, /more than 255/],
  ];
  for (const [name, says] of wrong) assert.throws(() => parseReference(name), says, name);
  parseReference(`a:${"t".repeat(128)}`);
});

test("a name given here belongs to localhost, one out of Docker's archive to docker.io", () => {
  assert.equal(localName("debian"), "localhost/debian:latest");
  assert.equal(localName("a/b:1"), "localhost/a/b:1");
  assert.equal(localName("docker.io/debian"), "docker.io/library/debian:latest");
  assert.equal(localName("quay.io/a"), "quay.io/a:latest");
  assert.throws(() => localName(`a@sha256:${HEX}`), /tag by digest not supported/);
  assert.equal(dockerName("debian:x"), "docker.io/library/debian:x");
  assert.equal(dockerName("me/app"), "docker.io/me/app:latest");
});

test("a short name is looked for under localhost first, then under docker.io", () => {
  assert.deepEqual(candidateNames(parseReference("debian")), [
    "localhost/debian:latest",
    "docker.io/library/debian:latest",
  ]);
  assert.deepEqual(candidateNames(parseReference("quay.io/x:1")), ["quay.io/x:1"]);
  assert.equal(fullName(parseReference(`q.io/a@sha256:${HEX}`)), `q.io/a@sha256:${HEX}`);
});

test("the end of a name matches at a slash and with the same tag only", () => {
  const matches = (name: string, wanted: string) => matchesSuffix(name, parseReference(wanted));
  assert.ok(matches("quay.io/a/web:latest", "web"));
  assert.ok(matches("quay.io/a/web:2", "a/web:2"));
  assert.ok(!matches("quay.io/a/myweb:latest", "web"));
  assert.ok(!matches("quay.io/a/web:2", "web"));
});

test("a full name is split into the two columns of the list", () => {
  assert.deepEqual(splitName("host:5000/a:b"), { repository: "host:5000/a", tag: "b" });
  assert.deepEqual(splitName("host:5000/a"), { repository: "host:5000/a", tag: "<none>" });
});
