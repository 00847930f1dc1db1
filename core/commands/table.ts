/**
 * The only list of commands: their names, Podman's other spellings, and the file of each, loaded
 * when the command is used. A command that is not here does not exist.
 */
import type { CommandSpec } from "./command.ts";

export type CommandGroup = "Containers" | "Images" | "System";

export interface CommandEntry {
  /** As typed: `run`, `image exists`. */
  readonly name: string;
  readonly aliases: readonly string[];
  readonly summary: string;
  readonly group: CommandGroup;
  /** Works, but is not in help and completion. */
  readonly hidden?: boolean;
  load(): Promise<CommandSpec>;
}

export const COMMANDS: readonly CommandEntry[] = [
  {
    name: "completion",
    aliases: [],
    summary: "Write a completion script for bash, zsh or fish",
    group: "System",
    load: async () => (await import("./completion.ts")).completion,
  },
  {
    name: "doctor",
    aliases: ["system doctor"],
    summary: "Check what this host needs to run containers",
    group: "System",
    load: async () => (await import("./doctor.ts")).doctor,
  },
  {
    name: "drivers",
    aliases: ["drivers ls", "drivers list"],
    summary: "List drivers, which are in use, and why the others are not",
    group: "System",
    load: async () => (await import("./drivers.ts")).drivers,
  },
  {
    name: "drivers check",
    aliases: [],
    summary: "Prove on this host that a driver keeps its contract",
    group: "System",
    load: async () => (await import("./drivers_check.ts")).driversCheck,
  },
  {
    name: "info",
    aliases: ["system info"],
    summary: "Show this host, the store and the drivers in use",
    group: "System",
    load: async () => (await import("./info.ts")).info,
  },
  {
    name: "version",
    aliases: [],
    summary: "Show the version of coracle",
    group: "System",
    load: async () => (await import("./version.ts")).version,
  },
];

/** Nouns of Podman's two-word commands, for `coracle image --help`. */
export const NOUNS: Readonly<Record<string, string>> = {
  container: "Manage containers",
  drivers: "List and check drivers",
  image: "Manage images",
  system: "Manage the store",
};
