/**
 * `-v [HOST-DIR|NAME:]CONTAINER-DIR[:OPTIONS]` and `--tmpfs CONTAINER-DIR[:OPTIONS]`.
 */
import type { MountRequest } from "../request.ts";
import { checkTmpfsOptions, checkVolumeOptions, splitVolumeOptions } from "./mount_options.ts";
import { wrongValue } from "./wrong_value.ts";

/** Rule of names of containers and volumes. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/** `path` without `.`, `..`, double and trailing slashes; it must be absolute. */
export function cleanPath(path: string): string {
  const kept: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") kept.pop();
    else if (name !== "" && name !== ".") kept.push(name);
  }
  return `/${kept.join("/")}`;
}

/** The cleaned container directory, or Podman's words about a wrong one. */
export function containerDirectory(flag: string, path: string): string {
  if (path === "") throw wrongValue(flag, "container directory cannot be empty");
  if (!path.startsWith("/")) {
    throw wrongValue(
      flag,
      `invalid container path ${JSON.stringify(path)}, must be an absolute path`,
    );
  }
  return cleanPath(path);
}

/** The name of a volume, or Podman's words about a wrong one. */
export function volumeName(flag: string, name: string): string {
  if (!NAME.test(name)) {
    throw wrongValue(
      flag,
      `creating named volume ${JSON.stringify(name)}: running volume create option: ` +
        "names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument",
    );
  }
  return name;
}

/**
 * A source that begins with `/` or `.` is a path (relative to `directory`), anything else is the
 * name of a volume; without a source it is an anonymous volume. Whether the path exists is looked
 * at when the container is made.
 */
export function parseVolume(text: string, directory: string): MountRequest {
  const flag = "--volume";
  const parts = text.split(":");
  if (parts.length > 3) {
    throw wrongValue(
      flag,
      `${text}: incorrect volume format, should be [host-dir:]ctr-dir[:option]`,
    );
  }
  const [first = "", second, third = ""] = parts;
  if (second === undefined) {
    return {
      type: "volume",
      source: "",
      destination: containerDirectory(flag, first),
      options: [],
    };
  }
  if (first === "") throw wrongValue(flag, "host directory cannot be empty");
  const destination = containerDirectory(flag, second);
  const words = third === "" ? [] : third.split(",");
  checkVolumeOptions(flag, words);
  const split = splitVolumeOptions(words);
  if (!/^[/.]/.test(first)) {
    return { type: "volume", source: volumeName(flag, first), destination, ...split };
  }
  return { type: "bind", source: hostPath(first, directory), destination, ...split };
}

/** A path on the host, made absolute from `directory`. */
export function hostPath(path: string, directory: string): string {
  return cleanPath(path.startsWith("/") ? path : `${directory}/${path}`);
}

/** Everything behind the first colon is options. */
export function parseTmpfs(text: string): MountRequest {
  const flag = "--tmpfs";
  const colon = text.indexOf(":");
  const destination = containerDirectory(flag, colon < 0 ? text : text.slice(0, colon));
  const options = colon < 0 ? [] : text.slice(colon + 1).split(",").filter((word) => word !== "");
  checkTmpfsOptions(flag, options);
  return { type: "tmpfs", source: "", destination, options };
}
