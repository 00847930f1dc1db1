/** What is known of layers: for `layer ls`, `layer inspect` and `layer status`. */
import { allHolders, type Holder, isUserHolder } from "../layer/holders.ts";
import { layerUsage } from "../layer/read.ts";
import { isLayerMounted } from "../layer/store.ts";
import { layerChain, layerChildren, listLayers, usersOfLayer } from "../state/layers.ts";
import { listContainers } from "../state/containers.ts";
import { listImages } from "../state/images.ts";
import { fsMagic, fsName } from "../sys/mount.ts";
import type { LayerId } from "../terms.ts";
import type { Engine } from "./engine.ts";
import type { LayerRow } from "./find_layer.ts";

type Parts = Pick<Engine, "db" | "layers">;

/** `writable`: a container's or one not committed yet; `image`: read-only. */
function stateOf(row: LayerRow): "writable" | "committed" {
  return row.writable ? "writable" : "committed";
}

export interface ListedLayer {
  readonly Id: LayerId;
  readonly Name: string;
  readonly Parent: LayerId | "";
  readonly State: "writable" | "committed";
  /** Bytes, as measured at the commit; 0 of writable ones. */
  readonly Size: number;
  /** RFC 3339. */
  readonly Created: string;
  /** How many have it mounted. */
  readonly Mounts: number;
}

/** Every layer, children before their parents: in this order they could be removed. */
export function listedLayers({ db, layers }: Parts): ListedLayer[] {
  const held = allHolders(layers.holders);
  return listLayers(db).map((row) => ({
    Id: row.id,
    Name: row.name ?? "",
    Parent: row.parent ?? "",
    State: stateOf(row),
    Size: row.size,
    Created: row.created,
    Mounts: held.get(row.id)?.length ?? 0,
  }));
}

export function inspectLayer({ db, layers }: Parts, row: LayerRow) {
  const chain = layerChain(db, row.id);
  const held = allHolders(layers.holders).get(row.id) ?? [];
  const plan = layers.driver.plan({ id: row.id, chain }, row.writable ? "rw" : "ro");
  const isMounted = isLayerMounted(layers, row.id);
  const { images, containers } = usersOfLayer(db, row.id);
  return {
    Id: row.id,
    Name: row.name ?? "",
    Parent: row.parent ?? "",
    Chain: chain,
    Children: layerChildren(db, row.id),
    State: stateOf(row),
    Created: row.created,
    DiffId: row.diffId ?? "",
    ChainId: row.chainId ?? "",
    Driver: layers.driver.name,
    Usage: usageOf(layers, row.id),
    IsMounted: isMounted,
    Mountpoint: isMounted ? plan.path : "",
    Mounts: held.map(shownHolder),
    Images: images,
    Containers: containers,
    MountPlan: {
      Type: plan.type,
      Base: plan.base,
      Lowers: plan.lowers,
      Upper: plan.upper ?? "",
      Work: plan.work ?? "",
      Options: plan.options,
    },
  };
}

/** Bytes counts an inode once, Allocated what the disk gives for it. */
export function usageOf(layers: Engine["layers"], id: LayerId) {
  const { bytes, allocated, inodes } = layerUsage(layers, id);
  return { Bytes: bytes, Allocated: allocated, Inodes: inodes };
}

function shownHolder(holder: Holder): string {
  if (isUserHolder(holder) || holder.startsWith("container:")) return holder;
  return `process:${holder.split("-")[0]}`;
}

/** The store's layers in numbers, and what the driver can do here. */
export function layerStatus(
  engine: Pick<Engine, "db" | "layers" | "paths">,
  found: { readonly reason: string; readonly facts: Readonly<Record<string, unknown>> },
) {
  const { db, layers, paths } = engine;
  const { driver } = layers;
  const rows = listLayers(db);
  const held = allHolders(layers.holders);
  const root = `${paths.layers}/${driver.name}`;
  return {
    Driver: driver.name,
    Reason: found.reason,
    Root: root,
    BackingFilesystem: fsName(fsMagic(paths.layers)),
    Layers: rows.length,
    Writable: rows.filter(({ writable }) => writable).length,
    Committed: rows.filter(({ writable }) => !writable).length,
    Mounted: [...held.keys()].length,
    Images: listImages(db).length,
    Containers: listContainers(db).length,
    MostLayersBelow: driver.limits.lowers,
    Can: {
      Volatile: driver.can.volatile,
      Quota: driver.can.quota,
      HardlinksSurviveCopyUp: driver.can.hardlinksSurviveCopyUp,
      RenamesLowerDirs: driver.can.renamesLowerDirs,
      SharesBlocks: driver.can.sharesBlocks,
    },
    Features: found.facts,
  };
}
