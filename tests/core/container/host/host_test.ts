/** facts.ts, devices.ts, bind_sources.ts, seccomp_profile.ts, workdir.ts on the real host. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { checkBindSources, sourceFlags } from "../../../../core/container/host/bind_sources.ts";
import { lookUpDevices } from "../../../../core/container/host/devices.ts";
import { hostFacts } from "../../../../core/container/host/facts.ts";
import { seccompProfile } from "../../../../core/container/host/seccomp_profile.ts";
import { prepareWorkdir } from "../../../../core/container/host/workdir.ts";
import { defaultRequest } from "../../../../core/container/request.ts";
import { AT_FDCWD, close, O, openAt } from "../../../../core/sys/at.ts";
import { raw } from "../../../../core/terms.ts";
import { whyOf } from "../why_of.ts";

const skip = process.getuid?.() === 0 ? false : "needs root";

test("the facts of this host are read", () => {
  const facts = hostFacts();
  assert.match(facts.architecture, /^[a-z0-9]+$/);
  assert.match(facts.kernel, /^\d+\.\d+/);
  assert.ok(facts.capabilities.every((name) => name.startsWith("CAP_")));
  assert.ok((facts.limits.own.RLIMIT_NOFILE?.hard ?? 0) > 0);
  assert.ok(facts.limits.maxOpenFiles > 1000);
});

test("devices are looked up with their numbers, modes and rules", () => {
  const wishes = { deviceRules: [], privileged: false };
  const { nodes, rules } = lookUpDevices({
    ...wishes,
    devices: [{ source: "/dev/null", destination: "/dev/x", access: "r" }],
  });
  assert.deepEqual(nodes, [
    { path: "/dev/x", type: "c", major: 1, minor: 3, fileMode: 0o666, uid: 0, gid: 0 },
  ]);
  assert.deepEqual(rules, [{ type: "c", major: 1, minor: 3, access: "r" }]);
  const all = lookUpDevices({ ...wishes, devices: [], privileged: true });
  assert.ok(all.nodes.some((node) => node.path === "/dev/null"));
  assert.ok(!all.nodes.some((node) => node.path.startsWith("/dev/pts/")));
  assert.ok(!all.nodes.some((node) => node.path === "/dev/console"));
  assert.deepEqual(all.rules, []);
  const device = (source: string) => [{ source, destination: source, access: "rwm" }];
  assert.equal(
    whyOf(() => lookUpDevices({ ...wishes, devices: device("/nonex") }), "notfound"),
    "stat /nonex: no such file or directory",
  );
  assert.match(
    whyOf(() => lookUpDevices({ ...wishes, devices: device("/etc/passwd") })),
    /is not a device node/,
  );
});

test("a bind mount's source must be there", () => {
  const bind = { type: "bind", source: "/nonex", destination: "/x", options: [] } as const;
  assert.equal(
    whyOf(() => checkBindSources([bind])),
    "statfs /nonex: no such file or directory",
  );
  checkBindSources([{ ...bind, source: "/tmp" }, { ...bind, type: "volume" }]);
});

test("the flags of a source are those of the mount it is on", { skip }, () => {
  const dir = mkdtempSync("/tmp/container-source-");
  spawnSync("mount", ["-t", "tmpfs", "-o", "nosuid,nodev", "x", dir]);
  try {
    mkdirSync(`${dir}/a`);
    symlinkSync(`${dir}/a`, `${dir}/link`);
    const flags = { nosuid: true, nodev: true, noexec: false };
    assert.deepEqual(sourceFlags([`${dir}/a`, `${dir}/link`]), {
      [`${dir}/a`]: flags,
      [`${dir}/link`]: flags,
    });
  } finally {
    spawnSync("umount", [dir]);
    rmSync(dir, { recursive: true });
  }
});

test("a working directory of the image is made, the user's must be there", { skip }, () => {
  const dir = mkdtempSync("/tmp/container-workdir-");
  const root = openAt(AT_FDCWD, raw(dir), O.RDONLY | O.DIRECTORY);
  const prepare = (path: string, isImageWorkdir: boolean) =>
    prepareWorkdir(root, { path, isImageWorkdir, container: "web" });
  try {
    mkdirSync(`${dir}/real`);
    symlinkSync("/real", `${dir}/link`);
    writeFileSync(`${dir}/file`, "");
    prepare("/", false);
    prepare("/link/a/b", true);
    assert.equal(statSync(`${dir}/real/a/b`).mode & 0o777, 0o755);
    prepare("/real/a", false);
    assert.equal(
      whyOf(() => prepare("/none", false)),
      'workdir "/none" does not exist on container web',
    );
    assert.equal(whyOf(() => prepare("/file/x", true)), 'workdir "/file/x" is not a directory');
    symlinkSync("/../../../tmp/container-escape", `${dir}/out`);
    assert.throws(() => prepare("/out/x", true));
    assert.ok(!existsSync("/tmp/container-escape"));
  } finally {
    close(root);
    rmSync(dir, { recursive: true });
  }
});

test("a seccomp profile of the user's is read, or said to be missing in Podman's words", () => {
  const dir = mkdtempSync("/tmp/container-profile-");
  const request = (seccomp: string) => {
    const plain = defaultRequest("x");
    return { ...plain, security: { ...plain.security, seccomp } };
  };
  try {
    writeFileSync(
      `${dir}/p.json`,
      '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[' +
        '{"names":["chroot"],"action":"SCMP_ACT_TRAP","includes":{"caps":["CAP_SYS_CHROOT"]}},' +
        '{"names":["mount"],"action":"SCMP_ACT_TRAP","includes":{"caps":["CAP_SYS_ADMIN"]}}]}',
    );
    const profile = seccompProfile(request(`${dir}/p.json`), hostFacts());
    assert.deepEqual(profile?.syscalls, [{ names: ["chroot"], action: "SCMP_ACT_TRAP" }]);
    assert.equal(seccompProfile(request("unconfined"), hostFacts()), undefined);
    assert.equal(
      whyOf(() => seccompProfile(request(`${dir}/none`), hostFacts())),
      `opening seccomp profile failed: open ${dir}/none: no such file or directory`,
    );
  } finally {
    rmSync(dir, { recursive: true });
  }
});
