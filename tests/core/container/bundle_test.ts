import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { test } from "node:test";
import { bundlePaths, writeBundle } from "../../../core/container/bundle.ts";
import {
  containerEnvText,
  hasResolvConf,
  hostsText,
  resolvConfText,
} from "../../../core/container/network_files.ts";
import { ociConfig } from "../../../core/container/oci_config.ts";
import { defaultRequest } from "../../../core/container/request.ts";
import { sampleInput } from "./sample.ts";
import { whyOf } from "./why_of.ts";

test("a bundle is written whole, again over the old one, and closed to others", () => {
  const dir = `${mkdtempSync("/tmp/container-bundle-")}/b`;
  const { spec } = ociConfig(sampleInput());
  writeBundle(dir, { spec, files: { hosts: "a\n", hostname: "b\n" } });
  writeBundle(dir, { spec, files: { hosts: "c\n", resolvConf: "" } });
  assert.deepEqual(readdirSync(dir).sort(), ["config.json", "hostname", "hosts", "resolv.conf"]);
  assert.equal(readFileSync(`${dir}/hosts`, "utf8"), "c\n");
  assert.equal(JSON.parse(readFileSync(`${dir}/config.json`, "utf8")).process.args[0], "sleep");
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.equal(statSync(`${dir}/config.json`).mode & 0o777, 0o600);
  assert.equal(statSync(`${dir}/hosts`).mode & 0o777, 0o644);
  assert.deepEqual(bundlePaths(dir, { hosts: "", containerEnv: "" }), {
    hosts: `${dir}/hosts`,
    containerEnv: `${dir}/containerenv`,
  });
  rmSync(dir, { recursive: true });
  assert.ok(!existsSync(dir));
  rmSync(dir.slice(0, -2), { recursive: true });
});

const REQUEST = defaultRequest("x");

test("hosts has what was added, the host's entries, and the container", () => {
  const base = "127.0.0.1 localhost # me\n\n# c\n10.0.0.1\tdb db.local\n";
  const input = { hostname: "boat", name: "web", base };
  assert.equal(
    hostsText({ ...input, request: { ...REQUEST, addHosts: ["foo:1.2.3.4", "six:fe80::1"] } }),
    "1.2.3.4\tfoo\nfe80::1\tsix\n127.0.0.1\tlocalhost\n10.0.0.1\tdb db.local\n127.0.0.1\tboat web\n",
  );
  assert.equal(
    hostsText({ ...input, base: "", request: { ...REQUEST, network: { kind: "host" } } }),
    "127.0.0.1\tlocalhost\n::1\tlocalhost\n",
  );
  assert.match(
    whyOf(
      () => hostsText({ ...input, request: { ...REQUEST, addHosts: ["a:host-gateway"] } }),
      "unsupported",
    ),
    /unable to replace "host-gateway"/,
  );
});

test("resolv.conf has the host's words unless the user gave others", () => {
  const base = "# c\nsearch a b\nnameserver 127.0.0.53\nnameserver 9.9.9.9\noptions ndots:2\n";
  assert.equal(
    resolvConfText({ request: REQUEST, base }),
    "search a b\nnameserver 9.9.9.9\noptions ndots:2\n",
  );
  const host = { ...REQUEST, network: { kind: "host" } } as const;
  assert.match(resolvConfText({ request: host, base }), /127.0.0.53/);
  const own = { ...REQUEST, dns: ["1.1.1.1"], dnsSearch: ["."], dnsOptions: ["debug"] };
  assert.equal(resolvConfText({ request: own, base }), "nameserver 1.1.1.1\noptions debug\n");
  assert.equal(hasResolvConf({ ...REQUEST, network: { kind: "none" } }), false);
  assert.equal(hasResolvConf({ ...REQUEST, dns: ["none"] }), false);
  assert.equal(hasResolvConf(REQUEST), true);
});

test("containerenv tells only a privileged container who made it", () => {
  const input = { version: "1", id: "i", name: "n", image: "m", imageId: "d", isPrivileged: false };
  assert.equal(containerEnvText(input), "");
  assert.equal(
    containerEnvText({ ...input, isPrivileged: true }),
    'engine="coracle-1"\nname="n"\nid="i"\nimage="m"\nimageid="d"\nrootless=0\n',
  );
});
