/** `layer cleanup`: ends what the user's `mount` commands hold and what killed processes left. */
import { allHolders, isUserHolder } from "../layer/holders.ts";
import { recoverLayers } from "../layer/recover.ts";
import { unmountForUser } from "../layer/user_mounts.ts";
import { CoracleError } from "../errors.ts";
import type { LayerId } from "../terms.ts";
import type { Engine } from "./engine.ts";

export interface CleanupReport {
  /** Layers whose mounts by the user ended. */
  readonly unmounted: readonly LayerId[];
  /** What a kill had left and is gone now. */
  readonly removed: readonly string[];
  /** Layers that stay mounted, because a process uses files in them. */
  readonly errors: readonly CoracleError[];
}

/** Mounts of containers stay. A busy layer is left, unless `detach`. Safe to repeat. */
export function cleanupLayers(
  { layers }: Pick<Engine, "layers">,
  options: { readonly detach?: boolean } = {},
): CleanupReport {
  const unmounted: LayerId[] = [];
  const errors: CoracleError[] = [];
  for (const [id, held] of allHolders(layers.holders)) {
    if (!held.some(isUserHolder)) continue;
    try {
      unmountForUser(layers, id, { all: true, ...options });
      unmounted.push(id);
    } catch (error) {
      if (!(error instanceof CoracleError)) throw error;
      errors.push(error);
    }
  }
  return { unmounted, removed: recoverLayers(layers).removed, errors };
}
