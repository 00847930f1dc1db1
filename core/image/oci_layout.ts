/** Reads an OCI image layout (image-spec, image-layout.md): a folder, or the same as an archive. */
import { digestOf } from "../archive/digest.ts";
import { CoracleError } from "../errors.ts";
import type { Descriptor, Digest } from "../terms.ts";
import { type ArchiveFolder, readPiece } from "./archive_folder.ts";
import { hexOf } from "./blobs.ts";
import { type FoundImage, imageOfManifest, readChecked } from "./found_image.ts";
import { DocumentReader, MANIFEST_BYTES, parseJson, wrongDocument } from "./json_document.ts";
import {
  choosePlatform,
  type HostPlatform,
  type IndexEntry,
  isAttachment,
  OCI_INDEX,
  parseManifest,
} from "./manifest.ts";
import { fullName, localName, parseReference } from "./reference.ts";

const REF_NAME = "org.opencontainers.image.ref.name";
const CONTAINERD_NAME = "io.containerd.image.name";
/** An index in an index in an index is nobody's image. */
const MOST_NESTED = 4;

export function isOciLayout(folder: ArchiveFolder): boolean {
  return folder.piece("oci-layout") !== null && folder.piece("index.json") !== null;
}

function blobName(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/**
 * The images of the layout, each for the host's platform. Entries of one name are one image for
 * several platforms; so are all entries without a name. Fails with `corrupt`, or with `unsupported`
 * when none is for this host.
 */
export function readOciLayout(folder: ArchiveFolder, host: HostPlatform): FoundImage[] {
  checkVersion(folder);
  const bytes = readPiece(folder, "index.json", MANIFEST_BYTES);
  const parsed = parseManifest(bytes, '"index.json"', OCI_INDEX);
  if (parsed.kind !== "index") throw wrongDocument('"index.json"', "it is not an index");
  const groups = new Map<string, IndexEntry[]>();
  for (const entry of parsed.entries.filter((entry) => !isAttachment(entry))) {
    const name = nameOf(entry) ?? "";
    groups.set(name, [...(groups.get(name) ?? []), entry]);
  }
  const images = [...groups].flatMap(([name, entries]) =>
    readGroup(folder, { name, entries, host })
  );
  if (images.length === 0) throw wrongDocument('"index.json"', "it lists no image");
  return joinNames(images);
}

function checkVersion(folder: ArchiveFolder): void {
  const reader = new DocumentReader('"oci-layout"');
  const bytes = readPiece(folder, "oci-layout", MANIFEST_BYTES);
  const root = reader.object(parseJson(bytes, reader.document, MANIFEST_BYTES), "(root)");
  const version = reader.text(root.imageLayoutVersion, "imageLayoutVersion");
  if (!version.startsWith("1.")) throw reader.fail("imageLayoutVersion", "1.0.0");
}

/** containerd and Docker write the whole name beside the tag; others the name as it was given. */
function nameOf(entry: IndexEntry): string | undefined {
  const whole = entry.annotations?.[CONTAINERD_NAME];
  if (whole !== undefined && whole !== "") {
    const reference = parseReference(whole);
    if (reference.digest !== undefined && reference.tag === undefined) return undefined;
    return fullName({
      ...reference,
      domain: reference.domain === "" ? "docker.io" : reference.domain,
      digest: undefined,
    });
  }
  const name = entry.annotations?.[REF_NAME];
  return name === undefined || name === "" ? undefined : localName(name);
}

interface Group {
  readonly name: string;
  readonly entries: readonly IndexEntry[];
  readonly host: HostPlatform;
}

function readGroup(folder: ArchiveFolder, group: Group): FoundImage[] {
  const names = group.name === "" ? [] : [group.name];
  // Without platforms several entries without a name are several images.
  const isOne = names.length > 0 || group.entries.some(({ platform }) => platform !== undefined);
  const entries = isOne ? [chosen(group.entries, group)] : group.entries;
  return entries.map((entry) => readEntry(folder, entry, { names, host: group.host, depth: 0 }));
}

function chosen(entries: readonly IndexEntry[], group: Pick<Group, "name" | "host">): IndexEntry {
  const entry = choosePlatform(entries, group.host);
  if (entry !== undefined) return entry;
  const there = entries.filter((one) => !isAttachment(one)).map(({ platform }) =>
    platform === undefined ? "?" : `${platform.os}/${platform.architecture}`
  );
  throw new CoracleError("unsupported", `cannot use image ${JSON.stringify(group.name)}`, {
    why: `it is for ${there.join(", ") || "no platform"}, this host is ${group.host.os}/` +
      group.host.architecture,
  });
}

function readEntry(
  folder: ArchiveFolder,
  entry: Descriptor,
  options: {
    readonly names: readonly string[];
    readonly host: HostPlatform;
    readonly depth: number;
  },
): FoundImage {
  const { names, host, depth } = options;
  const document = `manifest "${entry.digest}"`;
  const bytes = readChecked(folder, blobName(entry.digest), {
    digest: entry.digest,
    size: entry.size,
    limit: MANIFEST_BYTES,
  });
  const parsed = parseManifest(bytes, document, entry.mediaType);
  if (parsed.kind === "index") {
    if (depth >= MOST_NESTED) {
      throw wrongDocument(document, `indexes are nested deeper than ${MOST_NESTED}`);
    }
    const inner = chosen(parsed.entries, { name: names[0] ?? entry.digest, host });
    return readEntry(folder, inner, { names, host, depth: depth + 1 });
  }
  const { mediaType, manifest } = parsed;
  const found = { bytes, digest: digestOf(bytes), mediaType, manifest };
  return imageOfManifest(folder, found, { names, nameOf: blobName });
}

/** One image with several names is listed once for each: makes it one with all names. */
function joinNames(images: readonly FoundImage[]): FoundImage[] {
  const byManifest = new Map<string, FoundImage>();
  for (const image of images) {
    const key = image.manifest?.digest ?? image.configDigest;
    const same = byManifest.get(key);
    const names = [...(same?.names ?? []), ...image.names];
    byManifest.set(key, { ...image, names: [...new Set(names)] });
  }
  return [...byManifest.values()];
}
