/** volume.ts, mount.ts, mount_options.ts: -v, --mount and --tmpfs, with Podman's words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseMount } from "../../../../core/container/arguments/mount.ts";
import { completeOptions } from "../../../../core/container/arguments/mount_options.ts";
import { cleanPath, parseTmpfs, parseVolume } from "../../../../core/container/arguments/volume.ts";
import { whyOf } from "../why_of.ts";

const FORMAT = "incorrect mount format: should be --mount " +
  "type=<bind|tmpfs|volume>,[src=<host-dir|volume-name>,]target=<ctr-dir>[,options]";

test("-v knows host paths, volume names and anonymous volumes", () => {
  const volume = (text: string) => parseVolume(text, "/here");
  assert.deepEqual(volume("/a"), { type: "volume", source: "", destination: "/a", options: [] });
  assert.deepEqual(volume("/tmp/../x/:/b/./c/"), {
    type: "bind",
    source: "/x",
    destination: "/b/c",
    options: [],
  });
  assert.equal(volume("./a:/b").source, "/here/a");
  assert.equal(volume("../a:/b").source, "/a");
  assert.deepEqual(volume("data:/b:ro,Z,U,nocopy,rslave,cached"), {
    type: "volume",
    source: "data",
    destination: "/b",
    options: ["ro", "rslave"],
    relabel: "private",
    chown: true,
    noCopy: true,
  });
  assert.deepEqual(volume("/tmp:/b:O").overlay, true);
});

test("-v refuses what Podman refuses, in its words", () => {
  const table: [string, string][] = [
    ["", "container directory cannot be empty"],
    ["a", 'invalid container path "a", must be an absolute path'],
    ["a:b", 'invalid container path "b", must be an absolute path'],
    ["/tmp:/b:xx", 'invalid option type "xx"'],
    ["/tmp:/b:size=5", 'invalid option type "size=5"'],
    ["/tmp:/b:ro,rw", `invalid options "ro, rw", can only specify 1 'rw' or 'ro' option`],
    [
      "/tmp:/b:rshared,rslave",
      `invalid options "rshared, rslave", can only specify 1 '[r]shared', '[r]private', ` +
      "'[r]slave' or '[r]unbindable' option",
    ],
    ["/tmp:/b:z,Z", `invalid options "z, Z", can only specify 1 'z', 'Z', or 'O' option`],
    [
      "/tmp:/b:ro:x",
      "/tmp:/b:ro:x: incorrect volume format, should be [host-dir:]ctr-dir[:option]",
    ],
    [":/b", "host directory cannot be empty"],
    ["/tmp:", "container directory cannot be empty"],
    [
      "a/b:/c",
      'creating named volume "a/b": running volume create option: ' +
      "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
    ],
  ];
  for (const [text, words] of table) assert.equal(whyOf(() => parseVolume(text, "/here")), words);
});

test("--tmpfs takes sizes, modes and flags", () => {
  assert.deepEqual(parseTmpfs("/t:size=1m,mode=0700,ro,noexec"), {
    type: "tmpfs",
    source: "",
    destination: "/t",
    options: ["size=1m", "mode=0700", "ro", "noexec"],
  });
  assert.deepEqual(parseTmpfs("/t").options, []);
  const table: [string, RegExp][] = [
    ["", /container directory cannot be empty/],
    ["b", /invalid container path "b", must be an absolute path/],
    ["/b:foo", /unknown mount option "foo": invalid mount option/],
    ["/b:a:b", /unknown mount option "a:b": invalid mount option/],
    ["/b:ro,rw", /only one rw\/ro option can be specified/],
    ["/b:size=1,size=2", /only one size option/],
  ];
  for (const [text, words] of table) assert.match(whyOf(() => parseTmpfs(text)), words);
});

test("--mount describes every type", () => {
  const mount = (text: string) => parseMount(text, "/here");
  assert.deepEqual(mount("type=bind,src=/tmp,dst=/x,ro,bind-propagation=rshared,relabel=shared"), {
    type: "bind",
    source: "/tmp",
    destination: "/x",
    options: ["ro", "rshared"],
    relabel: "shared",
  });
  assert.equal(mount("type=bind,dst=/x").source, "/x");
  assert.equal(mount("type=bind,src=a,target=/x,consistency=cached").source, "/here/a");
  assert.deepEqual(mount("type=bind,src=/a,dst=/x,bind-nonrecursive,readonly=false").options, [
    "bind",
    "rw",
  ]);
  assert.deepEqual(mount("type=bind,source=/a,target=/x,rw=false,U=true"), {
    type: "bind",
    source: "/a",
    destination: "/x",
    options: ["ro"],
    chown: true,
  });
  assert.deepEqual(mount("type=volume,dst=/x").source, "");
  assert.deepEqual(mount("type=tmpfs,dst=/x,tmpfs-size=1m,tmpfs-mode=1777").options, [
    "size=1m",
    "mode=1777",
  ]);
  assert.deepEqual(mount("type=devpts,destination=/x,uid=1").options, ["uid=1"]);
  assert.deepEqual(mount("type=image,src=bb,dst=/x,rw=true").options, ["rw"]);
});

test("--mount refuses what Podman refuses, in its words", () => {
  const argument = "must provide an argument for option";
  const table: [string, string][] = [
    ["foo", FORMAT],
    ["", FORMAT],
    ["src=/tmp,dst=/x", FORMAT],
    ["type=foo,dst=/x", 'invalid filesystem type "foo"'],
    ["type=bind", "must set volume destination"],
    ["type=bind,src=/tmp", "must set volume destination"],
    ["type=bind,src=/tmp,dst=/x,foo", "foo: invalid mount option"],
    ["type=bind,src=/tmp,dst=/x,foo=1", "foo: invalid mount option"],
    [
      "type=bind,src=/tmp,dst=/x,ro=maybe",
      `'readonly', 'ro', or 'rw' must be set to true or false, instead received "maybe": ${argument}`,
    ],
    [
      "type=bind,src=/tmp,dst=/x,ro=true,rw",
      `cannot pass 'readonly', 'ro', or 'rw' options more than once: ${argument}`,
    ],
    ["type=bind,src=/tmp,dst=x", 'invalid container path "x", must be an absolute path'],
    ["type=bind,src,dst=/x", `src: ${argument}`],
    ["type=bind,src=/tmp,dst=/x,bind-propagation=foo", 'invalid option type "foo"'],
    ["type=bind,src=/tmp,dst=/x,bind-propagation", `bind-propagation: ${argument}`],
    ["type=tmpfs", "must set volume destination"],
    ["type=tmpfs,dst=/x,src=/y", "source is not supported with tmpfs mounts"],
    ["type=tmpfs,dst=/x,tmpfs-size", `tmpfs-size: ${argument}`],
    ["type=tmpfs,dst=/x,size=1m", "size: invalid mount option"],
    [
      "type=volume,src=v,dst=/x,volume-label=x",
      "the --volume-label option is not presently implemented",
    ],
    [
      "type=bind,src=/tmp,dst=/x,relabel=foo",
      "relabel mount option must be 'private' or 'shared': invalid mount option",
    ],
    ["type=image,dst=/x", "must set source and destination for image volume"],
  ];
  for (const [text, words] of table) {
    assert.equal(whyOf(() => parseMount(text, "/here")), words, text);
  }
});

test("a mount gets the words that were not said", () => {
  const none = { nosuid: false, nodev: false, noexec: false };
  const disk = { nosuid: true, nodev: true, noexec: true };
  assert.deepEqual(completeOptions([], { isTmpfs: false, source: none }), [
    "rw",
    "rprivate",
    "rbind",
  ]);
  assert.deepEqual(completeOptions(["ro", "rshared"], { isTmpfs: false, source: none }), [
    "ro",
    "rshared",
    "rbind",
  ]);
  assert.deepEqual(completeOptions(["ro", "exec"], { isTmpfs: false, source: disk }), [
    "ro",
    "exec",
    "rprivate",
    "nosuid",
    "nodev",
    "rbind",
  ]);
  assert.deepEqual(
    completeOptions(["size=1m", "notmpcopyup"], { isTmpfs: true, source: none }),
    ["size=1m", "rw", "rprivate"],
  );
});

test("paths are cleaned without leaving the root", () => {
  const table = [["/", "/"], ["//a//b/", "/a/b"], ["/a/../../b/.", "/b"], ["/..", "/"]] as const;
  for (const [path, clean] of table) assert.equal(cleanPath(path), clean);
});
