/**
 * `--mount type=TYPE,src=SOURCE,dst=DESTINATION[,OPTION…]`. podman-run(1), "--mount".
 */
import type { MountRequest } from "../request.ts";
import { checkTmpfsOptions, checkVolumeOptions, splitVolumeOptions } from "./mount_options.ts";
import { containerDirectory, hostPath, volumeName } from "./volume.ts";
import { wrongValue } from "./wrong_value.ts";

const FLAG = "--mount";
const FORMAT = "incorrect mount format: should be --mount " +
  "type=<bind|tmpfs|volume>,[src=<host-dir|volume-name>,]target=<ctr-dir>[,options]";
const NO_ARGUMENT = "must provide an argument for option";

type Field = readonly [name: string, value: string | undefined];

/** What the fields have said so far. */
interface Draft {
  source: string | undefined;
  destination: string | undefined;
  readonly options: string[];
  hasAccess: boolean;
}

/** Relative bind sources are taken from `directory`. */
export function parseMount(text: string, directory: string): MountRequest {
  const fields = text.split(",").map((part): Field => {
    const equals = part.indexOf("=");
    return equals < 0 ? [part, undefined] : [part.slice(0, equals), part.slice(equals + 1)];
  });
  const types = fields.filter(([name]) => name === "type");
  const type = types[0]?.[1];
  if (type === undefined || types.length > 1) throw wrongValue(FLAG, FORMAT);
  const rest = fields.filter(([name]) => name !== "type");
  switch (type) {
    case "bind":
      return bindMount(rest, directory);
    case "volume":
      return volumeMount(rest);
    case "tmpfs":
      return tmpfsMount(rest);
    case "devpts":
      return devptsMount(rest);
    case "image":
      return imageMount(rest);
    default:
      throw wrongValue(FLAG, `invalid filesystem type ${JSON.stringify(type)}`);
  }
}

function draft(): Draft {
  return { source: undefined, destination: undefined, options: [], hasAccess: false };
}

function argument([name, value]: Field): string {
  if (value === undefined || value === "") throw wrongValue(FLAG, `${name}: ${NO_ARGUMENT}`);
  return value;
}

function unknown(name: string): Error {
  return wrongValue(FLAG, `${name}: invalid mount option`);
}

/** `NAME`, `NAME=true`, `NAME=false`. */
function truth([name, value]: Field, words = `'${name}'`): boolean {
  if (value === undefined || value === "true") return true;
  if (value === "false") return false;
  throw wrongValue(
    FLAG,
    `${words} must be set to true or false, instead received ${JSON.stringify(value)}: ` +
      NO_ARGUMENT,
  );
}

/** The fields all types have; false when the field is none of them. */
function common(into: Draft, field: Field): boolean {
  switch (field[0]) {
    case "target":
    case "dst":
    case "destination":
      into.destination = containerDirectory(FLAG, argument(field));
      return true;
    case "ro":
    case "readonly":
    case "rw": {
      if (into.hasAccess) {
        throw wrongValue(
          FLAG,
          `cannot pass 'readonly', 'ro', or 'rw' options more than once: ${NO_ARGUMENT}`,
        );
      }
      into.hasAccess = true;
      const isSet = truth(field, "'readonly', 'ro', or 'rw'");
      into.options.push(isSet === (field[0] !== "rw") ? "ro" : "rw");
      return true;
    }
    case "exec":
    case "noexec":
    case "suid":
    case "nosuid":
    case "dev":
    case "nodev":
      if (field[1] !== undefined) throw unknown(field[0]);
      into.options.push(field[0]);
      return true;
    default:
      return false;
  }
}

function destinationOf(mount: Draft): string {
  if (mount.destination === undefined) throw wrongValue(FLAG, "must set volume destination");
  return mount.destination;
}

/** Fields of bind and volume mounts beyond the common ones. */
function bindField(into: Draft, field: Field): void {
  const [name, value] = field;
  if (common(into, field)) return;
  if (name === "source" || name === "src") into.source = argument(field);
  else if (name === "bind-propagation") into.options.push(argument(field));
  else if (name === "relabel") {
    if (value !== "shared" && value !== "private") {
      throw wrongValue(
        FLAG,
        "relabel mount option must be 'private' or 'shared': invalid mount option",
      );
    }
    into.options.push(value === "shared" ? "z" : "Z");
  } else if (name === "U" || name === "chown") {
    if (truth(field)) into.options.push("U");
  } else if (name === "bind-nonrecursive") {
    if (truth(field)) into.options.push("bind");
  } else if (name === "z" || name === "Z") into.options.push(name);
  else if (name !== "consistency") throw unknown(name);
}

function bindMount(fields: readonly Field[], directory: string): MountRequest {
  const mount = draft();
  for (const field of fields) {
    const isPropagation = /^r?(private|shared|slave|unbindable)$/.test(field[0]);
    if (isPropagation && field[1] === undefined) mount.options.push(field[0]);
    else bindField(mount, field);
  }
  const destination = destinationOf(mount);
  checkVolumeOptions(FLAG, mount.options);
  // As in Podman: without a source the destination's path on the host is meant.
  const source = hostPath(mount.source ?? destination, directory);
  return { type: "bind", source, destination, ...splitVolumeOptions(mount.options) };
}

function volumeMount(fields: readonly Field[]): MountRequest {
  const mount = draft();
  for (const field of fields) {
    if (field[0] === "volume-label" || field[0] === "volume-opt") {
      throw wrongValue(FLAG, `the --${field[0]} option is not presently implemented`);
    }
    if (field[0] === "volume-nocopy") mount.options.push("nocopy");
    else bindField(mount, field);
  }
  const destination = destinationOf(mount);
  checkVolumeOptions(FLAG, mount.options);
  const source = mount.source === undefined ? "" : volumeName(FLAG, mount.source);
  return { type: "volume", source, destination, ...splitVolumeOptions(mount.options) };
}

function tmpfsMount(fields: readonly Field[]): MountRequest {
  const mount = draft();
  for (const field of fields) {
    const [name, value] = field;
    if (name === "source" || name === "src") {
      throw wrongValue(FLAG, "source is not supported with tmpfs mounts");
    }
    if (name === "tmpfs-size") mount.options.push(`size=${argument(field)}`);
    else if (name === "tmpfs-mode") mount.options.push(`mode=${argument(field)}`);
    else if (name === "tmpcopyup" || name === "notmpcopyup") mount.options.push(name);
    else if (name === "U" || name === "chown") continue;
    else if (name !== "consistency" && !common(mount, field)) throw unknown(name);
    else if (value === "" && name !== "consistency") {
      throw wrongValue(FLAG, `${name}: ${NO_ARGUMENT}`);
    }
  }
  const destination = destinationOf(mount);
  checkTmpfsOptions(FLAG, mount.options);
  return { type: "tmpfs", source: "", destination, options: mount.options };
}

function devptsMount(fields: readonly Field[]): MountRequest {
  const mount = draft();
  for (const field of fields) {
    const [name] = field;
    if (["uid", "gid", "mode", "ptmxmode", "newinstance", "max"].includes(name)) {
      mount.options.push(name === "newinstance" ? name : `${name}=${argument(field)}`);
    } else if (!/^(target|dst|destination)$/.test(name) || !common(mount, field)) {
      throw unknown(name);
    }
  }
  return { type: "devpts", source: "", destination: destinationOf(mount), options: mount.options };
}

function imageMount(fields: readonly Field[]): MountRequest {
  const mount = draft();
  for (const field of fields) {
    const [name] = field;
    if (name === "source" || name === "src") mount.source = argument(field);
    else if (name === "rw" || name === "readwrite") {
      mount.options.push(truth(field) ? "rw" : "ro");
    } else if (!/^(target|dst|destination)$/.test(name) || !common(mount, field)) {
      throw unknown(name);
    }
  }
  if (mount.source === undefined || mount.destination === undefined) {
    throw wrongValue(FLAG, "must set source and destination for image volume");
  }
  return {
    type: "image",
    source: mount.source,
    destination: mount.destination,
    options: mount.options,
  };
}
