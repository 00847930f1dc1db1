/**
 * What the tools share: the project's folder, a line of progress, and a child process whose failure
 * shows the command and what it said. Tools run under Deno on a machine that may have nothing yet.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The folder that holds deno.json, absolute. */
export const PROJECT: string = dirname(dirname(fileURLToPath(import.meta.url)));

/** A failure the person at the keyboard can act on; `finish` prints it without a stack. */
export class ToolError extends Error {}

export interface CommandOptions {
  /** Shown to the user as it comes instead of being kept. */
  readonly show?: boolean;
  readonly input?: string | Uint8Array;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Milliseconds after which it is killed. */
  readonly timeout?: number;
}

export interface CommandResult {
  /** Exit status; 128 + signal when a signal ended it (SIGKILL: 137); 127 when it is not there. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One line of progress. */
export function say(line: string): void {
  console.log(line);
}

/** Runs a command to its end; never throws. */
export function run(command: readonly string[], options: CommandOptions = {}): CommandResult {
  const [program, ...rest] = command;
  const stdio = options.show ? "inherit" : "pipe";
  const child = spawnSync(program!, rest, {
    stdio: [options.input === undefined ? "ignore" : "pipe", stdio, stdio],
    input: options.input,
    env: { ...process.env, ...options.env },
    cwd: options.cwd ?? PROJECT,
    timeout: options.timeout,
    maxBuffer: 1 << 28,
  });
  const status = child.status ??
    (child.signal === null ? 127 : child.signal === "SIGKILL" ? 137 : 143);
  return {
    status,
    stdout: child.stdout?.toString() ?? "",
    stderr: (child.stderr?.toString() ?? "") +
      (child.error === undefined ? "" : child.error.message),
  };
}

/** Runs a command that has to end with status 0; gives its standard output. */
export function must(command: readonly string[], options: CommandOptions = {}): string {
  const { status, stdout, stderr } = run(command, options);
  if (status === 0) return stdout;
  const said = (stderr.trim() || stdout.trim()).split("\n").slice(-15).join("\n  ");
  throw new ToolError(`cannot run ${quote(command)}: exit status ${status}\n  ${said}`);
}

/** The command as a person would type it. */
export function quote(command: readonly string[]): string {
  return command.map((word) =>
    /^[\w@%+=:,./{}-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
  ).join(" ");
}

/** The absolute path of a program in PATH or a system folder; null when there is none. */
export function findProgram(name: string): string | null {
  const folders = [
    ...(process.env.PATH ?? "").split(":"),
    "/usr/sbin",
    "/sbin",
    "/usr/bin",
    "/bin",
  ];
  for (const folder of folders) {
    const path = name.startsWith("/") ? name : join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  return null;
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** The body of a tool's program: prints a ToolError as text and ends with status 1. */
export async function finish(main: () => void | Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
