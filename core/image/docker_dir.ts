/** Reads a folder as `docker-dir` and skopeo's `dir:` write it: a manifest, and blobs by digest. */
import { digestOf } from "../archive/digest.ts";
import { type ArchiveFolder, readPiece } from "./archive_folder.ts";
import { hexOf } from "./blobs.ts";
import { type FoundImage, imageOfManifest } from "./found_image.ts";
import { MANIFEST_BYTES, wrongDocument } from "./json_document.ts";
import { parseManifest } from "./manifest.ts";

/** The one image of the folder, which has no name. Fails with `corrupt`. */
export function readDockerDir(folder: ArchiveFolder): FoundImage[] {
  const document = '"manifest.json"';
  const bytes = readPiece(folder, "manifest.json", MANIFEST_BYTES);
  const parsed = parseManifest(bytes, document);
  if (parsed.kind === "index") {
    throw wrongDocument(document, "it is for several platforms, which this format cannot hold");
  }
  const { mediaType, manifest } = parsed;
  const found = { bytes, digest: digestOf(bytes), mediaType, manifest };
  return [imageOfManifest(folder, found, { names: [], nameOf: hexOf })];
}
