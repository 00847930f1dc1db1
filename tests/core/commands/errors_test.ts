/** What people and programs read when something is wrong: golden error lines, as text and as JSON. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, describe, test } from "node:test";
import { errorLines, errorObject } from "../../../core/commands/error_text.ts";
import { CoracleError, ProcessError, SysError } from "../../../core/errors.ts";
import { matchesGolden } from "../../golden_file.ts";
import { PROJECT } from "../../../tools/command.ts";

const folder = mkdtempSync(join(tmpdir(), "commands-errors-"));
after(() => rmSync(folder, { recursive: true }));

const isDeno = "Deno" in globalThis;
const RUN = isDeno ? ["run", "-A", "--no-check", "--quiet", "cli.ts"] : ["cli.ts"];

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs cli.ts from source in a store of its own, with the test's runtime. */
function coracle(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly stdout?: number } = {},
): Promise<Ended> {
  const child: ChildProcess = spawn(process.execPath, [...RUN, ...args], {
    cwd: PROJECT,
    stdio: ["ignore", options.stdout ?? "pipe", "pipe"],
    env: {
      PATH: process.env.PATH ?? "",
      HOME: folder,
      CORACLE_ROOT: join(folder, "root"),
      CORACLE_RUNROOT: join(folder, "run"),
      ...options.env,
    },
  });
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (data) => stdout += data);
  child.stderr?.on("data", (data) => stderr += data);
  return new Promise((resolve) =>
    child.on("close", (status) => resolve({ status, stdout, stderr }))
  );
}

function file(name: string, content: string): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}

/** Command lines as people mistype them; `FOLDER` is the test's own. */
const LINES: readonly (readonly string[])[] = [
  ["frobnicate"],
  ["verison"],
  ["system"],
  ["system", "inof"],
  ["--nope", "version"],
  ["--log-level", "loud", "version"],
  ["--log-format", "yaml", "version"],
  ["version", "--nope"],
  ["version", "--formta", "x"],
  ["version", "-Z"],
  ["version", "--format"],
  ["version", "more"],
  ["version", "--format", "{{.Nope}}"],
  ["version", "--format", "{{.Client.Nope}}"],
  ["version", "--format", "{{.Client"],
  ["--cgroup-manager", "systemd", "version", "-f", "x"],
  ["--config", "FOLDER/missing.toml", "version", "-f", "x"],
  ["--config", "FOLDER/key.toml", "version", "-f", "x"],
  ["--config", "FOLDER/syntax.toml", "version", "-f", "x"],
  ["--config", "FOLDER/type.toml", "version", "-f", "x"],
  ["--config", "FOLDER/plugin.toml", "drivers", "check", "overlay"],
  ["drivers", "check"],
  ["drivers", "check", "nope"],
  ["drivers", "check", "--kind", "cloud", "overlay"],
  ["completion", "tcsh"],
  ["help", "frobnicate"],
];

file("key.toml", '[layer]\ndrivr = "copy"\n');
file("syntax.toml", "[layer\n");
file("type.toml", "root = 3\n");
file("plugin.toml", '[[plugin]]\npath = "/nonexistent/driver.ts"\n');

/** Two at a time: the machine that runs this in CI has two cores. */
async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let i = 0; i < items.length; i += 2) {
    results.push(...await Promise.all(items.slice(i, i + 2).map(work)));
  }
  return results;
}

describe("error lines", () => {
  test("are those that were reviewed", async () => {
    const texts = await each(LINES, async (line) => {
      const args = line.map((word) => word.replace("FOLDER", folder));
      const { status, stderr } = await coracle(args);
      return `$ coracle ${line.join(" ")}\n${stderr.replaceAll(folder, "FOLDER")}[${status}]\n`;
    });
    matchesGolden("errors.txt", texts.join("\n"));
  });

  test("are one JSON object with --log-format json, also before the flags are read", async () => {
    const lines = [["version", "--nope"], ["--nope", "version"], ["frobnicate"], [
      "--config",
      "FOLDER/key.toml",
      "version",
      "-f",
      "x",
    ]];
    const texts = await each(lines, async (line) => {
      const args = line.map((word) => word.replace("FOLDER", folder));
      const { status, stderr } = await coracle(["--log-format", "json", ...args]);
      assert.equal(JSON.parse(stderr).status, status);
      return stderr.replaceAll(folder, "FOLDER");
    });
    matchesGolden("errors_json.txt", texts.join(""));
  });

  test("come in the format of CORACLE_LOG_FORMAT", async () => {
    const { stderr } = await coracle(["version", "--nope"], {
      env: { CORACLE_LOG_FORMAT: "json" },
    });
    assert.equal(JSON.parse(stderr).code, "usage");
  });
});

describe("the program itself", () => {
  test("without a command prints its help and fails as Podman does", async () => {
    const { status, stdout, stderr } = await coracle([]);
    assert.equal(status, 125);
    assert.match(stdout, /^Usage:$/m);
    assert.equal(stderr, 'coracle: missing command "coracle COMMAND"\n');
  });

  test("prints help with status 0 when it was asked for", async () => {
    const lines = [["--help"], ["help"], ["version", "--help"], ["help", "version"], [
      "system",
      "--help",
    ]];
    for (const { status, stdout, stderr } of await each(lines, (line) => coracle(line))) {
      assert.equal(status, 0);
      assert.match(stdout, /^Usage:$/m);
      assert.equal(stderr, "");
    }
  });

  test("gives its version in three ways, and nothing with --noout", async () => {
    const lines = [["--version"], ["-v"], ["--root", "/x", "--version"]];
    for (const { status, stdout } of await each(lines, (line) => coracle(line))) {
      assert.equal(status, 0);
      assert.match(stdout, /^coracle version \d+\.\d+\.\d+\n$/);
    }
    const { status, stdout } = await coracle(["--noout", "version", "--format", "json"]);
    assert.equal(status, 0);
    assert.equal(stdout, "");
  });

  test("says so when standard output cannot be written", async () => {
    const fd = openSync("/dev/full", "w");
    try {
      const { status, stderr } = await coracle(["version", "-f", "json"], { stdout: fd });
      assert.equal(status, 125);
      assert.match(stderr, /no space left on device/i);
    } finally {
      closeSync(fd);
    }
  });

  test("ends quietly when its reader has gone", async () => {
    const child = spawn(process.execPath, [...RUN, "completion", "bash"], {
      cwd: PROJECT,
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH ?? "", HOME: folder },
    });
    child.stdout.destroy();
    let said = "";
    child.stderr.on("data", (data) => said += data);
    const status = await new Promise((resolve) => child.on("close", resolve));
    assert.equal(said, "");
    assert.equal(status, 141);
  });
});

describe("an error as text", () => {
  const error = new CoracleError("busy", 'cannot remove layer "x"', {
    why: "it is mounted",
    hint: "unmount it",
    cause: new Error("below"),
  });

  test("has a line with what and why, and one with the hint", () => {
    assert.deepEqual(errorLines(error, { withCauses: false }), [
      'coracle: cannot remove layer "x": it is mounted',
      "try: unmount it",
    ]);
  });
  test("has its causes when they are asked for", () => {
    const lines = errorLines(error, { withCauses: true });
    assert.ok(lines.some((line) => /^because: Error: below/.test(line)));
  });
  test("shows control characters of names instead of sending them to the terminal", () => {
    const evil = new CoracleError("corrupt", 'cannot unpack "a\x1b]0;owned\x07b"');
    assert.deepEqual(errorLines(evil, { withCauses: false }), [
      'coracle: cannot unpack "a\\x1b]0;owned\\x07b"',
    ]);
  });
  test("is called a bug, with its stack, when it is none of ours", () => {
    const lines = errorLines(new TypeError("x is not a function"), { withCauses: false });
    assert.equal(lines[0], "coracle: this is a bug in coracle: x is not a function");
    assert.match(lines[1] ?? "", /errors_test/);
  });
});

test("an error as an object has the facts of its class", () => {
  const errno = { number: 2, name: "ENOENT", words: "no such file or directory" };
  assert.deepEqual(errorObject(new SysError("open", "/x", errno)), {
    code: "notfound",
    what: 'cannot open "/x"',
    why: "no such file or directory",
    status: 125,
    call: "open",
    path: "/x",
    errno: "ENOENT",
  });
  const ended = { status: 3, signal: null, stderr: "bad\n" };
  const object = errorObject(new ProcessError(["crun", "start"], ended));
  assert.deepEqual(object.command, ["crun", "start"]);
  assert.equal(object.stderr, "bad");
  assert.equal(errorObject(new TypeError("x")).code, "bug");
});
