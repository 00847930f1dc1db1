/**
 * Values of --add-host, --dns, --dns-search and --dns-option.
 */
import { wrongValue } from "./wrong_value.ts";

const BYTE = "(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])";
const IPV4 = new RegExp(`^${BYTE}(?:\\.${BYTE}){3}$`);
/** Hex groups, at most one `::`, perhaps an IPv4 tail and a zone; the C library does the rest. */
const IPV6 = /^(?!.*::.*::)[0-9a-f:]*:[0-9a-f:]*(?:(?:\d{1,3}\.){3}\d{1,3})?(?:%\w+)?$/i;

export function isAddress(text: string): boolean {
  return IPV4.test(text) || IPV6.test(text);
}

/** `HOST:IP` or `HOST:host-gateway`, as it was. */
export function parseAddHost(text: string): string {
  const colon = text.indexOf(":");
  const name = text.slice(0, Math.max(0, colon));
  const address = text.slice(colon + 1);
  if (name === "" || (address !== "host-gateway" && !isAddress(address))) {
    throw wrongValue(
      "--add-host",
      colon < 1
        ? `unable to parse host entry ${JSON.stringify(text)}: incorrect format`
        : `invalid IP address in add-host: ${JSON.stringify(address)}`,
    );
  }
  return text;
}

/** An address, or `none`: /etc/resolv.conf is the image's. */
export function parseDns(text: string): string {
  if (text !== "none" && !isAddress(text)) {
    throw wrongValue("--dns", `${text} is not an ip address`);
  }
  return text;
}
