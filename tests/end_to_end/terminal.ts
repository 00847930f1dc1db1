/** A real terminal for tests: a shell in a tmux of its own, typed into and read like a person would. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { EXECUTABLE, type Store } from "./executable.ts";

const DEADLINE_MS = 30_000;

export interface Terminal {
  /** Sends text as it is and Enter. */
  line(text: string): void;
  /** Sends keys by tmux's names: `C-c`, `C-d`, `Space`. */
  keys(...names: string[]): void;
  resize(columns: number, rows: number): void;
  /** Waits until the screen, without blanks at the ends of lines, matches; fails with the screen after 30 seconds. */
  until(pattern: RegExp): Promise<string>;
  /** Has the line discipline these modes now (`icanon`, `-echo`)? Waits as `until` does. */
  untilMode(...modes: string[]): Promise<void>;
  /** The pid of the program in the foreground of the shell; waits until there is one. */
  child(): Promise<number>;
  /** Ends the window: everything in it gets SIGHUP. */
  hangUp(): void;
}

let count = 0;

/**
 * Runs `work` with an 80 by 24 terminal whose shell has the prompt `host> ` and `coracle` in PATH,
 * with the store in the environment. The terminal is gone afterwards.
 */
export async function withTerminal(
  store: Store,
  work: (terminal: Terminal) => Promise<void>,
): Promise<void> {
  count++;
  const server = `coracle-test-${process.pid}-${count}`;
  const tmux = (...words: string[]): string => {
    const end = spawnSync("tmux", ["-L", server, "-f", "/dev/null", ...words], {
      encoding: "utf8",
      timeout: DEADLINE_MS,
    });
    if (end.status !== 0) throw new Error(`tmux ${words.join(" ")}: ${end.stderr}`);
    return end.stdout;
  };
  const programs = join(store.folder, `programs-${count}`);
  mkdirSync(programs);
  symlinkSync(EXECUTABLE, join(programs, "coracle"));
  const variables = [
    `PATH=${programs}:${process.env.PATH}`,
    `CORACLE_ROOT=${store.root}`,
    `CORACLE_RUNROOT=${store.runroot}`,
    "PS1=host> ",
    "TERM=screen",
  ];
  // Not bash: its line editor has the terminal in a mode of its own between commands.
  tmux(...["new-session", "-d", "-x", "80", "-y", "24", "env", ...variables, "sh"]);
  try {
    const terminal = terminalOf(tmux);
    await terminal.until(/^host>$/m);
    await work(terminal);
  } finally {
    spawnSync("tmux", ["-L", server, "kill-server"]);
  }
}

function terminalOf(tmux: (...words: string[]) => string): Terminal {
  // With or without the blanks at the ends of lines: tmux decides by what was drawn there before.
  const screen = () => tmux("capture-pane", "-p", "-J").trimEnd().replace(/ +$/gm, "");
  const pane = (what: string) => tmux("display-message", "-p", `#{${what}}`).trim();
  const waitFor = async <T>(what: string, look: () => T | undefined): Promise<T> => {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`no ${what} on the screen:\n${screen()}`);
      await sleep(30);
    }
  };
  return {
    line: (text) => {
      tmux("send-keys", "-l", text);
      tmux("send-keys", "Enter");
    },
    keys: (...names) => void tmux("send-keys", ...names),
    resize: (columns, rows) =>
      void tmux("resize-window", "-x", String(columns), "-y", String(rows)),
    until: (pattern) =>
      waitFor(String(pattern), () => {
        const shown = screen();
        return pattern.test(shown) ? shown : undefined;
      }),
    untilMode: async (...modes) => {
      const tty = pane("pane_tty");
      await waitFor(`mode ${modes.join(" ")}`, () => {
        const { stdout } = spawnSync("stty", ["-F", tty, "-a"], { encoding: "utf8" });
        const found = stdout.split(/[\s;]+/);
        return modes.every((mode) => found.includes(mode)) || undefined;
      });
    },
    child: () => {
      const shell = pane("pane_pid");
      return waitFor("program", () => {
        const [pid] = readFileSync(`/proc/${shell}/task/${shell}/children`, "utf8").split(" ");
        return Number(pid) || undefined;
      });
    },
    hangUp: () => void tmux("kill-session"),
  };
}
