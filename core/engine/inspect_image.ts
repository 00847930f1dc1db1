/** `inspect` of an image: the keys and shapes of Podman's JSON. */
import { layerChain } from "../state/layers.ts";
import { namesOfImage } from "../state/images.ts";
import type { ImageConfig, LayerId } from "../terms.ts";
import type { Engine } from "./engine.ts";
import { findImage, readImageConfig, readImageManifest } from "./images.ts";
import { repositoryDigests } from "./list_images.ts";

type Parts = Pick<Engine, "db" | "paths" | "layers">;

/** Fails with `notfound`. */
export function inspectImage(engine: Parts, wanted: string): Record<string, unknown> {
  const { row } = findImage(engine, wanted);
  const config = readImageConfig(engine, row);
  const stored = readImageManifest(engine, row);
  const names = namesOfImage(engine.db, row.id);
  return {
    Id: row.id,
    Digest: row.manifest,
    RepoTags: names,
    RepoDigests: repositoryDigests(names, row),
    Parent: row.parent ?? "",
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? "",
    Created: config.created ?? "",
    Config: shownConfig(config),
    Version: "",
    Author: config.author ?? "",
    Architecture: row.architecture,
    Os: row.os,
    Size: row.size,
    VirtualSize: row.size,
    GraphDriver: graphDriver(engine, row.layer),
    RootFS: { Type: "layers", Layers: config.rootfs.diff_ids },
    Labels: config.config?.Labels ?? null,
    Annotations: stored.manifest.annotations ?? {},
    ManifestType: stored.mediaType,
    User: config.config?.User ?? "",
    History: config.history ?? [],
    NamesHistory: [...names].reverse(),
  };
}

/** What is empty is left out, as in Podman. */
function shownConfig(config: ImageConfig): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config.config ?? {}).filter(([, value]) =>
      value !== "" && value !== null && (typeof value !== "object" || Object.keys(value).length > 0)
    ),
  );
}

/** Where the layers are, nearest first, with the names Podman's overlay driver uses. */
function graphDriver({ db, layers }: Parts, top: LayerId | null) {
  const { driver } = layers;
  if (top === null) return { Name: driver.name, Data: {} };
  const plan = driver.plan({ id: top, chain: layerChain(db, top) }, "ro");
  const absolute = plan.lowers.map((path) => path.startsWith("/") ? path : `${plan.base}/${path}`);
  const [upper = plan.path, ...lowers] = absolute;
  return {
    Name: driver.name,
    Data: {
      ...(lowers.length === 0 ? {} : { LowerDir: lowers.join(":") }),
      UpperDir: upper,
    },
  };
}
