/** `system df`: what images, containers and volumes take, and how much of it nobody needs. */
import type { ContainerRow } from "../state/containers.ts";
import { listContainers } from "../state/containers.ts";
import { layerById, layerChain } from "../state/layers.ts";
import { listVolumes, usersOfVolume, volumesOfContainer } from "../state/volumes.ts";
import { splitName } from "../image/reference.ts";
import type { LayerId, State } from "../terms.ts";
import { containerSize } from "./container_size.ts";
import type { Engine } from "./engine.ts";
import { listAllImages } from "./list_images.ts";
import { listedContainer, shownCommand } from "./list_containers.ts";
import { treeSize } from "./tree_size.ts";
import { volumeData } from "./volume_store.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

export interface ImageUsage {
  readonly id: string;
  readonly repository: string;
  readonly tag: string;
  /** RFC 3339. */
  readonly created: string;
  /** Bytes. */
  readonly size: number;
  /** Of layers that other images have too. */
  readonly shared: number;
  readonly unique: number;
  readonly containers: number;
}

export interface ContainerUsage {
  readonly row: ContainerRow;
  readonly image: string;
  readonly command: string;
  readonly state: State;
  readonly volumes: number;
  /** Bytes of its own layer. */
  readonly size: number;
}

export interface VolumeUsage {
  readonly name: string;
  /** Containers that use it. */
  readonly links: number;
  readonly size: number;
}

export interface UsageSum {
  readonly total: number;
  readonly active: number;
  readonly size: number;
  readonly reclaimable: number;
}

export interface DiskUsage {
  readonly images: readonly ImageUsage[];
  readonly containers: readonly ContainerUsage[];
  readonly volumes: readonly VolumeUsage[];
  readonly sums: {
    readonly images: UsageSum;
    readonly containers: UsageSum;
    readonly volumes: UsageSum;
  };
}

/** Measured now: walks the containers' own layers and the volumes. */
export function diskUsage(engine: Parts): DiskUsage {
  const { images, sum } = imageUsage(engine);
  const containers = containerUsage(engine);
  const volumes = listVolumes(engine.db).map(({ name }) => ({
    name,
    links: usersOfVolume(engine.db, name).length,
    size: treeSize(volumeData(engine.paths, name)),
  }));
  const isRunning = ({ state }: ContainerUsage) => state === "running" || state === "paused";
  return {
    images,
    containers,
    volumes,
    sums: {
      images: sum,
      containers: sumOf(containers, isRunning),
      volumes: sumOf(volumes, ({ links }) => links > 0),
    },
  };
}

function sumOf<T extends { readonly size: number }>(
  items: readonly T[],
  isActive: (item: T) => boolean,
): UsageSum {
  const size = (some: readonly T[]) => some.reduce((sum, item) => sum + item.size, 0);
  const idle = items.filter((item) => !isActive(item));
  return {
    total: items.length,
    active: items.length - idle.length,
    size: size(items),
    reclaimable: size(idle),
  };
}

/** Layers that several images share count once in the sum. */
function imageUsage(engine: Parts): { images: ImageUsage[]; sum: UsageSum } {
  const { db } = engine;
  const found = listAllImages(engine).map((image) => ({
    ...image,
    layers: image.row.layer === null ? [] : [image.row.layer, ...layerChain(db, image.row.layer)],
  }));
  const sizes = new Map<LayerId, number>();
  const users = new Map<LayerId, number>();
  for (const id of found.flatMap(({ layers }) => layers)) {
    users.set(id, (users.get(id) ?? 0) + 1);
    if (!sizes.has(id)) sizes.set(id, layerById(db, id)?.size ?? 0);
  }
  const sizeOf = (layers: Iterable<LayerId>) =>
    [...new Set(layers)].reduce((sum, id) => sum + (sizes.get(id) ?? 0), 0);
  const wholeOf = (some: typeof found) =>
    sizeOf(some.flatMap(({ layers }) => layers)) +
    some.reduce((sum, { row, layers }) => sum + Math.max(0, row.size - sizeOf(layers)), 0);
  const active = found.filter(({ containers }) => containers > 0);
  const size = wholeOf(found);
  return {
    images: found.flatMap(({ row, names, containers, layers }) => {
      const shared = sizeOf(layers.filter((id) => (users.get(id) ?? 0) > 1));
      const usage = { id: row.id, created: row.created, size: row.size, shared, containers };
      return (names.length > 0 ? names : ["<none>:<none>"]).map((name) => {
        const { repository, tag } = splitName(name);
        return { ...usage, repository, tag, unique: Math.max(0, row.size - shared) };
      });
    }),
    sum: {
      total: found.length,
      active: active.length,
      size,
      reclaimable: size - wholeOf(active),
    },
  };
}

function containerUsage(engine: Parts): ContainerUsage[] {
  return listContainers(engine.db).map((row) => {
    const { record, state } = listedContainer(engine, row);
    return {
      row,
      image: record.image?.id ?? "",
      command: shownCommand(record).join(" "),
      state,
      volumes: volumesOfContainer(engine.db, row.id).length,
      size: containerSize(engine, row).writable,
    };
  });
}
