/**
 * What the process was given: environment, arguments, its own executable, the runtime it runs on;
 * and files of code loaded at run time.
 */
import { CoracleError } from "../errors.ts";
import { isBun } from "./ffi.ts";

/** A variable of the environment; undefined when it is not set. */
export function env(name: string): string | undefined {
  return process.env[name];
}

/** The whole environment, as a copy. */
export function environment(): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined) out[name] = value;
  }
  return out;
}

/** Compiled executables see their own files below this path. */
const EMBEDDED = "/$bunfs/";

export function runtimeName(): "deno" | "bun" | "compiled" {
  if (!isBun) return "deno";
  return Bun.main.startsWith(EMBEDDED) ? "compiled" : "bun";
}

/** Absolute path of the running program: coracle itself when compiled, else the runtime. */
export function executablePath(): string {
  return process.execPath;
}

/** The command line that starts this program again, without its arguments. */
export function selfCommand(): string[] {
  const runtime = runtimeName();
  if (runtime === "compiled") return [executablePath()];
  const script = process.argv[1] ?? "";
  return runtime === "bun"
    ? [executablePath(), script]
    : [executablePath(), "run", "--allow-all", "--no-check", script];
}

/** Absolute path of the directory the process was started in. */
export function workingDirectory(): string {
  return process.cwd();
}

/** The arguments after the program's name. */
export function scriptArguments(): string[] {
  return process.argv.slice(2);
}

/**
 * Loads a file of TypeScript or JavaScript by its absolute path, also from the compiled executable.
 * Gives the module's exports. The caller has checked that the file can be trusted: it runs as we do.
 */
export async function loadModule(path: string): Promise<Record<string, unknown>> {
  // Bun takes what follows a "?" for a query even when it is encoded, and finds no such file.
  if (!path.startsWith("/") || path.includes("?")) {
    throw new CoracleError("usage", `cannot load ${JSON.stringify(path)}`, {
      why: path.startsWith("/") ? "the path has a question mark in it" : "the path is not absolute",
    });
  }
  // Encoded, because a "#" or "%" in the path would otherwise have a meaning of its own.
  const address = `file://${path.split("/").map(encodeURIComponent).join("/")}`;
  return await import(address);
}
