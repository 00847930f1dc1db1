/** What this program calls itself; the build writes the commit in, a run from source says so. */

declare const CORACLE_COMMIT: string | undefined;

/** Semantic version; the only place that has it. */
export const VERSION = "0.1.0";

/** Twelve digits of the commit that was built (with "-changed"), or "source". */
export const COMMIT: string = typeof CORACLE_COMMIT === "string" ? CORACLE_COMMIT : "source";
