/** Conformance cases: extended attributes; [37], [38]. */
import { deepStrictEqual as same, equal, ok } from "node:assert/strict";
import { isErrno } from "../../../core/errors.ts";
import { raw, type RawPath } from "../../../core/terms.ts";
import type { Case } from "../conformance.ts";
import {
  describeTree,
  entry,
  listNames,
  readAll,
  Recorder,
  sendFile,
  setXattrs,
  writeFile,
} from "./trees.ts";

/** cap_net_raw+ep, VFS_CAP_REVISION_2; capabilities(7). */
const CAPABILITY = "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const bytes = (value: string) => Buffer.from(value, "latin1");
const xattrs = (map: Record<string, string>): ReadonlyMap<RawPath, Uint8Array> =>
  new Map(Object.entries(map).map(([name, value]) => [raw(name), bytes(value)]));

export const ATTRIBUTE_CASES: readonly Case[] = [
  {
    name: "attributes arrive, show in a child and leave again [37]",
    scenarios: [37],
    run({ image, container, mounted, driver, ref, scratch }) {
      const user = userSpace(scratch);
      const all = xattrs({
        "security.capability": CAPABILITY,
        "trusted.mine": "t",
        [`${user}.empty`]: "",
        [`${user}.name`]: "a\0b",
      });
      const base = image(null, (sink) => {
        sink.entry(entry("dir", "", { xattrs: xattrs({ [`${user}.root`]: "1" }) }));
        sendFile(sink, "f", "x", { xattrs: all, uid: 3 });
        sink.entry(
          entry("dir", "d", { xattrs: xattrs({ "trusted.dir": "1", [`${user}.dir2`]: "2" }) }),
        );
        sink.entry(
          entry("symlink", "l", { linkTarget: raw("f"), xattrs: xattrs({ "trusted.l": "1" }) }),
        );
      });
      const sent = new Recorder();
      driver.entries(ref(base), sent);
      const got = Object.fromEntries(sent.entries.map((each) => [each.path, each.xattrs]));
      same(sorted(got["f"]), sorted(all));
      same(sorted(got[""]), sorted(xattrs({ [`${user}.root`]: "1" })));
      same(sorted(got["l"]), sorted(xattrs({ "trusted.l": "1" })));
      const shown = mounted(base, "ro", (path) => describeTree(path));
      same(mounted(container(base), "rw", (path) => describeTree(path)), shown);
    },
  },
  {
    name: "attributes and access lists set inside are in the delta [37]",
    scenarios: [37],
    run({ image, changed, driver, ref, scratch }) {
      const user = userSpace(scratch);
      // version 2, user::rw-, user:1000:r--, group::r--, mask::r--, other::---; acl(5).
      const acl =
        "\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x04\0\xe8\x03\0\0\x04\0\x04\0\xff\xff" +
        "\xff\xff\x10\0\x04\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";
      const base = image(null, (sink) => {
        sendFile(sink, "cap", "x");
        sendFile(sink, "acl", "x");
        sendFile(sink, "plain", "x");
      });
      const next = changed(base, (path) => {
        setXattrs(`${path}/cap`, { "security.capability": CAPABILITY, [`${user}.x`]: "1" });
        setXattrs(`${path}/acl`, { "system.posix_acl_access": acl });
      });
      const sent = new Recorder();
      driver.entries(ref(next), sent);
      same(sent.outline(), ["file acl", "file cap"]);
      const got = sent.entries.map((each) => sorted(each.xattrs));
      same(got[1], [["system.posix_acl_access", bytes(acl).toString("hex")]]);
      same(got[2], [["security.capability", bytes(CAPABILITY).toString("hex")], [
        `${user}.x`,
        "31",
      ]]);
    },
  },
  {
    name: "attributes that steer a union file system are not taken from archives [38]",
    scenarios: [38],
    run({ image, container, mounted, driver, ref }) {
      const secret = image(null, (sink) => {
        sendFile(sink, "secret/key", "hidden");
        sink.entry(entry("dir", "etc"));
      });
      const middle = image(secret, (sink) => {
        sink.entry(entry("dir", "open", {
          xattrs: xattrs({
            "trusted.overlay.redirect": "/secret",
            "trusted.overlay.opaque": "y",
            "user.overlay.redirect": "/secret",
          }),
        }));
        sendFile(sink, "meta", "", { xattrs: xattrs({ "trusted.overlay.metacopy": "" }) });
        sink.entry(entry("dir", "etc", { xattrs: xattrs({ "trusted.overlay.opaque": "y" }) }));
      });
      mounted(container(middle), "rw", (path) => {
        same(listNames(`${path}/open`), []);
        equal(readAll(`${path}/meta`), "");
        same(listNames(path), ["etc", "meta", "open", "secret"]);
      });
      const sent = new Recorder();
      driver.entries(ref(middle), sent);
      ok(sent.entries.every((each) => each.xattrs === undefined && each.type !== "opaque"));
    },
  },
];

/** tmpfs has no attributes of users before kernel 6.6; there root's own take their part. */
function userSpace(scratch: string): "user" | "trusted" {
  writeFile(`${scratch}/probe`, "");
  try {
    setXattrs(`${scratch}/probe`, { "user.probe": "1" });
    return "user";
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP")) return "trusted";
    throw error;
  }
}

function sorted(map: ReadonlyMap<RawPath, Uint8Array> | undefined): [string, string][] {
  return [...map ?? []].map(([name, value]): [string, string] => [
    name,
    Buffer.from(value).toString("hex"),
  ]).sort(([a], [b]) => a < b ? -1 : 1);
}
