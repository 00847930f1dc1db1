/**
 * `--filter KEY=VALUE` of `images` and `image prune`. Values of one key are alternatives, different
 * keys must all fit, and with `!=` the value must not fit; as in Podman.
 */
import { CoracleError } from "../errors.ts";
import { splitName } from "../image/reference.ts";
import type { Engine } from "./engine.ts";
import { hasLabel, untilMoment, wrongFilter } from "./filter_containers.ts";
import { lookForImage } from "./images.ts";
import type { ListedImage } from "./list_images.ts";

export type ImageMatch = (image: ListedImage) => boolean;
type Parts = Pick<Engine, "db">;
type Maker = (value: string, engine: Parts) => ImageMatch;

const MAKERS: Readonly<Record<string, Maker>> = {
  after: comparedWith((time, other) => time > other),
  since: comparedWith((time, other) => time > other),
  before: comparedWith((time, other) => time < other),
  containers: (value) => {
    const wanted = booleanOf("containers", value);
    return ({ containers }) => (containers > 0) === wanted;
  },
  dangling: (value) => {
    const wanted = booleanOf("dangling", value);
    return ({ isDangling }) => isDangling === wanted;
  },
  id: (value) => {
    const prefix = value.replace(/^sha256:/, "");
    return ({ row }) => prefix !== "" && row.id.startsWith(prefix);
  },
  intermediate: (value) => {
    const wanted = booleanOf("intermediate", value);
    return ({ isIntermediate }) => isIntermediate === wanted;
  },
  label: (value) => ({ row }) => hasLabel(row.labels, value),
  // There are no stores that only are read.
  readonly: (value) => {
    const wanted = booleanOf("readonly", value);
    return () => !wanted;
  },
  reference: byReference,
  until: (value) => {
    const limit = Number(untilMoment([value]) / 1_000_000n);
    return ({ row }) => Date.parse(row.created) < limit;
  },
};

/**
 * Makes one predicate of all filters. Fails with `usage` on what is no filter and with `notfound`
 * when an image to compare with is not there.
 */
export function imageFilter(engine: Parts, filters: readonly string[]): ImageMatch {
  const groups = new Map<string, ImageMatch[]>();
  const refused: ImageMatch[] = [];
  for (const filter of filters) {
    const match = /^([^!=]+)(!?=)([\s\S]*)$/.exec(filter);
    if (match === null) {
      throw wrongFilter(
        filter,
        `invalid image filter ${JSON.stringify(filter)}: must be in the format ` +
          '"filter=value or filter!=value"',
      );
    }
    const [, key = "", operator, value = ""] = match;
    const maker = Object.hasOwn(MAKERS, key) ? MAKERS[key] : undefined;
    if (maker === undefined) {
      throw wrongFilter(filter, `unsupported image filter ${JSON.stringify(key)}`);
    }
    const isMatch = maker(value, engine);
    if (operator === "!=") refused.push(isMatch);
    else groups.set(key, [...groups.get(key) ?? [], isMatch]);
  }
  const wanted = [...groups.values()];
  return (image) =>
    wanted.every((group) => group.some((isMatch) => isMatch(image))) &&
    !refused.some((isMatch) => isMatch(image));
}

function comparedWith(fits: (time: number, other: number) => boolean): Maker {
  return (value, engine) => {
    const found = lookForImage(engine.db, value);
    if (found === undefined) {
      throw new CoracleError("notfound", `cannot filter by ${JSON.stringify(value)}`, {
        why: `could not find local image for filter: ${value}: image not known`,
      });
    }
    const other = Date.parse(found.row.created);
    return ({ row }) => fits(Date.parse(row.created), other);
  };
}

const BOOLEANS: Readonly<Record<string, boolean>> = {
  "1": true,
  t: true,
  true: true,
  "0": false,
  f: false,
  false: false,
};

function booleanOf(key: string, value: string): boolean {
  const word = value.toLowerCase();
  const found = Object.hasOwn(BOOLEANS, word) ? BOOLEANS[word] : undefined;
  if (found !== undefined) return found;
  throw wrongFilter(
    `${key}=${value}`,
    `non-boolean value ${JSON.stringify(value)} for ${key} filter: ` +
      `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`,
  );
}

/** A name or id that can be found, or a pattern (`*`, `?`, `[a-z]`) for a name or its end. */
function byReference(value: string, engine: Parts): ImageMatch {
  const found = value === "" ? undefined : lookForImage(engine.db, value)?.row.id;
  const pattern = globOf(value);
  return ({ row, names }) =>
    row.id === found || names.some((name) => spellings(name).some((one) => pattern.test(one)));
}

/** Is `name`, one of the names of an image, one that `reference` means? By an id every name is. */
export function isNameMeant(engine: Parts, reference: string): (name: string) => boolean {
  const found = lookForImage(engine.db, reference);
  if (found?.byId === false) return (name) => name === found.name;
  const pattern = globOf(reference);
  return (name) => found !== undefined || spellings(name).some((one) => pattern.test(one));
}

/** A name with and without its tag, and from each slash on. */
function spellings(name: string): string[] {
  const { repository } = splitName(name);
  return [name, repository].flatMap((whole) => {
    const parts = whole.split("/");
    return parts.map((_, i) => parts.slice(i).join("/"));
  });
}

/** Go's path.Match: a star stops at a slash. */
function globOf(value: string): RegExp {
  const source = value.replace(/\\.|\[\^?[^\]]*\]|[*?]|[.+^${}()|[\]\\]/g, (part) => {
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    return part.length > 1 ? part : `\\${part}`;
  });
  try {
    return new RegExp(`^${source}$`);
  } catch {
    throw wrongFilter(`reference=${value}`, "syntax error in pattern");
  }
}
