/** The errors that all built-in layer drivers have in common, so that they say the same. */
import { CoracleError } from "../../core/errors.ts";
import type { LayerId } from "../../core/terms.ts";
import type { BeginSpec } from "./driver.ts";

/** Refuses what cannot be shown together in `most` trees. */
export function refuseSpec(spec: BeginSpec, most: number): void {
  // A view of an image layer counts the layer itself.
  const lowers = spec.chain.length + (spec.kind === "image" ? 1 : 0);
  if (lowers > most) {
    throw new CoracleError("unsupported", `cannot make layer "${spec.id}"`, {
      why: `it would stand on ${spec.chain.length} layers, ` +
        `and this driver shows at most ${most} together`,
      hint: "make an image with fewer layers, for example by exporting and importing a container",
    });
  }
}

/** For drivers that limit nothing. */
export function refuseQuota(spec: BeginSpec, driver: string): void {
  if (spec.quotaBytes === undefined) return;
  throw new CoracleError("unsupported", `cannot limit the size of layer "${spec.id}"`, {
    why: `the layer driver "${driver}" has no quotas`,
    hint: "overlay has them where the store is on xfs or ext4 mounted with prjquota",
  });
}

export function mountedLayer(verb: string, id: LayerId): CoracleError {
  return new CoracleError("busy", `cannot ${verb} layer "${id}"`, { why: "it is mounted" });
}

export function readOnlyLayer(id: LayerId): CoracleError {
  return new CoracleError("state", `cannot mount layer "${id}" for writing`, {
    why: "it is read-only",
  });
}

export function noVolatile(id: LayerId): CoracleError {
  return new CoracleError("unsupported", `cannot mount layer "${id}" volatile`, {
    why: "this layer driver has no volatile mounts here",
  });
}
