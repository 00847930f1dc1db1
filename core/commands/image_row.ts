/** One line of `images`: what templates see, and the object of `--format json`, as Podman has them. */
import type { ListedImage } from "../engine/list_images.ts";
import { goTime, wholeSeconds } from "./go_time.ts";
import { ago, humanSize, shortId } from "./table_format.ts";

/** An image under one of its names; one without a name has a single line. */
export interface NamedImage {
  readonly image: ListedImage;
  /** `<none>` without a name. */
  readonly repository: string;
  readonly tag: string;
  /** The full name; "" without one. */
  readonly name: string;
}

export interface ImageView {
  readonly noTrunc: boolean;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Titles that are not the field's name. */
export const IMAGE_TITLES: Readonly<Record<string, string>> = {
  ID: "IMAGE ID",
  ReadOnly: "R/O",
};

const NONE = "<none>";

/** The lines of one image. */
export function byName(image: ListedImage): NamedImage[] {
  if (image.names.length === 0) return [{ image, repository: NONE, tag: NONE, name: "" }];
  return image.names.map((name) => {
    const colon = name.lastIndexOf(":");
    const hasTag = colon > name.lastIndexOf("/");
    return {
      image,
      name,
      repository: hasTag ? name.slice(0, colon) : name,
      tag: hasTag ? name.slice(colon + 1) : NONE,
    };
  });
}

/** For templates. */
export function imageRow({ image, repository, tag, name }: NamedImage, view: ImageView): object {
  const { row, names, digests } = image;
  const made = Date.parse(row.created);
  return {
    Repository: repository,
    Tag: tag,
    ID: view.noTrunc ? `sha256:${row.id}` : shortId(row.id),
    Id: row.id,
    Digest: row.manifest,
    Created: ago(made, view.now),
    CreatedSince: ago(made, view.now),
    CreatedAt: goTime(wholeSeconds(row.created)),
    CreatedTime: goTime(wholeSeconds(row.created)),
    Size: humanSize(row.size, { gap: " " }),
    VirtualSize: row.size,
    SharedSize: 0,
    ReadOnly: false,
    Names: names,
    History: [...names].reverse().join(", "),
    Labels: row.labels,
    Containers: image.containers,
    ParentId: row.parent ?? "",
    RepoTags: name === "" ? [] : [name],
    RepoDigests: digests,
    Dangling: image.isDangling,
    Arch: row.architecture,
    Os: row.os,
  };
}

/** For `--format json`: Podman's keys in Podman's order; what is empty there is left out. */
export function jsonRow({ image }: NamedImage): object {
  const { row, names } = image;
  const labels = Object.keys(row.labels).length === 0 ? null : row.labels;
  return {
    Id: row.id,
    ParentId: row.parent ?? "",
    RepoTags: null,
    RepoDigests: image.digests,
    Size: row.size,
    SharedSize: 0,
    VirtualSize: row.size,
    Labels: labels,
    Containers: image.containers,
    ...(image.isDangling ? { Dangling: true } : {}),
    ...(names.length === 0 ? {} : { Names: names }),
    Digest: row.manifest,
    ...(names.length === 0 ? {} : { History: [...names].reverse() }),
    Created: Math.floor((Date.parse(row.created) || 0) / 1000),
    CreatedAt: wholeSeconds(row.created),
  };
}
