/**
 * The layer store: which layers there are, who builds on whom, who uses them. The database has the
 * facts, a layer driver has the trees, lock files keep two processes from one layer.
 *
 * A layer's tree is on disk before its row is written and its row is gone before its tree is
 * removed, so that a kill leaves at worst a tree that nobody knows, which `recoverLayers` removes.
 */
import type {
  LayerDriver,
  LayerKind,
  LayerRef,
  LayerStage,
  View,
} from "../../drivers/layer/driver.ts";
import { CoracleError, hasCode } from "../errors.ts";
import { type Database, transaction } from "../state/database.ts";
import {
  deleteLayer,
  insertLayer,
  layerByChainId,
  layerById,
  layerChain,
  layerChildren,
  type LayerRow,
  sealLayer as sealRow,
} from "../state/layers.ts";
import { removeFile } from "../sys/files.ts";
import { type FileLock, lockFile } from "../sys/lock.ts";
import type { ChainId, DiffId, LayerId } from "../terms.ts";
import { addHolder, dropHolder, type Holder, holdersOf, isUserHolder } from "./holders.ts";

import { passAsDriver, passGate } from "./gate.ts";
import { removeLayerRecord, writeLayerRecord } from "./records.ts";

export type { Holder } from "./holders.ts";
export { containerHolder, processHolder } from "./holders.ts";

export interface LayerStore {
  readonly db: Database;
  readonly driver: LayerDriver;
  /** Directory of lock files (runroot); exists. */
  readonly locks: string;
  /** Directory of holder files (runroot); made when needed. */
  readonly holders: string;
  /** Directory of the layers' records; made when needed. */
  readonly records: string;
}

const LETTERS = "abcdefghijklmnopqrstuvwxyz012345";

/** 26 letters and digits drawn by lot, 130 bits. */
export function newLayerId(): LayerId {
  const bytes = crypto.getRandomValues(new Uint8Array(26));
  let id = "";
  for (const byte of bytes) id += LETTERS.charAt(byte & 31);
  return id as LayerId;
}

/** The layers below `id`, nearest first. */
export function chainOf(store: LayerStore, id: LayerId): LayerId[] {
  return layerChain(store.db, id);
}

/** The layer's row. Throws `notfound`; `verb` is what was wanted, for the message. */
export function requireLayer(store: LayerStore, id: LayerId, verb: string): LayerRow {
  const row = layerById(store.db, id);
  if (row !== undefined) return row;
  throw new CoracleError("notfound", `cannot ${verb} layer "${id}"`, { why: "no such layer" });
}

/** The layer as drivers want it. Throws `notfound`. */
export function refOf(store: LayerStore, id: LayerId, verb: string): LayerRef {
  requireLayer(store, id, verb);
  return { id, chain: chainOf(store, id) };
}

/** Held while something is done to the layer; of every kind that the functions below do. */
export function lockLayer(store: LayerStore, id: LayerId): FileLock {
  return lockFile(`${store.locks}/layer-${id}`);
}

/**
 * Held by the process that makes the layer of this chain id: a second one that loads the same image
 * waits, and then finds the layer there. Release it after `commitLayers`.
 */
export function lockChain(store: LayerStore, chainId: ChainId): FileLock {
  return lockFile(`${store.locks}/chain-${chainId.replace(":", "-")}`);
}

/** A layer being made; fill `stage`, then `commitLayers`, or `stage.abort()`. */
export interface StagedLayer extends LayerRef {
  readonly kind: LayerKind;
  readonly stage: LayerStage;
}

/** Begins a layer. `chain`: the layers below, nearest first; staged ones of this process may be among them. */
export function stageLayer(
  store: LayerStore,
  options: { readonly chain: readonly LayerId[]; readonly kind?: LayerKind },
): StagedLayer {
  const { chain, kind = "image" } = options;
  const id = newLayerId();
  return { id, chain, kind, stage: store.driver.begin({ id, chain, kind }) };
}

/** A staged layer and what its row is to say. */
export interface LayerToCommit {
  readonly layer: StagedLayer;
  readonly chainId?: ChainId;
  readonly diffId?: DiffId;
  readonly name?: string;
  /** Bytes of the delta; measured when left out. */
  readonly size?: number;
}

/**
 * Makes filled stages layers, parents before children: all are put in place, made durable with one
 * call, and become known in one transaction. A layer whose chain id another process committed
 * meanwhile is dropped for that one. Returns the ids that hold, in the same order. On failure
 * nothing is known and what was put in place is removed.
 */
export function commitLayers(store: LayerStore, wanted: readonly LayerToCommit[]): LayerId[] {
  const { driver, db } = store;
  let final: LayerId[];
  try {
    for (const { layer } of wanted) layer.stage.commit();
    const rows = wanted.map((each) => rowOf(store, each));
    for (const row of rows) writeLayerRecord(store.records, row);
    driver.sync();
    final = transaction(db, () => insertRows(store, rows), { durable: true });
  } catch (error) {
    for (const { layer } of [...wanted].reverse()) {
      layer.stage.abort();
      removeTree(store, layer.id);
    }
    throw error;
  }
  for (const { layer } of wanted) if (!final.includes(layer.id)) removeTree(store, layer.id);
  return final;
}

function removeTree({ driver, records }: LayerStore, id: LayerId): void {
  // The record first: a tree that nothing names is found by recovery.
  removeLayerRecord(records, id);
  driver.remove(id);
}

function rowOf(store: LayerStore, { layer, ...facts }: LayerToCommit): LayerRow {
  const size = facts.size ?? (layer.kind === "image" ? store.driver.usage(layer).bytes : 0);
  return {
    id: layer.id,
    parent: layer.chain[0] ?? null,
    kind: layer.kind,
    chainId: facts.chainId ?? null,
    diffId: facts.diffId ?? null,
    name: facts.name ?? null,
    size,
    created: new Date().toISOString(),
    writable: layer.kind === "container",
    volatile: false,
  };
}

/** Inside a transaction: inserts the rows that are new; children follow to the layers that hold. */
function insertRows(store: LayerStore, rows: readonly LayerRow[]): LayerId[] {
  const { db } = store;
  passAsDriver(db, store.driver.name);
  const instead = new Map<LayerId, LayerId>();
  for (const row of rows) {
    const there = row.chainId === null ? undefined : layerByChainId(db, row.chainId);
    if (there !== undefined) {
      instead.set(row.id, there.id);
      continue;
    }
    const parent = row.parent === null ? null : instead.get(row.parent) ?? row.parent;
    const known = { ...row, parent };
    if (parent !== row.parent) writeLayerRecord(store.records, known);
    insertLayer(db, known);
  }
  return rows.map(({ id }) => instead.get(id) ?? id);
}

export interface WritableOptions {
  /** Will be thrown away: never flushed to the disk. Ignored by drivers that cannot. */
  readonly volatile?: boolean;
  /** Most bytes it may hold; `unsupported` where the driver has no quota. */
  readonly quotaBytes?: number;
  readonly name?: string;
  /** The caller keeps the layer's row in a record of its own. */
  readonly isRecorded?: boolean;
}

/** An empty writable layer on `parent` (null: on nothing). Fails with `state` on a writable parent. */
export function createWritable(
  store: LayerStore,
  parent: LayerId | null,
  options: WritableOptions = {},
): LayerId {
  const { db, driver } = store;
  if (parent !== null && requireLayer(store, parent, "build on").writable) {
    throw new CoracleError("state", `cannot build on layer "${parent}"`, {
      why: "it is writable",
      hint: `commit it first: coracle layer commit ${parent}`,
    });
  }
  const volatile = options.volatile === true && driver.can.volatile;
  const chain = parent === null ? [] : [parent, ...chainOf(store, parent)];
  const { quotaBytes } = options;
  const id = newLayerId();
  const layer: StagedLayer = {
    id,
    chain,
    kind: "container",
    stage: driver.begin({
      id,
      chain,
      kind: "container",
      volatile,
      ...(quotaBytes === undefined ? {} : { quotaBytes }),
    }),
  };
  try {
    layer.stage.commit();
    const facts = options.name === undefined ? { layer } : { layer, name: options.name };
    const row = { ...rowOf(store, facts), volatile };
    if (options.isRecorded !== true) writeLayerRecord(store.records, row);
    transaction(db, () => {
      passAsDriver(db, driver.name);
      insertLayer(db, row);
    });
  } catch (error) {
    layer.stage.abort();
    removeTree(store, id);
    throw error;
  }
  return id;
}

export interface MountLayerOptions {
  /** Default: "rw" for a writable layer, else "ro". */
  readonly view?: View;
  /** SELinux label. */
  readonly label?: string;
}

/**
 * Mounts the layer for a holder, or for the one that `who` chooses among those there are, and
 * returns the directory. Safe to repeat.
 */
export function mountLayer(
  store: LayerStore,
  id: LayerId,
  who: Holder | ((held: readonly Holder[]) => Holder),
  options: MountLayerOptions = {},
): string {
  using _lock = lockLayer(store, id);
  const row = requireLayer(store, id, "mount");
  const view = options.view ?? (row.writable ? "rw" : "ro");
  const held = holdersOf(store.holders, id);
  const holder = typeof who === "string" ? who : who(held);
  const isNew = !held.includes(holder);
  addHolder(store.holders, id, holder);
  try {
    passGate(store.db, `cannot mount layer "${id}"`, ["repair", "migrate"]);
    const layer = { id, chain: chainOf(store, id) };
    const how = options.label === undefined ? {} : { label: options.label };
    const volatile = row.volatile && view === "rw";
    try {
      return store.driver.mount(layer, { view, volatile, ...how }).path;
    } catch (error) {
      // A commit that was killed in the middle: the driver has it read-only already.
      if (options.view !== undefined || !row.writable || !hasCode(error, "state")) throw error;
      seal(store, row);
      return store.driver.mount(layer, { view: "ro", ...how }).path;
    }
  } catch (error) {
    if (isNew) dropHolder(store.holders, id, holder);
    throw error;
  }
}

/**
 * Ends the layer's use by a holder, or by the one that `who` chooses (undefined: by none); the last
 * one unmounts it. Quiet when it is not held. Busy: fails and stays held, unless `detach`. `last`:
 * nobody holds it any more; `ended`: the holder had it.
 */
export function unmountLayer(
  store: LayerStore,
  id: LayerId,
  who: Holder | ((held: readonly Holder[]) => Holder | undefined),
  options: { readonly detach?: boolean } = {},
): { readonly last: boolean; readonly ended: boolean } {
  using _lock = lockLayer(store, id);
  const held = holdersOf(store.holders, id);
  const holder = typeof who === "string" ? who : who(held);
  const last = held.every((other) => other === holder);
  if (last) store.driver.unmount({ id, chain: chainOf(store, id) }, options);
  if (holder !== undefined) dropHolder(store.holders, id, holder);
  return { last, ended: holder !== undefined && held.includes(holder) };
}

/** Who has the layer mounted. */
export function layerHolders(store: LayerStore, id: LayerId): Holder[] {
  return holdersOf(store.holders, id);
}

export function isLayerMounted(store: LayerStore, id: LayerId): boolean {
  return store.driver.isMounted({ id, chain: chainOf(store, id) });
}

/** A writable layer becomes read-only and can be built on. Fails with `busy` while it is held. */
export function sealLayer(store: LayerStore, id: LayerId): void {
  using _lock = lockLayer(store, id);
  const row = requireLayer(store, id, "commit");
  if (!row.writable) return;
  refuseHeld(store, id, "commit");
  refuseTop(store, id);
  passGate(store.db, `cannot commit layer "${id}"`, ["migrate"]);
  seal(store, row);
}

/** Shown read-only it is one of the layers that are shown together. */
function refuseTop(store: LayerStore, id: LayerId): void {
  const { lowers } = store.driver.limits;
  const below = chainOf(store, id).length;
  if (below < lowers) return;
  throw new CoracleError("unsupported", `cannot commit layer "${id}"`, {
    why: `it stands on ${below} layers, and this driver shows at most ${lowers} together`,
  });
}

function seal(store: LayerStore, row: LayerRow): void {
  const { id } = row;
  const layer = { id, chain: chainOf(store, id) };
  store.driver.seal(layer);
  const { bytes: size } = store.driver.usage(layer);
  writeLayerRecord(store.records, { ...row, kind: "image", writable: false, size });
  store.driver.sync();
  transaction(store.db, () => sealRow(store.db, id, size), { durable: true });
}

/**
 * Removes a layer; quiet when it is gone. Fails with `busy` when something builds on it or holds
 * it, naming them; with `endUserMounts` the user's own mounts go with it. Its space comes back
 * before this returns, outside any lock others wait for.
 */
export function removeLayer(
  store: LayerStore,
  id: LayerId,
  options: { readonly endUserMounts?: boolean } = {},
): void {
  using _lock = lockLayer(store, id);
  const ended = options.endUserMounts ? holdersOf(store.holders, id).filter(isUserHolder) : [];
  for (const holder of ended) dropHolder(store.holders, id, holder);
  // The record may be gone already, so that nobody looks who holds it.
  if (ended.length > 0 && holdersOf(store.holders, id).length === 0) {
    store.driver.unmount({ id, chain: [] }, { detach: true });
  }
  if (layerById(store.db, id) !== undefined) {
    refuseUsed(store, id);
    deleteLayer(store.db, id);
  }
  removeTree(store, id);
  removeFile(`${store.locks}/layer-${id}`);
}

function refuseUsed(store: LayerStore, id: LayerId): void {
  const children = layerChildren(store.db, id);
  if (children.length > 0) {
    throw new CoracleError("busy", `cannot remove layer "${id}"`, {
      why: `${children.length === 1 ? "a layer builds" : "layers build"} on it: ${named(children)}`,
    });
  }
  refuseHeld(store, id, "remove");
}

function refuseHeld(store: LayerStore, id: LayerId, verb: string): void {
  const holders = holdersOf(store.holders, id);
  if (holders.length > 0) {
    throw new CoracleError("busy", `cannot ${verb} layer "${id}"`, {
      why: `it is mounted for ${named(holders)}`,
    });
  }
  // Mounted without a living holder: a killed process left it.
  store.driver.unmount({ id, chain: chainOf(store, id) }, { detach: true });
}

function named(list: readonly string[]): string {
  const shown = list.slice(0, 5).map((each) => JSON.stringify(each)).join(", ");
  return list.length > 5 ? `${shown} and ${list.length - 5} more` : shown;
}
