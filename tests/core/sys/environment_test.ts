/** What the process was given, and code loaded at run time, also by the compiled executable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CoracleError } from "../../../core/errors.ts";
import * as environment from "../../../core/sys/environment.ts";
import { exists, makeDirs, writeAtomic } from "../../../core/sys/files.ts";
import { runOk } from "../../../core/sys/spawn.ts";
import { skipUnless } from "../../skip_reason.ts";
import { floor, inTemporaryDir, scriptCommand } from "./temporary_dir.ts";

const said = (content: Uint8Array) => new TextDecoder().decode(content);
const bun = fileURLToPath(new URL("../../../node_modules/.bin/bun", import.meta.url).href);

/** Prints what it is, loads the plugin named by its first argument, and prints what that gives. */
const SCRIPT = `import * as e from "${floor}environment.ts";
const plugin = await e.loadModule(e.scriptArguments()[0]!);
console.log(JSON.stringify([e.runtimeName(), e.selfCommand().length, e.scriptArguments().slice(1),
  e.env("SURELY_NOT_SET") ?? null, plugin.answer]));`;
const PLUGIN = `export interface Answer { value: number }
import { sep } from "node:path";
export const answer: Answer = { value: 42 + sep.length };`;

test("variables, arguments and plugins reach a script, whatever the plugin's path is", () => {
  inTemporaryDir((dir) => {
    makeDirs(`${dir}/odd #1 %41 ü`);
    const plugin = `${dir}/odd #1 %41 ü/plugin.ts`;
    writeAtomic(plugin, PLUGIN);
    const result = runOk([...scriptCommand(dir, SCRIPT), plugin, "--flag", "a b"]);
    const isBun = "Bun" in globalThis;
    assert.deepEqual(JSON.parse(said(result.stdout)), [
      isBun ? "bun" : "deno",
      isBun ? 2 : 5,
      ["--flag", "a b"],
      null,
      { value: 43 },
    ]);
  });
});

test(
  "the compiled executable knows that it is one and loads plugins in TypeScript",
  { skip: skipUnless({ other: exists(bun) ? false : "needs node_modules/.bin/bun" }) },
  () => {
    inTemporaryDir((dir) => {
      writeAtomic(`${dir}/plugin.ts`, PLUGIN);
      const [script] = scriptCommand(dir, SCRIPT).slice(-1);
      const flags = ["--compile", "--minify", "--bytecode", "--format=esm"];
      runOk([bun, "build", script!, ...flags, "--outfile", `${dir}/program`]);
      const result = runOk([`${dir}/program`, `${dir}/plugin.ts`, "x"], { env: { A: "1" } });
      assert.deepEqual(JSON.parse(said(result.stdout)), ["compiled", 1, ["x"], null, {
        value: 43,
      }]);
    });
  },
);

test("modules are named by absolute paths only", async () => {
  for (const path of ["plugin.ts", "/what?/plugin.ts"]) {
    await assert.rejects(
      () => environment.loadModule(path),
      (error) => error instanceof CoracleError && error.code === "usage",
    );
  }
  assert.equal(environment.environment().PATH, environment.env("PATH"));
  assert.match(environment.executablePath(), /^\//);
  assert.equal(environment.workingDirectory(), process.cwd());
});
