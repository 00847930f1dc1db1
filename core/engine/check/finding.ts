/** What `system check` can find: one record per thing that is not as it should be. */

export type FindingKind =
  | "database-lost" // state.db is gone
  | "database-damaged" // state.db cannot be read
  | "layer-missing" // a record without its tree
  | "layer-damaged" // a tree that the driver cannot show
  | "layer-torn" // was mounted without durability when the host went down
  | "file-missing"
  | "file-changed" // content or metadata
  | "file-extra"
  | "layer-unused" // an image layer that no image needs
  | "layer-unknown" // a tree without a record
  | "recipe-missing"
  | "recipe-damaged"
  | "blob-missing"
  | "blob-damaged"
  | "blob-unused"
  | "image-broken" // its documents or its layers do not fit together
  | "container-broken" // its layer has no record
  | "driver-leftover"; // layers of the driver before the last migration

export interface Finding {
  readonly kind: FindingKind;
  /** "layer", "blob", "image", "container" or "store". */
  readonly object: "layer" | "blob" | "image" | "container" | "store";
  /** Id, digest or path of the object. */
  readonly id: string;
  /** Of a file in a layer; else "". */
  readonly path: string;
  /** One clause. */
  readonly detail: string;
  /** Names of the images and containers that suffer from it. */
  readonly affects: readonly string[];
  /** Nothing suffers: it only takes space, and the next changing command removes it. */
  readonly isWaste: boolean;
}

const WASTE: readonly FindingKind[] = [
  "layer-unused",
  "layer-unknown",
  "blob-unused",
  "recipe-missing",
  "driver-leftover",
];

export function finding(
  kind: FindingKind,
  of: Pick<Finding, "object" | "id" | "detail"> & Partial<Finding>,
): Finding {
  return { kind, path: "", affects: [], isWaste: WASTE.includes(kind), ...of };
}

/** Two findings of the same thing, perhaps in other words. */
export function keyOf({ kind, object, id, path }: Finding): string {
  return [kind, object, id, path].join("\0");
}
