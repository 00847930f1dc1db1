/** The layers of the configuration, and what is said about a wrong one. */
import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { after, describe, test } from "node:test";
import { type ConfigRequest, loadConfig } from "../../core/config.ts";
import { CoracleError } from "../../core/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "commands-config-"));
after(() => rmSync(folder, { recursive: true }));
let count = 0;

/** A system folder and a home with the given files; nothing of this host is read. */
function host(files: Readonly<Record<string, string>> = {}): ConfigRequest & { root: string } {
  const root = join(folder, String(count++));
  mkdirSync(root);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return { root, systemFolder: join(root, "etc"), environment: { HOME: join(root, "home") } };
}

async function refused(files: Readonly<Record<string, string>>, path: string) {
  const request = host(files);
  try {
    await loadConfig(request);
  } catch (error) {
    assert.ok(error instanceof CoracleError);
    assert.equal(error.code, "config");
    assert.equal(error.what, `cannot read the configuration "${join(request.root, path)}"`);
    return error;
  }
  throw new Error("nothing was refused");
}

const isRoot = process.getuid?.() === 0;

describe("the configuration", () => {
  test("has every default without a file", async () => {
    const config = await loadConfig(host());
    assert.equal(config.layer.driver, "auto");
    assert.equal(config.runtime.driver, "auto");
    assert.equal(config.monitor.driver, "auto");
    assert.equal(config.container.stopTimeout, 10);
    assert.equal(config.container.detachKeys, "ctrl-p,ctrl-q");
    assert.deepEqual(config.plugins, []);
    assert.deepEqual(config.files, []);
    if (isRoot) {
      assert.equal(config.root, "/var/lib/coracle");
      assert.equal(config.runroot, "/run/coracle");
    }
  });

  test("takes each layer over the one before: system, parts by name, user, file, environment, flags", async () => {
    const request = host({
      "etc/coracle.toml": 'root = "/1"\nrunroot = "/r1"\n[layer]\ndriver = "one"',
      "etc/coracle.toml.d/20-b.toml": '[layer]\ndriver = "three"\n[container]\npids_limit = 3',
      "etc/coracle.toml.d/10-a.toml": '[layer]\ndriver = "two"\n[container]\nstop_timeout = 2',
      "etc/coracle.toml.d/ignored.txt": "not toml at all [[",
      "home/.config/coracle/coracle.toml": 'root = "/4"\n[runtime]\ndriver = "four"',
      "own.toml": 'root = "/5"\n[monitor]\ndriver = "five"',
    });
    const file = join(request.root, "own.toml");
    const config = await loadConfig({ ...request, file });
    assert.equal(config.root, "/5");
    assert.equal(config.runroot, "/r1");
    assert.equal(config.layer.driver, "three");
    assert.equal(config.runtime.driver, "four");
    assert.equal(config.monitor.driver, "five");
    assert.equal(config.container.pidsLimit, 3);
    assert.equal(config.container.stopTimeout, 2);
    assert.equal(config.files.length, 5);
    const environment = {
      ...request.environment,
      CORACLE_ROOT: "/6",
      CORACLE_LAYER_DRIVER: "six",
      CORACLE_RUNTIME: "six",
      CORACLE_MONITOR: "",
    };
    const flags = { root: "/7", runtime: { driver: "seven" } };
    const last = await loadConfig({ ...request, file, environment, flags });
    assert.equal(last.root, "/7");
    assert.equal(last.layer.driver, "six");
    assert.equal(last.runtime.driver, "seven");
    assert.equal(last.monitor.driver, "five");
  });

  test("takes CORACLE_CONFIG, CORACLE_STORAGE_DRIVER and XDG_CONFIG_HOME", async () => {
    const request = host({
      "extra.toml": 'runroot = "/extra"',
      "xdg/coracle/coracle.toml": 'root = "/xdg"',
    });
    const config = await loadConfig({
      ...request,
      environment: {
        CORACLE_CONFIG: join(request.root, "extra.toml"),
        CORACLE_STORAGE_DRIVER: "copy",
        XDG_CONFIG_HOME: join(request.root, "xdg"),
      },
    });
    assert.equal(config.runroot, "/extra");
    assert.equal(config.root, "/xdg");
    assert.equal(config.layer.driver, "copy");
  });

  test("makes a relative --root absolute", async () => {
    const config = await loadConfig({ ...host(), flags: { root: "store" } });
    assert.equal(config.root, resolve("store"));
  });

  test("merges the tables of drivers by key and plugins by path", async () => {
    const config = await loadConfig(host({
      "etc/coracle.toml":
        '[layer.overlay]\na = 1\nb = [ "x" ]\n[[plugin]]\npath = "/p1"\n[[plugin]]\npath = "/p2"',
      "etc/coracle.toml.d/1.toml": `[layer.overlay]\na = 2\n[[plugin]]\npath = "/p1"\nsha256 = "${
        "0".repeat(64)
      }"`,
    }));
    assert.deepEqual(config.layer.options.overlay, { a: 2, b: ["x"] });
    assert.deepEqual(config.plugins, [{ path: "/p2" }, { path: "/p1", sha256: "0".repeat(64) }]);
  });
});

describe("a wrong configuration", () => {
  const WRONG: readonly (readonly [string, string, string | undefined])[] = [
    ['rot = "/x"', 'unknown key "rot"', 'the key "root"'],
    ['[layer]\ndrivr = "copy"', 'unknown key "layer.drivr"', 'the key "layer.driver"'],
    ['[laier]\ndriver = "copy"', 'unknown key "laier"', 'the key "layer"'],
    [
      "[container]\nstop_timout = 1",
      'unknown key "container.stop_timout"',
      'the key "container.stop_timeout"',
    ],
    [
      '[[plugin]]\npath = "/x"\nsha = "1"',
      'unknown key "plugin[1].sha"',
      "one of the keys path, sha256",
    ],
    ["[layer]\ndriver = 3", 'key "layer.driver" must be text, found 3', undefined],
    ["root = true", 'key "root" must be text, found true', undefined],
    ['root = "relative"', 'key "root" must be an absolute path', undefined],
    ["layer = 1", 'key "layer" must be a table, found 1', undefined],
    [
      "[container]\npids_limit = -1",
      'key "container.pids_limit" must be a whole number, 0 or more',
      undefined,
    ],
    [
      "[container]\npids_limit = 1.5",
      'key "container.pids_limit" must be a whole number, 0 or more',
      undefined,
    ],
    [
      '[container]\nlog_driver = "journald"',
      'key "container.log_driver" must be "k8s-file" or "none", found "journald"',
      undefined,
    ],
    ['[[plugin]]\nsha256 = "1"', 'key "plugin[1].path" is missing', undefined],
    [
      '[[plugin]]\npath = "/x"\nsha256 = "xyz"',
      'key "plugin[1].sha256" must be 64 hex digits',
      undefined,
    ],
  ];
  for (const [content, why, hint] of WRONG) {
    test(`${JSON.stringify(content)} is refused with file, key and reason`, async () => {
      const error = await refused({ "etc/coracle.toml": content }, "etc/coracle.toml");
      assert.equal(error.why, why);
      assert.equal(error.hint, hint);
    });
  }

  test("a syntax error names line and column", async () => {
    const error = await refused({ "etc/coracle.toml": 'root = "/x"\nbad' }, "etc/coracle.toml");
    assert.match(error.why ?? "", /^line 2, column \d+: /);
  });

  test("a file that was named but is not there is an error", async () => {
    await assert.rejects(
      loadConfig({ ...host(), file: "/nonexistent/coracle.toml" }),
      /cannot read the configuration "\/nonexistent\/coracle\.toml": no such file/i,
    );
  });

  test("the user's own file must not belong to somebody else or be writable by others", {
    skip: isRoot ? false : "needs root",
  }, async () => {
    const path = "home/.config/coracle/coracle.toml";
    const request = host({ [path]: 'root = "/evil"' });
    chmodSync(join(request.root, path), 0o666);
    await assert.rejects(loadConfig(request), /others can write to it/);
    chmodSync(join(request.root, path), 0o600);
    chownSync(join(request.root, path), 12345, 0);
    await assert.rejects(loadConfig(request), /it belongs to user 12345, not to root or to you/);
  });
});
