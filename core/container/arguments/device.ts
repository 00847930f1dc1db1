/**
 * `--device HOST[:CONTAINER][:rwm]` and `--device-cgroup-rule "TYPE MAJOR:MINOR ACCESS"`.
 */
import type { DeviceRequest, DeviceRule } from "../request.ts";
import { wrongValue } from "./wrong_value.ts";

function isAccess(text: string): boolean {
  return /^[rwm]+$/.test(text) && new Set(text).size === text.length;
}

export function parseDevice(text: string): DeviceRequest {
  const parts = text.split(":");
  const [source = "", second, third] = parts;
  if (parts.length > 3 || source === "") {
    throw wrongValue("--device", `invalid device specification: ${text}`);
  }
  if (third !== undefined && !isAccess(third)) {
    throw wrongValue("--device", `invalid device mode: ${third}`);
  }
  if (second === undefined) return { source, destination: source, access: "rwm" };
  if (third === undefined && isAccess(second)) {
    return { source, destination: source, access: second };
  }
  if (!second.startsWith("/")) throw wrongValue("--device", `invalid device mode: ${second}`);
  return { source, destination: second, access: third ?? "rwm" };
}

/** cgroup v1 devices.allow; the runtime writes a BPF program for v2. */
export function parseDeviceRule(text: string): DeviceRule {
  const fail = (why: string) => wrongValue("--device-cgroup-rule", why);
  const [type = "", numbers = "", access = "", ...rest] = text.split(" ");
  if (access === "" || rest.length > 0) {
    throw fail(
      "invalid device cgroup rule requires type, major:Minor, and access rules: " +
        JSON.stringify(text),
    );
  }
  if (type !== "a" && type !== "b" && type !== "c") {
    throw fail(`invalid device type in device-access-add: ${type}`);
  }
  if (!isAccess(access)) throw fail(`invalid device access in device-access-add: ${access}`);
  const [major = "", minor = "*", ...more] = numbers.split(":");
  const number = (part: string): number | null => {
    if (part === "*") return null;
    if (!/^[0-9]+$/.test(part) || more.length > 0) {
      throw fail(`strconv.ParseInt: parsing ${JSON.stringify(part)}: invalid syntax`);
    }
    return Number(part);
  };
  return { type, major: number(major), minor: number(minor), access };
}
