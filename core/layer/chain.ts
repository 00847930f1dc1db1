/** Chain ids: the name of a layer together with all layers below it. image-spec, config.md. */
import { digestOf } from "../archive/digest.ts";
import type { ChainId, DiffId } from "../terms.ts";

/**
 * The chain id of each layer, from the bottom up: the first is its diff id, each next is the digest
 * of "chain id below, space, own diff id".
 */
export function chainIds(diffIds: readonly DiffId[]): ChainId[] {
  const chain: ChainId[] = [];
  for (const diffId of diffIds) chain.push(chainIdOn(chain.at(-1) ?? null, diffId));
  return chain;
}

/** The chain id of one more layer on top of `below`; null: on nothing. */
export function chainIdOn(below: ChainId | null, diffId: DiffId): ChainId {
  const id = below === null ? diffId : digestOf(Buffer.from(`${below} ${diffId}`));
  return id as string as ChainId;
}
