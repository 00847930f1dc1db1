/** The host's description of a time zone, for `--tz`. */
import { CoracleError, isErrno } from "../../errors.ts";
import { close, O, openBeneath, readAll } from "../../sys/at.ts";
import { openText, readBytes } from "../../sys/files.ts";
import { raw } from "../../terms.ts";

/** tzset(3). */
const ZONES = "/usr/share/zoneinfo";

/** The tzfile(5) of `Europe/Berlin`, or of the host for `local`. Fails with `usage`. */
export function timeZone(zone: string): Uint8Array {
  if (zone === "local") return readBytes("/etc/localtime");
  try {
    const zones = openText(ZONES, O.RDONLY | O.DIRECTORY);
    try {
      const file = openBeneath(zones, raw(zone), O.RDONLY, { scope: "in-root" });
      try {
        return readAll(file);
      } finally {
        close(file);
      }
    } finally {
      close(zones);
    }
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR", "EISDIR", "ELOOP")) throw error;
    throw new CoracleError("usage", 'cannot use "--tz"', {
      why: `finding timezone: stat ${ZONES}/${zone}: no such file or directory`,
      hint: 'name a zone such as "Europe/Berlin", or install the package "tzdata"',
    });
  }
}
