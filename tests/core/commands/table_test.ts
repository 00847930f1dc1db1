/** The list of commands agrees with the commands, and leads to them. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { completion } from "../../../core/commands/completion.ts";
import type { Context } from "../../../core/commands/command.ts";
import { findCommand } from "../../../core/commands/find.ts";
import { flagNames } from "../../../core/commands/flag_names.ts";
import { GLOBAL_FLAGS } from "../../../core/commands/globals.ts";
import { commandHelp, nounHelp, programHelp } from "../../../core/commands/help.ts";
import { COMMANDS, NOUNS } from "../../../core/commands/table.ts";

describe("the table of commands", () => {
  test("says the same as the commands about names, aliases and summaries", async () => {
    for (const entry of COMMANDS) {
      const spec = await entry.load();
      assert.equal(spec.name, entry.name);
      assert.deepEqual(spec.aliases ?? [], entry.aliases, entry.name);
      assert.equal(spec.summary, entry.summary, entry.name);
    }
  });

  test("has every spelling once, in the order of groups and names", () => {
    const names = COMMANDS.flatMap((entry) => [entry.name, ...entry.aliases]);
    assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), []);
    for (const name of names) {
      const [noun, second] = name.split(" ");
      if (second !== undefined) assert.ok(Object.hasOwn(NOUNS, noun ?? ""), name);
    }
  });

  test("leads every spelling to its command, with the words behind it", () => {
    for (const entry of COMMANDS) {
      for (const name of [entry.name, ...entry.aliases]) {
        const found = findCommand([...name.split(" "), "--x", "y"]);
        assert.ok(found.kind === "command" && found.entry === entry, name);
        assert.deepEqual(found.rest, ["--x", "y"]);
      }
    }
  });

  test("has no flag with two meanings, no summary with a full stop, no command without example", async () => {
    for (const entry of COMMANDS) {
      const spec = await entry.load();
      const names = Object.values(spec.flags).flatMap((flag) => {
        const { short, long } = flagNames(flag.names);
        return short === undefined ? long : [short, ...long];
      });
      assert.deepEqual(names.filter((name, i) => names.indexOf(name) !== i), [], entry.name);
      assert.doesNotMatch(spec.summary, /\.$/);
      if (entry.hidden !== true) assert.ok(spec.examples.length > 0, entry.name);
    }
  });
});

describe("an unknown command", () => {
  const WRONG: readonly (readonly [string, string, string])[] = [
    ["frobnicate", 'unrecognized command "coracle frobnicate"', "coracle --help"],
    ["verison", 'unrecognized command "coracle verison"', "coracle version"],
    ["system inof", 'unrecognized command "coracle system inof"', "coracle system info"],
    ["system zzz", 'unrecognized command "coracle system zzz"', "coracle system --help"],
  ];
  for (const [line, message, hint] of WRONG) {
    test(`"${line}" is refused with the nearest known one`, () => {
      assert.throws(() => findCommand(line.split(" ")), { message, hint, code: "usage" });
    });
  }
});

describe("help", () => {
  test("of the program names every command but the hidden ones, and every global flag", () => {
    const text = programHelp();
    for (const entry of COMMANDS) {
      if (entry.hidden !== true) assert.match(text, new RegExp(`^  ${entry.name} `, "m"));
    }
    for (const flag of Object.values(GLOBAL_FLAGS)) {
      const [name = ""] = flagNames(flag.names).long;
      if (flag.hidden !== true) assert.ok(text.includes(`--${name}`), name);
    }
  });
  test("of each command names each flag that it takes, in lines of at most 100 letters", async () => {
    for (const entry of COMMANDS) {
      const spec = await entry.load();
      const text = commandHelp(spec);
      for (const flag of Object.values(spec.flags)) {
        const isShown = flag.hidden !== true && flag.refused === undefined;
        const [name = ""] = flagNames(flag.names).long;
        if (isShown) assert.ok(text.includes(`--${name}`), `${entry.name} --${name}`);
      }
      for (const line of text.split("\n")) assert.ok(line.length <= 120, line);
    }
  });
  test("of a noun lists its commands", () => {
    assert.match(nounHelp("system"), /^ {2}info /m);
  });
});

async function script(shell: string): Promise<string> {
  let text = "";
  const context = { output: { write: (data: string) => text += data } } as unknown as Context;
  await completion.run(context, [shell], {});
  return text;
}

/** What bash would offer for the words, the last of which is being typed. */
async function offered(...words: string[]): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "commands-completion-"));
  try {
    writeFileSync(join(folder, "coracle.bash"), await script("bash"));
    const quoted = words.map((word) => `'${word}'`).join(" ");
    const end = spawnSync("bash", [
      "-c",
      `source ${folder}/coracle.bash; COMP_WORDS=(coracle ${quoted}); COMP_CWORD=${words.length}
       _coracle; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ], { encoding: "utf8" });
    assert.equal(end.stderr, "");
    return end.stdout.split("\n").filter((line) => line !== "");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe("the completion script", () => {
  test("for bash offers commands, commands of a noun, and flags", async () => {
    assert.ok((await offered("ver")).includes("version"));
    assert.deepEqual(await offered("system", "inf"), ["info"]);
    assert.deepEqual(await offered("version", "--for"), ["--format"]);
    assert.deepEqual(await offered("--root", "/x", "version", "--for"), ["--format"]);
    assert.deepEqual(await offered("drivers", "check", "--ki"), ["--kind"]);
    assert.ok((await offered("--layer")).includes("--layer-driver"));
  });
  for (const shell of ["bash", "zsh", "fish"]) {
    const has = spawnSync(shell, ["-c", "true"]).status === 0;
    test(`for ${shell} is correct to ${shell} itself`, {
      skip: has ? false : `${shell} is not installed`,
    }, async () => {
      const end = spawnSync(shell, ["-n"], { input: await script(shell), encoding: "utf8" });
      assert.equal(end.stderr, "");
      assert.equal(end.status, 0);
    });
  }
});
