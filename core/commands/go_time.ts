/** Moments as Go prints them. */

/** In UTC: "2026-01-02 03:04:05.123456789 +0000 UTC"; "" stays empty. `time` is RFC 3339 in UTC. */
export function goTime(time: string): string {
  if (time === "") return "";
  const [moment = "", fraction = ""] = time.replace("T", " ").replace(/Z$/, "").split(".");
  const digits = fraction.replace(/0+$/, "");
  return `${moment}${digits === "" ? "" : `.${digits}`} +0000 UTC`;
}

/** RFC 3339 without the fraction; "" when `time` is no time. */
export function wholeSeconds(time: string): string {
  const moment = Date.parse(time);
  return Number.isNaN(moment) ? "" : new Date(moment).toISOString().replace(/\.\d+Z$/, "Z");
}
