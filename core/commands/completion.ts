/** `coracle completion`: scripts for bash, zsh and fish, written from the table and the flags. */
import { CoracleError } from "../errors.ts";
import { command, type CommandSpec, type Flags } from "./command.ts";
import { entriesOfNoun } from "./find.ts";
import { flagNames } from "./flag_names.ts";
import { GLOBAL_FLAGS } from "./globals.ts";
import { COMMANDS, NOUNS } from "./table.ts";

const SHELLS = ["bash", "zsh", "fish"];

export const completion = command({
  name: "completion",
  summary: "Write a completion script for bash, zsh or fish",
  usage: "bash|zsh|fish",
  examples: [
    "source <(coracle completion bash)",
    "coracle completion fish > ~/.config/fish/completions/coracle.fish",
  ],
  flags: {},
  arguments: { min: 1, max: 1 },
  needs: [],
  async run({ output }, [shell = ""]) {
    if (!SHELLS.includes(shell)) {
      throw new CoracleError("usage", `cannot write completions for ${JSON.stringify(shell)}`, {
        why: `the shells are ${SHELLS.join(", ")}`,
      });
    }
    const commands = await allCommands();
    output.write(shell === "fish" ? fish(commands) : bash(commands, shell === "zsh"));
  },
});

interface Completable {
  /** Every spelling. */
  readonly names: readonly string[];
  readonly spec: CommandSpec;
}

async function allCommands(): Promise<Completable[]> {
  const shown = COMMANDS.filter((entry) => entry.hidden !== true);
  return await Promise.all(
    shown.map(async (entry) => ({
      names: [entry.name, ...entry.aliases],
      spec: await entry.load(),
    })),
  );
}

function flagWords(flags: Flags): string[] {
  return Object.values(flags)
    .filter((flag) => flag.hidden !== true && flag.refused === undefined)
    .flatMap((flag) => {
      const names = flagNames(flag.names);
      const long = names.long.map((name) => `--${name}`);
      return names.short === undefined ? long : [`-${names.short}`, ...long];
    });
}

/** Flags that are followed by a word of their own, which is then no command. */
function valueFlags(flags: Flags): string[] {
  const taking = Object.entries(flags).filter(([, flag]) =>
    flag.kind !== "boolean" && flag.kind !== "optional"
  );
  return flagWords(Object.fromEntries(taking));
}

/** What the arguments are called in the usage decides what is offered for them. */
function argumentKind(spec: CommandSpec): "containers" | "images" | "files" {
  if (/CONTAINER/.test(spec.usage)) return "containers";
  if (/IMAGE/.test(spec.usage)) return "images";
  return "files";
}

function firstWords(): string[] {
  const single = COMMANDS.filter((entry) => entry.hidden !== true)
    .flatMap((entry) => [entry.name, ...entry.aliases]).filter((name) => !name.includes(" "));
  return [...new Set([...single, ...Object.keys(NOUNS), "help"])].sort();
}

function bash(commands: readonly Completable[], isZsh: boolean): string {
  const nouns = Object.keys(NOUNS).filter((noun) => entriesOfNoun(noun).length > 0);
  const cases = [
    ...nouns.map((noun) =>
      `    ${JSON.stringify(noun)}) words="${
        entriesOfNoun(noun).map(({ word }) => word).join(" ")
      }" ;;`
    ),
    ...commands.map(({ names, spec }) =>
      `    ${names.map((name) => JSON.stringify(name)).join("|")}) words="${
        [...flagWords(spec.flags), "--help"].join(" ")
      }" offer=${argumentKind(spec)} ;;`
    ),
  ];
  const twoWords = commands.flatMap(({ names }) => names.filter((name) => name.includes(" ")));
  return `${isZsh ? "#compdef coracle\nautoload -U +X bashcompinit && bashcompinit\n" : ""}\
# Completion of coracle, written by "coracle completion ${isZsh ? "zsh" : "bash"}".
_coracle() {
  local current=\${COMP_WORDS[COMP_CWORD]} command="" words="" offer="" word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$word" in
    ${valueFlags(GLOBAL_FLAGS).join("|")}) ((i++)) ;;
    -*) ;;
    *)
      if [ -z "$command" ]; then
        command=$word
      else
        case "$command $word" in
        ${twoWords.map((name) => JSON.stringify(name)).join("|")}) command="$command $word" ;;
        esac
        break
      fi
      ;;
    esac
  done
  case "$command" in
    "") words="${[...firstWords(), ...flagWords(GLOBAL_FLAGS), "--help", "--version"].join(" ")}" ;;
${cases.join("\n")}
  esac
  if [[ $current != -* ]]; then
    case "$offer" in
    containers) words=$(coracle ps --all --format '{{.Names}}' 2>/dev/null) ;;
    images) words=$(coracle images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null) ;;
    files) COMPREPLY=($(compgen -f -- "$current")); return ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if declare -F __ltrim_colon_completions >/dev/null; then
    __ltrim_colon_completions "$current"
  fi
}
complete -o default -F _coracle coracle
`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function fish(commands: readonly Completable[]): string {
  const lines = [
    '# Completion of coracle, written by "coracle completion fish".',
    "complete -c coracle -f",
  ];
  const isFirst = "__fish_use_subcommand";
  for (const { names, spec } of commands) {
    for (const name of names) {
      const [first = "", second] = name.split(" ");
      const when = second === undefined
        ? isFirst
        : `__fish_seen_subcommand_from ${first}; and test (count (commandline -opc)) -eq 2`;
      lines.push(
        `complete -c coracle -n ${quoted(when)} -a ${second ?? first} -d ${quoted(spec.summary)}`,
      );
    }
    const single = names.find((name) => !name.includes(" "));
    if (single === undefined) continue;
    const seen = `__fish_seen_subcommand_from ${single}`;
    lines.push(...fishFlags(spec.flags, seen));
    const offer = argumentKind(spec);
    if (offer === "files") lines.push(`complete -c coracle -n ${quoted(seen)} -F`);
    if (offer === "containers") lines.push(fishList(seen, "ps --all --format '{{.Names}}'"));
    if (offer === "images") {
      lines.push(fishList(seen, "images --format '{{.Repository}}:{{.Tag}}'"));
    }
  }
  for (const [noun, summary] of Object.entries(NOUNS)) {
    lines.push(`complete -c coracle -n ${isFirst} -a ${noun} -d ${quoted(summary)}`);
  }
  return `${[...lines, ...fishFlags(GLOBAL_FLAGS, isFirst)].join("\n")}\n`;
}

function fishList(when: string, words: string): string {
  return `complete -c coracle -n ${quoted(when)} -a ${quoted(`(coracle ${words} 2>/dev/null)`)}`;
}

function fishFlags(flags: Flags, when: string): string[] {
  return Object.values(flags)
    .filter((flag) => flag.hidden !== true && flag.refused === undefined)
    .map((flag) => {
      const names = flagNames(flag.names);
      const words = [
        ...names.long.map((name) => `-l ${name}`),
        ...(names.short === undefined ? [] : [`-s ${names.short}`]),
        ...(names.value === "" || flag.kind === "optional" ? [] : ["-r"]),
      ];
      return `complete -c coracle -n ${quoted(when)} ${words.join(" ")} -d ${
        quoted(flag.description)
      }`;
    });
}
