/** The parser of command lines against what Podman's (pflag, cobra) makes of the same words. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, test } from "node:test";
import { command, flag } from "../../../core/commands/command.ts";
import { GLOBAL_FLAGS } from "../../../core/commands/globals.ts";
import { parseCommand } from "../../../core/commands/parse.ts";
import { CoracleError } from "../../../core/errors.ts";

/** Flags with the names and kinds that `podman run` has, so that both can be asked. */
const run = command({
  name: "run",
  summary: "a stand-in",
  usage: "[options] IMAGE [COMMAND [ARG...]]",
  examples: [],
  flags: {
    rm: flag.boolean("--rm", ""),
    interactive: flag.boolean("-i, --interactive", ""),
    tty: flag.boolean("-t, --tty", ""),
    detach: flag.boolean("-d, --detach", ""),
    readOnlyTmpfs: flag.boolean("--read-only-tmpfs", "", { fallback: true }),
    noHosts: flag.boolean("--no-hosts", ""),
    name: flag.text("--name NAME", ""),
    hostname: flag.text("-h, --hostname NAME", ""),
    workdir: flag.text("-w, --workdir DIR", ""),
    memory: flag.text("-m, --memory SIZE", ""),
    entrypoint: flag.text("--entrypoint COMMAND", ""),
    env: flag.list("-e, --env KEY=VALUE", ""),
    volume: flag.list("-v, --volume SPEC", "", { splitOnComma: false }),
    capAdd: flag.list("--cap-add CAP", "", { splitOnComma: true }),
    pidsLimit: flag.integer("--pids-limit COUNT", ""),
    stopTimeout: flag.integer("--stop-timeout SECONDS", "", { fallback: 10 }),
    pull: flag.optional("--pull POLICY", "", { bare: "always" }),
    pod: flag.text("--pod NAME", "", { refused: "coracle has no pods" }),
    upper: flag.text("--upper TEXT", "", {
      parse: (value) => {
        if (value === "bad") throw new Error("it is bad");
        return value.toUpperCase();
      },
    }),
  },
  arguments: { min: 1, max: Infinity },
  stopsAtFirstArgument: true,
  needs: [],
  run: () => 0,
});

const ps = command({
  name: "ps",
  summary: "a stand-in",
  usage: "[options]",
  examples: [],
  flags: {
    all: flag.boolean("-a, --all", ""),
    last: flag.integer("-n, --last COUNT", "", { fallback: -1 }),
    filter: flag.list("-f, --filter CONDITION", ""),
    noTrunc: flag.boolean("--no-trunc", ""),
  },
  arguments: { min: 0, max: 0 },
  needs: [],
  run: () => 0,
});

const rm = command({
  name: "rm",
  summary: "a stand-in",
  usage: "[options] CONTAINER [CONTAINER...]",
  examples: [],
  flags: { force: flag.boolean("-f, --force", ""), time: flag.integer("-t, --time SECONDS", "") },
  arguments: { min: 1, max: Infinity, missing: "you must provide at least one name or id" },
  needs: [],
  run: () => 0,
});

type Wanted = Readonly<Record<string, unknown>>;

/** Words, the values that differ from "not given", the arguments. */
const RUN: readonly (readonly [string, Wanted, readonly string[]])[] = [
  ["img", {}, ["img"]],
  ["--rm img", { rm: true }, ["img"]],
  ["--rm=true img", { rm: true }, ["img"]],
  ["--rm=false img", { rm: false }, ["img"]],
  ["--rm=1 img", { rm: true }, ["img"]],
  ["--rm=0 img", { rm: false }, ["img"]],
  ["--rm=T img", { rm: true }, ["img"]],
  ["--rm=FALSE img", { rm: false }, ["img"]],
  ["--rm --rm=false img", { rm: false }, ["img"]],
  ["--rm=false --rm img", { rm: true }, ["img"]],
  ["--rm true", { rm: true }, ["true"]],
  ["--read-only-tmpfs=false img", { readOnlyTmpfs: false }, ["img"]],
  ["--no-hosts img", { noHosts: true }, ["img"]],
  ["--no-hosts=false img", { noHosts: false }, ["img"]],
  ["-it img", { interactive: true, tty: true }, ["img"]],
  ["-ti img sh", { interactive: true, tty: true }, ["img", "sh"]],
  ["-dit img", { interactive: true, tty: true, detach: true }, ["img"]],
  ["-i -t img", { interactive: true, tty: true }, ["img"]],
  ["-t=false img", { tty: false }, ["img"]],
  ["-it=false img", { interactive: true, tty: false }, ["img"]],
  ["-t=f img", { tty: false }, ["img"]],
  ["-v a:b img", { volume: ["a:b"] }, ["img"]],
  ["-va:b img", { volume: ["a:b"] }, ["img"]],
  ["-v=a:b img", { volume: ["a:b"] }, ["img"]],
  ["-v= img", { volume: ["="] }, ["img"]],
  ["-tv a:b img", { tty: true, volume: ["a:b"] }, ["img"]],
  ["-tva:b img", { tty: true, volume: ["a:b"] }, ["img"]],
  ["-tv=a:b img", { tty: true, volume: ["a:b"] }, ["img"]],
  ["--volume a:b --volume=c:d img", { volume: ["a:b", "c:d"] }, ["img"]],
  ["-v a:b,c img", { volume: ["a:b,c"] }, ["img"]],
  ["--volume --weird img", { volume: ["--weird"] }, ["img"]],
  ["-v -- img", { volume: ["--"] }, ["img"]],
  ["-v -t img", { volume: ["-t"] }, ["img"]],
  ["-e A=B=C img", { env: ["A=B=C"] }, ["img"]],
  ["-eA=B img", { env: ["A=B"] }, ["img"]],
  ["--env=A=B img", { env: ["A=B"] }, ["img"]],
  ["-e A= -e B img", { env: ["A=", "B"] }, ["img"]],
  ["--cap-add a,b --cap-add c img", { capAdd: ["a", "b", "c"] }, ["img"]],
  ["--name x img", { name: "x" }, ["img"]],
  ["--name=x img", { name: "x" }, ["img"]],
  ["--name= img", { name: "" }, ["img"]],
  ["--name a --name b img", { name: "b" }, ["img"]],
  ["--name=-x img", { name: "-x" }, ["img"]],
  ["--entrypoint= img", { entrypoint: "" }, ["img"]],
  ["-h host img", { hostname: "host" }, ["img"]],
  ["-w/ img", { workdir: "/" }, ["img"]],
  ["--pids-limit 5 img", { pidsLimit: 5 }, ["img"]],
  ["--pids-limit=-1 img", { pidsLimit: -1 }, ["img"]],
  ["--pids-limit -1 img", { pidsLimit: -1 }, ["img"]],
  ["--pids-limit 0x10 img", { pidsLimit: 16 }, ["img"]],
  ["--pids-limit 010 img", { pidsLimit: 8 }, ["img"]],
  ["--pids-limit 0 img", { pidsLimit: 0 }, ["img"]],
  ["--pull always img", { pull: "always" }, ["always", "img"]],
  ["--pull=never img", { pull: "never" }, ["img"]],
  ["--pull img", { pull: "always" }, ["img"]],
  ["--pull= img", { pull: "" }, ["img"]],
  ["img --rm", {}, ["img", "--rm"]],
  ["img sh -c x --name foo", {}, ["img", "sh", "-c", "x", "--name", "foo"]],
  ["--rm img -- ls", { rm: true }, ["img", "--", "ls"]],
  ["-- img cmd --x", {}, ["img", "cmd", "--x"]],
  ["--rm -- img --rm", { rm: true }, ["img", "--rm"]],
  ["- x", {}, ["-", "x"]],
  ["img --help", {}, ["img", "--help"]],
  ["--upper abc img", { upper: "ABC" }, ["img"]],
  [
    "-it -v a:b -v c:d --name=n img sh -c x --name foo",
    { interactive: true, tty: true, volume: ["a:b", "c:d"], name: "n" },
    ["img", "sh", "-c", "x", "--name", "foo"],
  ],
];

const FALLBACKS: Wanted = {
  rm: false,
  interactive: false,
  tty: false,
  detach: false,
  readOnlyTmpfs: true,
  noHosts: false,
  name: undefined,
  hostname: undefined,
  workdir: undefined,
  memory: undefined,
  entrypoint: undefined,
  env: [],
  volume: [],
  capAdd: [],
  pidsLimit: undefined,
  stopTimeout: 10,
  pull: undefined,
  pod: undefined,
  upper: undefined,
};

function words(line: string): string[] {
  return line.split(" ").filter((word) => word !== "");
}

describe("a command line of run", () => {
  for (const [line, wanted, args] of RUN) {
    test(`"${line}" is read as Podman reads it`, () => {
      const parsed = parseCommand(run, words(line));
      assert.deepEqual({ ...parsed.values }, { ...FALLBACKS, ...wanted });
      assert.deepEqual(parsed.args, args);
      assert.equal(parsed.help, false);
    });
  }

  test("an empty word and words with spaces and newlines arrive as they are", () => {
    const parsed = parseCommand(run, ["-e", "A=x y\nz", "--name", "", "", "a b"]);
    assert.deepEqual(parsed.values.env, ["A=x y\nz"]);
    assert.equal(parsed.values.name, "");
    assert.deepEqual(parsed.args, ["", "a b"]);
  });
});

/** Words and Podman's error text. */
const WRONG: readonly (readonly [string, string])[] = [
  ["--nope img", "unknown flag: --nope"],
  ["--nope=x img", "unknown flag: --nope"],
  ["-Z img", "unknown shorthand flag: 'Z' in -Z"],
  ["-itZi img", "unknown shorthand flag: 'Z' in -Zi"],
  ["--=x img", "bad flag syntax: --=x"],
  ["---x img", "bad flag syntax: ---x"],
  ["--memory", "flag needs an argument: --memory"],
  ["-m", "flag needs an argument: 'm' in -m"],
  ["-tm", "flag needs an argument: 'm' in -m"],
  [
    "-it=maybe img",
    'invalid argument "maybe" for "-t, --tty" flag: strconv.ParseBool: parsing "maybe": invalid syntax',
  ],
  [
    "--rm=yes img",
    'invalid argument "yes" for "--rm" flag: strconv.ParseBool: parsing "yes": invalid syntax',
  ],
  [
    "--rm= img",
    'invalid argument "" for "--rm" flag: strconv.ParseBool: parsing "": invalid syntax',
  ],
  [
    "--pids-limit x img",
    'invalid argument "x" for "--pids-limit" flag: strconv.ParseInt: parsing "x": invalid syntax',
  ],
  [
    "--pids-limit 1.5 img",
    'invalid argument "1.5" for "--pids-limit" flag: strconv.ParseInt: parsing "1.5": invalid syntax',
  ],
  ["", "requires at least 1 arg(s), only received 0"],
  ["--rm", "requires at least 1 arg(s), only received 0"],
  ["--", "requires at least 1 arg(s), only received 0"],
];

function failure(work: () => unknown): CoracleError {
  try {
    work();
  } catch (error) {
    if (error instanceof CoracleError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("a wrong command line of run", () => {
  for (const [line, text] of WRONG) {
    test(`"${line}" is refused in Podman's words`, () => {
      const error = failure(() => parseCommand(run, words(line)));
      assert.equal(error.message, text);
      assert.equal(error.code, "usage");
      assert.equal(error.exitStatus, 125);
      assert.equal(error.hint, "coracle run --help");
    });
  }

  test("a flag that is known but not supported says why", () => {
    const error = failure(() => parseCommand(run, words("--pod x img")));
    assert.equal(error.message, 'cannot use --pod with "run": coracle has no pods');
    assert.equal(error.code, "unsupported");
  });

  test("a value that the flag's own parser refuses is a usage error", () => {
    const error = failure(() => parseCommand(run, words("--upper bad img")));
    assert.equal(error.message, 'invalid argument "bad" for "--upper" flag: it is bad');
  });

  test("a mistyped flag is answered with the nearest one", () => {
    const error = failure(() => parseCommand(run, words("--volum x img")));
    assert.match(error.hint ?? "", /^--volume/);
  });
});

describe("flags and arguments in turn", () => {
  test("a command that does not stop takes flags after arguments, until --", () => {
    const parsed = parseCommand(rm, words("a -f b --time 3 -- -c"));
    assert.deepEqual(parsed.args, ["a", "b", "-c"]);
    assert.deepEqual({ ...parsed.values }, { force: true, time: 3 });
  });
  test("the command's own words for missing arguments are used", () => {
    assert.equal(
      failure(() => parseCommand(rm, [])).message,
      "you must provide at least one name or id",
    );
  });
  test("a command without arguments says so", () => {
    assert.equal(failure(() => parseCommand(ps, ["x"])).message, '"coracle ps" takes no arguments');
  });
  test("a flag that begins with no- is not the negation of another", () => {
    assert.equal(parseCommand(ps, ["--no-trunc"]).values.noTrunc, true);
  });
  test("global flags are taken after the command, and its own flags of the same name win", () => {
    const parsed = parseCommand(ps, words("--root /x -a --log-level debug"), GLOBAL_FLAGS);
    assert.deepEqual(parsed.globals, { root: "/x", logLevel: "debug" });
    assert.equal(parsed.values.all, true);
  });
  test("--help is seen before arguments are counted, and -h unless it is a flag", () => {
    assert.equal(parseCommand(rm, ["--help"]).help, true);
    assert.equal(parseCommand(rm, ["-fh"]).help, true);
    assert.equal(parseCommand(run, ["-h", "name", "img"]).help, false);
  });
  test("a wrong log level is refused with Podman's status 1", () => {
    const error = failure(() => parseCommand(ps, ["--log-level", "loud"], GLOBAL_FLAGS));
    assert.match(error.message, /^Log Level "loud" is not supported, choose from: trace, debug/);
    assert.equal(error.exitStatus, 1);
  });
});

const hasPodman = spawnSync("podman", ["--version"]).status === 0;

/** `--help` as the last flag makes podman stop after parsing: status 0, or the parser's error. */
function askPodman(flags: readonly string[]): { status: number | null; said: string } {
  const end = spawnSync("podman", ["run", ...flags, "--help"], { encoding: "utf8" });
  return { status: end.status, said: end.stderr.split("\n")[0] ?? "" };
}

describe("podman itself", { skip: hasPodman ? false : "podman is not installed" }, () => {
  test("accepts and refuses the same flags with the same words", () => {
    const isAskable = (line: string) => !/--upper|--pod |--pull|--rm=0 x/.test(line);
    for (const [line, , args] of RUN) {
      if (!isAskable(line) || line.includes("--") && words(line).includes("--")) continue;
      const flags = words(line).slice(0, words(line).length - args.length);
      assert.equal(askPodman(flags).status, 0, line);
    }
    for (const [line, text] of WRONG) {
      if (!line.includes("img")) continue;
      const { status, said } = askPodman(words(line).slice(0, -1));
      assert.equal(status, 125, line);
      assert.equal(said, `Error: ${text}`, line);
    }
  });
});
