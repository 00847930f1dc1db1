/** `save`: images out of the store into an archive or a folder, byte for byte as they came in. */
import { CoracleError } from "../errors.ts";
import { folderTarget, tarTarget } from "../image/archive_target.ts";
import type { BlobStore } from "../image/blobs.ts";
import { openOutputFile } from "../image/output_file.ts";
import { openOutputFolder, type OutputFolder } from "../image/output_folder.ts";
import { localName } from "../image/reference.ts";
import type { SavedImage } from "../image/saved_image.ts";
import { writeDockerArchive } from "../image/write_docker_archive.ts";
import { writeDockerDir } from "../image/write_docker_dir.ts";
import { addToOciLayout, writeOciLayout } from "../image/write_oci_layout.ts";
import { findRecipe, recreatedLayer } from "../layer/recipe.ts";
import type { Fd } from "../sys/at.ts";
import { lookAtText } from "../sys/files.ts";
import type { DiffId, ImageId } from "../terms.ts";
import type { Engine, StorePaths } from "./engine.ts";
import {
  findImage,
  lookForImage,
  readConfigBytes,
  readImageConfig,
  readImageManifest,
} from "./images.ts";

export const SAVE_FORMATS = ["docker-archive", "oci-archive", "oci-dir", "docker-dir"] as const;
export type SaveFormat = typeof SAVE_FORMATS[number];

export interface SaveOptions {
  readonly format: SaveFormat;
  /** A path, or a descriptor that takes the stream (archives only). */
  readonly output: string | Fd;
  /**
   * Every argument is an image. Otherwise an argument after the first that names no image is one
   * more name of the first, as in Podman.
   */
  readonly isEveryArgumentImage?: boolean;
  /** `docker-dir`: compress plain layers with gzip. */
  readonly compress?: boolean;
}

/** The paths know how layers come that the content store does not keep. */
interface Parts extends Pick<Engine, "db"> {
  readonly paths: StorePaths & BlobStore;
}

function withRecreation({ db, paths, layers }: Pick<Engine, "db" | "paths" | "layers">): Parts {
  const recreate = (diffId: DiffId) => {
    const found = findRecipe(layers, diffId, paths.recipes);
    return found && recreatedLayer(layers, found);
  };
  return { db, paths: { ...paths, recreate } };
}

/** Fails with `notfound` ("image not known"), `exists` (an archive that may not be replaced). */
export async function saveImages(
  engine: Pick<Engine, "db" | "paths" | "layers">,
  wanted: readonly string[],
  options: SaveOptions,
): Promise<void> {
  await save(withRecreation(engine), wanted, options);
}

async function save(
  engine: Parts,
  wanted: readonly string[],
  options: SaveOptions,
): Promise<void> {
  const images = gather(engine, wanted, options);
  const { output, format } = options;
  if (format === "docker-archive" || format === "oci-archive") {
    return await saveArchive(engine, images, options);
  }
  if (typeof output !== "string") {
    throw new CoracleError("usage", `cannot save as ${format}`, {
      why: "a folder needs --output",
    });
  }
  if (format === "docker-dir" && images.length !== 1) {
    throw new CoracleError("usage", "cannot save several images as docker-dir", {
      why: "such a folder holds one image",
      hint: "use --format oci-dir",
    });
  }
  using folder = openOutputFolder(output, format);
  await saveFolder(engine, images, folder, options);
  folder.commit();
}

async function saveFolder(
  engine: Parts,
  images: readonly SavedImage[],
  folder: OutputFolder,
  options: SaveOptions,
): Promise<void> {
  const target = folderTarget(folder.path);
  const [first] = images;
  if (options.format === "docker-dir") {
    const { path } = folder;
    const compress = options.compress ?? false;
    if (first !== undefined) {
      await writeDockerDir(engine.paths, first, target, { path, compress });
    }
  } else if (folder.isThere) addToOciLayout(engine.paths, images, folder.path);
  else writeOciLayout(engine.paths, images, target);
}

async function saveArchive(
  engine: Parts,
  images: readonly SavedImage[],
  options: SaveOptions,
): Promise<void> {
  const { output, format } = options;
  if (typeof output === "number") {
    return await writeArchive(engine, images, format, tarTarget(output, false));
  }
  const there = lookAtText(output);
  if (format === "docker-archive" && there?.type === "file" && there.size > 0) {
    throw new CoracleError("exists", `cannot save to ${JSON.stringify(output)}`, {
      why: "docker-archive doesn't support modifying existing images",
      hint: "remove the file, or choose another name",
    });
  }
  const file = openOutputFile(output);
  try {
    await writeArchive(engine, images, format, tarTarget(file.fd, file.isSeekable));
    file.commit();
  } finally {
    file.close();
  }
}

async function writeArchive(
  engine: Parts,
  images: readonly SavedImage[],
  format: SaveFormat,
  target: ReturnType<typeof tarTarget>,
): Promise<void> {
  if (format === "oci-archive") writeOciLayout(engine.paths, images, target);
  else await writeDockerArchive(engine.paths, images, target);
}

/** The images with their names, each image once, in the order given. */
function gather(engine: Parts, wanted: readonly string[], options: SaveOptions): SavedImage[] {
  const names = new Map<ImageId, Set<string>>();
  const images = new Map<ImageId, SavedImage>();
  let first: ImageId | undefined;
  for (const word of wanted) {
    const found = first === undefined || options.isEveryArgumentImage
      ? findImage(engine, word)
      : lookForImage(engine.db, word);
    if (found === undefined) {
      if (first !== undefined) names.get(first)?.add(localName(word));
      continue;
    }
    const { id } = found.row;
    first ??= id;
    if (!images.has(id)) {
      images.set(id, read(engine, found.row));
      names.set(id, new Set());
    }
    if (!found.byId && found.name !== "" && !word.includes("@")) names.get(id)?.add(found.name);
  }
  return [...images].map(([id, image]) => ({ ...image, names: [...names.get(id) ?? []] }));
}

function read(engine: Parts, row: Parameters<typeof readImageConfig>[1]): SavedImage {
  const { bytes, digest } = readConfigBytes(engine, row);
  const stored = readImageManifest(engine, row);
  return {
    names: [],
    configDigest: digest,
    configBytes: bytes,
    manifestBytes: stored.bytes,
    manifestDigest: stored.digest,
    mediaType: stored.mediaType,
    manifest: stored.manifest,
    diffIds: readImageConfig(engine, row).rootfs.diff_ids,
  };
}
