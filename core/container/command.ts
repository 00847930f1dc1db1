/**
 * What the container runs: the image's ENTRYPOINT and CMD and what the user put in their place.
 */
import { CoracleError } from "../errors.ts";
import type { ImageRunConfig } from "../terms.ts";
import type { CreateRequest } from "./request.ts";

export interface Command {
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
}

/**
 * A command given replaces CMD. An entrypoint given replaces ENTRYPOINT and drops the image's CMD,
 * which was written for the image's ENTRYPOINT; "" as the entrypoint means none.
 */
export function resolveCommand(
  request: Pick<CreateRequest, "command" | "entrypoint">,
  image: Pick<ImageRunConfig, "Entrypoint" | "Cmd"> | null,
): Command {
  const isOwn = request.entrypoint !== undefined;
  const entrypoint = request.entrypoint ?? image?.Entrypoint ?? [];
  const command = request.command.length > 0 || isOwn ? request.command : image?.Cmd ?? [];
  if (entrypoint.length + command.length === 0) {
    throw new CoracleError("usage", "cannot create container", {
      why: "no command or entrypoint provided, and no CMD or ENTRYPOINT from image",
      hint: "name a command after the image",
    });
  }
  return { entrypoint, command };
}

/** `--entrypoint`: a JSON list of words, or one word taken as it is; "" is none. */
export function parseEntrypoint(text: string): string[] {
  if (text.startsWith("[")) {
    try {
      const words: unknown = JSON.parse(text);
      if (Array.isArray(words) && words.every((word) => typeof word === "string")) return words;
    } catch {
      // Not JSON: a program whose name begins with a bracket, such as /usr/bin/[.
    }
  }
  return text === "" ? [] : [text];
}
