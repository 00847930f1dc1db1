/**
 * Driver files that the user adds: who may have written them, what they must export, and how they
 * are loaded. A plugin runs with all our rights, so a file that somebody else could change is never
 * loaded.
 */
import { dirname, isAbsolute } from "node:path";
import type { PluginFile } from "../core/config.ts";
import { CoracleError } from "../core/errors.ts";
import * as at from "../core/sys/at.ts";
import { loadModule } from "../core/sys/environment.ts";
import { exists, readBytes, realPath } from "../core/sys/files.ts";
import { raw } from "../core/terms.ts";
import { BUILTIN, DRIVER_KINDS } from "./builtin.ts";
import { API, type DriverKind, type DriverModule } from "./module.ts";

const NAME = /^[a-z][a-z0-9_-]{0,31}$/;
const OPTION_TYPES = ["string", "boolean", "number", "string[]"];

/**
 * Checks and loads one plugin file. Fails with `denied` (who can write it), `corrupt` (digest), or
 * `unsupported` (contract version, shape).
 */
export async function loadPlugin(plugin: PluginFile): Promise<DriverModule> {
  if (!isAbsolute(plugin.path)) throw refuse(plugin.path, "denied", "its path is not absolute");
  const path = checkWriters(plugin.path);
  if (plugin.sha256 !== undefined) await checkDigest(path, plugin.sha256);
  let loaded: unknown;
  try {
    loaded = await loadModule(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refuse(path, "unsupported", `it cannot be loaded: ${why}`, { cause });
  }
  return checkShape(path, loaded);
}

type Code = "denied" | "corrupt" | "unsupported" | "notfound";

function refuse(
  path: string,
  code: Code,
  why: string,
  more: { hint?: string; cause?: unknown } = {},
): CoracleError {
  return new CoracleError(code, `cannot use the driver file "${path}"`, { why, ...more });
}

/**
 * The file and every folder above it must belong to root or to us and be writable by nobody else; a
 * sticky folder (/tmp) is fine, because others cannot rename what is ours in it. Returns the path
 * without symbolic links, which is then the one that is loaded.
 */
function checkWriters(given: string): string {
  if (!exists(given)) throw refuse(given, "notfound", "there is no such file");
  const path = realPath(given);
  const us = at.statAt(at.AT_FDCWD, raw("/proc/self"), { follow: true }).uid;
  for (let part = path;; part = dirname(part)) {
    const stat = at.statAt(at.AT_FDCWD, raw(part));
    if (part === path && stat.type !== "file") throw refuse(given, "denied", "it is not a file");
    if (stat.uid !== 0 && stat.uid !== us) {
      throw refuse(given, "denied", `"${part}" belongs to user ${stat.uid}`, {
        hint: `chown root "${part}"`,
      });
    }
    const isSticky = stat.type === "dir" && (stat.mode & 0o1000) !== 0;
    if ((stat.mode & 0o022) !== 0 && !isSticky) {
      throw refuse(given, "denied", `others can write to "${part}"`, {
        hint: `chmod go-w "${part}"`,
      });
    }
    if (part === "/") return path;
  }
}

async function checkDigest(path: string, wanted: string): Promise<void> {
  const { createHash } = await import("node:crypto");
  const found = createHash("sha256").update(readBytes(path)).digest("hex");
  if (found === wanted) return;
  throw refuse(path, "corrupt", `its sha256 is ${found}, the configuration wants ${wanted}`, {
    hint: "find out who changed it; if it was you, write the new digest into the configuration",
  });
}

function checkShape(path: string, loaded: unknown): DriverModule {
  const exported = isRecord(loaded) ? loaded.default : undefined;
  if (!isRecord(exported)) {
    throw refuse(path, "unsupported", "its default export is not a driver (an object)");
  }
  if (exported.api !== API) {
    const api = JSON.stringify(exported.api) ?? "none";
    throw refuse(path, "unsupported", `it is made for contract api ${api}, wanted ${API}`, {
      hint: "get the driver's version for this coracle",
    });
  }
  const wrong = shapeProblem(exported);
  if (wrong !== undefined) throw refuse(path, "unsupported", wrong);
  return exported as unknown as DriverModule;
}

function shapeProblem(module: Record<string, unknown>): string | undefined {
  const kind = DRIVER_KINDS.find((known) => known === module.kind);
  if (kind === undefined) {
    return `its kind is ${JSON.stringify(module.kind)}, wanted one of ${DRIVER_KINDS.join(", ")}`;
  }
  if (typeof module.name !== "string" || !NAME.test(module.name) || module.name === "auto") {
    return `its name is ${JSON.stringify(module.name)}, wanted a lower-case word`;
  }
  if (BUILTIN[kind].some((driver) => driver.name === module.name)) {
    return `its name "${module.name}" is the name of a built-in ${kind} driver`;
  }
  if (typeof module.summary !== "string") return "it has no summary";
  for (const method of ["probe", "open"]) {
    if (typeof module[method] !== "function") return `it has no function "${method}"`;
  }
  if (!isRecord(module.options)) return "it has no table of options";
  for (const [name, option] of Object.entries(module.options)) {
    if (!isRecord(option) || !OPTION_TYPES.includes(String(option.type))) {
      return `its option "${name}" has no type out of ${OPTION_TYPES.join(", ")}`;
    }
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Two plugins with one name would make the choice depend on their order. */
export function checkUnique(modules: readonly DriverModule<DriverKind>[]): void {
  const seen = new Set<string>();
  for (const { kind, name } of modules) {
    if (seen.has(`${kind} ${name}`)) {
      throw new CoracleError("config", `cannot use two ${kind} drivers with the name "${name}"`, {
        hint: "remove one of the [[plugin]] entries",
      });
    }
    seen.add(`${kind} ${name}`);
  }
}
