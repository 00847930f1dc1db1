/**
 * From what the user gave (`load -i`, standard input) to the images in it: finds out whether it is a
 * folder, a plain archive or a compressed one, and which format it has.
 */
import { decompressed, detectCompression, MAGIC_BYTES } from "../archive/compression.ts";
import { CoracleError, hasCode } from "../errors.ts";
import { close, type Fd, O, pread, seek, SEEK_CUR, statFd } from "../sys/at.ts";
import { lookAtText, openText } from "../sys/files.ts";
import { type ArchiveFolder, diskFolder, stagedFolder, tarFolder } from "./archive_folder.ts";
import type { BlobStaging } from "./blob_staging.ts";
import { readDockerArchive, readManifestList } from "./docker_archive.ts";
import { isOldDockerArchive, readOldDockerArchive } from "./docker_archive_old.ts";
import { readDockerDir } from "./docker_dir.ts";
import type { FoundImage } from "./found_image.ts";
import type { HostPlatform } from "./manifest.ts";
import { isOciLayout, readOciLayout } from "./oci_layout.ts";

export interface ImageSource {
  readonly images: readonly FoundImage[];
  /** Closes the archive; the pieces of the images cannot be read any more. */
  close(): void;
}

export interface SourceOptions {
  readonly staging: BlobStaging;
  readonly host: HostPlatform;
}

/** `path` null is standard input, whose descriptor is then given as `stdin`. */
export async function openImageSource(
  input: { readonly path: string } | { readonly stdin: Fd },
  options: SourceOptions,
): Promise<ImageSource> {
  const folder = "path" in input
    ? await openPath(input.path, options.staging)
    : await openArchive(input.stdin, options.staging);
  try {
    return { images: readImages(folder, options.host), close: () => folder.close() };
  } catch (error) {
    folder.close();
    throw error;
  }
}

function openPath(path: string, staging: BlobStaging): ArchiveFolder | Promise<ArchiveFolder> {
  const found = lookAtText(path);
  if (found === null) {
    throw new CoracleError("notfound", `cannot read ${JSON.stringify(path)}`, {
      why: `stat ${path}: no such file or directory`,
    });
  }
  return found.type === "dir" ? diskFolder(path) : openArchive(openText(path, O.RDONLY), staging);
}

/** Owns `fd`. A plain archive in a file is read in place; all else is staged member by member. */
async function openArchive(fd: Fd, staging: BlobStaging): Promise<ArchiveFolder> {
  try {
    return await readArchive(fd, staging);
  } catch (error) {
    if (!hasCode(error, "corrupt")) throw error;
    throw new CoracleError("corrupt", error.what, {
      why: `payload does not match any of the supported image formats: ${error.why ?? "?"}`,
      cause: error,
    });
  }
}

async function readArchive(fd: Fd, staging: BlobStaging): Promise<ArchiveFolder> {
  let keepsOpen = false;
  try {
    const stat = statFd(fd);
    const isPlain = stat.type === "file" && seek(fd, 0, SEEK_CUR) === 0 &&
      detectCompression(headOf(fd)) === "none";
    if (!isPlain) return await stagedFolder(decompressed(fd), staging);
    const folder = tarFolder(fd, stat.size);
    keepsOpen = true;
    return folder;
  } finally {
    if (!keepsOpen) close(fd);
  }
}

function headOf(fd: Fd): Uint8Array {
  const head = new Uint8Array(new ArrayBuffer(MAGIC_BYTES));
  return head.subarray(0, pread(fd, head, 0));
}

function readImages(folder: ArchiveFolder, host: HostPlatform): FoundImage[] {
  if (isOciLayout(folder)) return withDockerNames(folder, readOciLayout(folder, host));
  if (folder.piece("manifest.json") !== null) {
    const list = readManifestList(folder);
    return Array.isArray(list) ? readDockerArchive(folder, list) : readDockerDir(folder);
  }
  if (isOldDockerArchive(folder)) return readOldDockerArchive(folder);
  throw new CoracleError("corrupt", "cannot find an image in the archive", {
    why: "payload does not match any of the supported image formats: it has none of index.json " +
      "(OCI), manifest.json (docker-archive, docker-dir) and repositories (old docker-archive)",
    hint: 'a file system as a tar comes in with "coracle import"',
  });
}

/** Docker 25 and later write both forms; names that only `manifest.json` has are taken from there. */
function withDockerNames(folder: ArchiveFolder, images: FoundImage[]): FoundImage[] {
  if (folder.piece("manifest.json") === null) return images;
  if (images.every(({ names }) => names.length > 0)) return images;
  const list = readManifestList(folder);
  if (!Array.isArray(list)) return images;
  const other = readDockerArchive(folder, list);
  return images.map((image) => {
    if (image.names.length > 0) return image;
    const same = other.find(({ configDigest }) => configDigest === image.configDigest);
    return same === undefined ? image : { ...image, names: same.names };
  });
}
