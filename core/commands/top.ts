/** `coracle top`: the processes of a running container. */
import { execInContainer } from "../engine/exec_container.ts";
import { containerNames, containerProcesses, hostNames } from "../engine/container_processes.ts";
import { type ContainerRow, findContainer, latestContainer } from "../engine/find_container.ts";
import { type Column, columnOf, COLUMNS, STANDARD_COLUMNS } from "../engine/process_columns.ts";
import { CoracleError } from "../errors.ts";
import { close, O, readAll, seek } from "../sys/at.ts";
import { openText } from "../sys/files.ts";
import { command, type Context, flag } from "./command.ts";
import { alignColumns } from "./table_format.ts";

export const top = command({
  name: "top",
  aliases: ["container top"],
  summary: "Display the running processes of a container",
  description: "Takes ps(1)'s AIX descriptors and some for containers. With other words ps(1) is " +
    `run in the container. Descriptors: ${Object.keys(COLUMNS).join(", ")}`,
  usage: "[options] CONTAINER [FORMAT-DESCRIPTORS|ARGS...]",
  examples: [
    "coracle top web",
    "coracle top web pid seccomp args %C",
    "coracle top web -eo pid,comm",
  ],
  flags: {
    latest: flag.boolean("-l, --latest", "The container made last"),
    listDescriptors: flag.boolean("--list-descriptors", "Print the descriptors", { hidden: true }),
  },
  arguments: { min: 0, max: Infinity },
  stopsAtFirstArgument: true,
  needs: ["db"],
  alsoNeeds: ({ latest }, args) =>
    columnsOf(args.slice(latest ? 0 : 1)) === null ? ["runtime", "monitor"] : [],
  async run(context, args, { latest, listDescriptors }) {
    const { engine, output } = context;
    if (listDescriptors) return output.write(`${Object.keys(COLUMNS).join("\n")}\n`);
    if (!latest && args.length === 0) {
      throw new CoracleError("usage", "cannot list processes", {
        why: "you must provide the name or id of a running container",
      });
    }
    const row = latest ? latestContainer(engine.db) : findContainer(engine.db, args[0] ?? "");
    const words = latest ? args : args.slice(1);
    const columns = columnsOf(words);
    const processes = containerProcesses(engine, row);
    if (columns === null) return await runPs(context, row, words);
    const names = { inside: containerNames(row), host: hostNames() };
    const lines = [
      columns.map(({ title }) => title),
      ...processes.map((one) => columns.map(({ show }) => cell(show(one, names)))),
    ];
    output.write(alignColumns(`${lines.map((cells) => cells.join("\t")).join("\n")}\n`));
  },
});

/** What a process calls itself may hold control characters, which must not reach the terminal. */
function cell(text: string): string {
  // deno-lint-ignore no-control-regex
  return text.replace(/\s/g, " ").replace(/[\x00-\x1f\x7f-\x9f]/g, "?");
}

/** Null when a word is no descriptor: then all of them are meant for ps(1). */
function columnsOf(words: readonly string[]): Column[] | null {
  const asked = words.flatMap((word) => word.split(",")).filter((word) => word !== "");
  const columns = (asked.length > 0 ? asked : STANDARD_COLUMNS).map(columnOf);
  return columns.every((column) => column !== undefined) ? columns : null;
}

/** ps(1) of the container with our words; the line of that ps itself is left out. */
async function runPs(
  { engine, output }: Context,
  row: ContainerRow,
  words: readonly string[],
): Promise<number> {
  const held = openText(engine.paths.running, O.RDWR | O.TMPFILE, 0o600);
  try {
    const end = await execInContainer(engine, row, {
      command: ["ps", ...words],
      environment: [],
      terminal: false,
      interactive: false,
      privileged: false,
      preserveFds: 0,
    }, { stdin: null, stdout: held, stderr: 2, detachKeys: new Uint8Array(0), sigProxy: false });
    seek(held, 0);
    const said = new TextDecoder().decode(readAll(held));
    const own = words.join(" ");
    output.write(said.split("\n").filter((line) => !line.includes(own)).join("\n"));
    return end.exitCode ?? 0;
  } finally {
    close(held);
  }
}
