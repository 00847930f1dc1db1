/** device.ts, environment.ts, namespace.ts, security.ts, name_service.ts, with Podman's words. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseDevice, parseDeviceRule } from "../../../../core/container/arguments/device.ts";
import {
  mergeEnvironment,
  parseAnnotation,
  parseEnvironment,
  parseEnvironmentFile,
  parseLabel,
  parseLabelFile,
} from "../../../../core/container/arguments/environment.ts";
import { parseAddHost, parseDns } from "../../../../core/container/arguments/name_service.ts";
import {
  namespaceText,
  parseCgroups,
  parseNamespace,
} from "../../../../core/container/arguments/namespace.ts";
import {
  checkSysctls,
  parseSecurityOptions,
  parseSysctl,
  parseUmask,
} from "../../../../core/container/arguments/security.ts";
import { parseEntrypoint } from "../../../../core/container/command.ts";
import { whyOf } from "../why_of.ts";

test("devices have a source, a destination and an access", () => {
  const table: [string, string, string, string][] = [
    ["/dev/fuse", "/dev/fuse", "/dev/fuse", "rwm"],
    ["/dev/null:rw", "/dev/null", "/dev/null", "rw"],
    ["/dev/null:/dev/x", "/dev/null", "/dev/x", "rwm"],
    ["/dev/null:/dev/x:r", "/dev/null", "/dev/x", "r"],
  ];
  for (const [text, source, destination, access] of table) {
    assert.deepEqual(parseDevice(text), { source, destination, access });
  }
  const wrong: [string, string][] = [
    ["/dev/null:/dev/x:q", "invalid device mode: q"],
    ["/dev/null:/dev/x:rr", "invalid device mode: rr"],
    ["/dev/null::", "invalid device mode: "],
    ["/dev/null:x:r", "invalid device mode: x"],
    ["/dev/null:/a:b:c", "invalid device specification: /dev/null:/a:b:c"],
    ["", "invalid device specification: "],
  ];
  for (const [text, words] of wrong) assert.equal(whyOf(() => parseDevice(text)), words);
});

test("device rules have a type, numbers and an access", () => {
  assert.deepEqual(parseDeviceRule("c 42:* rwm"), {
    type: "c",
    major: 42,
    minor: null,
    access: "rwm",
  });
  assert.equal(parseDeviceRule("a *:* r").major, null);
  const wrong: [string, RegExp][] = [
    ["x", /invalid device cgroup rule requires type, major:Minor, and access rules: "x"/],
    ["c 1:2 x", /invalid device access in device-access-add: x/],
    ["q 1:2 r", /invalid device type in device-access-add: q/],
    ["c 1:2:3 r", /invalid syntax/],
    ["c x:2 r", /parsing "x": invalid syntax/],
  ];
  for (const [text, words] of wrong) assert.match(whyOf(() => parseDeviceRule(text)), words);
});

test("variables come from the flag, the host and files", () => {
  const host = { FOO: "bar", FOX: "", OTHER: "1" };
  const table: [string, string[]][] = [
    ["A=b", ["A=b"]],
    ["A=", ["A="]],
    ["A B=c", ["A B=c"]],
    ["FOO", ["FOO=bar"]],
    ["FOX", ["FOX="]],
    ["NONE", []],
    ["", []],
    ["FO*", ["FOO=bar", "FOX="]],
  ];
  for (const [text, words] of table) assert.deepEqual(parseEnvironment(text, host), words);
  assert.equal(whyOf(() => parseEnvironment("=x", host)), 'invalid environment variable: "=x"');
  const file = "A=1\n# c\n\n  B=x # not a comment\r\nFOO\nNONE\n";
  assert.deepEqual(parseEnvironmentFile(file, { path: "ef", host }), [
    "A=1",
    "B=x # not a comment",
    "FOO=bar",
  ]);
  assert.equal(
    whyOf(() => parseEnvironmentFile("A=1\n=x", { path: "ef", host })),
    'parsing env file "ef": invalid environment variable: "=x"',
  );
});

test("later variables replace earlier ones in their place", () => {
  assert.deepEqual(mergeEnvironment(["A=1", "B=2"], ["C=3", "A=4"]), ["A=4", "B=2", "C=3"]);
});

test("labels and annotations are keys and values", () => {
  assert.deepEqual(parseLabel("a=b=c"), { key: "a", value: "b=c" });
  assert.deepEqual(parseLabel("a"), { key: "a", value: "" });
  assert.deepEqual(parseLabelFile("# x\na=1\n\nb\n"), [
    { key: "a", value: "1" },
    { key: "b", value: "" },
  ]);
  for (const text of ["=x", ""]) {
    assert.equal(
      whyOf(() => parseLabel(text)),
      `unable to process labels: invalid label format: "${text}"`,
    );
  }
  assert.deepEqual(parseAnnotation("=a"), { key: "", value: "a" });
  assert.equal(whyOf(() => parseAnnotation("x")), "annotations must be formatted KEY=VALUE");
});

test("namespaces are made, shared or joined", () => {
  const table: [Parameters<typeof parseNamespace>[0], string][] = [
    ["--pid", "host"],
    ["--pid", "private"],
    ["--pid", "container:abc"],
    ["--ipc", "shareable"],
    ["--ipc", "none"],
    ["--uts", "ns:/proc/1/ns/uts"],
    ["--network", "none"],
    ["--network", "container:web"],
  ];
  for (const [flag, text] of table) assert.equal(namespaceText(parseNamespace(flag, text)), text);
  assert.deepEqual(parseNamespace("--pid", ""), { kind: "private" });
  const wrong: [Parameters<typeof parseNamespace>[0], string, RegExp][] = [
    ["--pid", "foo", /unrecognized namespace mode foo passed/],
    ["--pid", "shareable", /unrecognized namespace mode shareable passed/],
    ["--pid", "host:x", /unrecognized namespace mode host:x passed/],
    ["--pid", "container:", /namespace mode container requires a value/],
    ["--network", "foo", /unable to find network with name or ID foo: network not found/],
    ["--network", "bridge", /not supported/],
  ];
  for (const [flag, text, words] of wrong) {
    assert.match(whyOf(() => parseNamespace(flag, text)), words);
  }
  assert.equal(parseCgroups("no-conmon"), "no-conmon");
  assert.match(whyOf(() => parseCgroups("foo")), /invalid cgroup mode "foo": invalid argument/);
});

test("security options are merged", () => {
  assert.deepEqual(
    parseSecurityOptions([
      "no-new-privileges",
      "seccomp=unconfined",
      "label=type:x",
      "mask=/a:/b",
      "unmask=ALL",
      "apparmor:foo",
      "proc-opts=hidepid=2,subset=pid",
    ]),
    {
      noNewPrivileges: true,
      seccomp: "unconfined",
      apparmor: "foo",
      labels: ["type:x"],
      mask: ["/a", "/b"],
      unmask: ["ALL"],
      procOptions: ["hidepid=2", "subset=pid"],
    },
  );
  assert.equal(parseSecurityOptions(["no-new-privileges:false"]).noNewPrivileges, false);
  const wrong: [string, string][] = [
    ["foo", 'invalid --security-opt 1: "foo"'],
    ["foo=bar", 'invalid --security-opt 2: "foo=bar"'],
    ["no-new-privileges=x", 'invalid --security-opt 2: "no-new-privileges=x"'],
  ];
  for (const [text, words] of wrong) assert.equal(whyOf(() => parseSecurityOptions([text])), words);
});

test("only sysctls of a namespace of the container's own are set", () => {
  assert.deepEqual(parseSysctl("net.ipv4.ip_forward=1"), {
    key: "net.ipv4.ip_forward",
    value: "1",
  });
  const wrong: [string, string][] = [
    ["foo", "foo is invalid, sysctl values must be in the form of KEY=VALUE"],
    ["foo=bar", "sysctl 'foo' is not allowed"],
    ["kernel.panic=1", "sysctl 'kernel.panic' is not allowed"],
    ["net.x/../../kernel/panic=1", "sysctl 'net.x/../../kernel/panic' is not allowed"],
  ];
  for (const [text, words] of wrong) assert.equal(whyOf(() => parseSysctl(text)), words);
  const own = { network: { kind: "private" }, ipc: { kind: "private" } } as const;
  checkSysctls({ "net.x": "1", "kernel.msgmax": "1" }, own);
  assert.match(
    whyOf(() => checkSysctls({ "net.x": "1" }, { ...own, network: { kind: "host" } })),
    /sysctl net.x=1 can't be set since Host Network Namespace Used/,
  );
});

test("a umask is octal", () => {
  assert.equal(parseUmask("0077"), 0o77);
  for (const text of ["9", "77777", ""]) {
    assert.equal(
      whyOf(() => parseUmask(text)),
      `running container create option: invalid umask string ${text}: invalid argument`,
    );
  }
});

test("an entrypoint is a list or one word", () => {
  assert.deepEqual(parseEntrypoint('["a","b c"]'), ["a", "b c"]);
  assert.deepEqual(parseEntrypoint("a b"), ["a b"]);
  assert.deepEqual(parseEntrypoint('["a",'), ['["a",']);
  assert.deepEqual(parseEntrypoint("[1]"), ["[1]"]);
  assert.deepEqual(parseEntrypoint(""), []);
});

test("hosts and name servers have addresses", () => {
  for (const text of ["foo:1.2.3.4", "foo:::1", "foo:fe80::1%eth0", "foo:host-gateway"]) {
    assert.equal(parseAddHost(text), text);
  }
  assert.match(whyOf(() => parseAddHost("foo")), /unable to parse host entry "foo"/);
  assert.match(whyOf(() => parseAddHost("foo:300.1.1.1")), /invalid IP address in add-host/);
  assert.equal(parseDns("none"), "none");
  assert.equal(whyOf(() => parseDns("x")), "x is not an ip address");
});
