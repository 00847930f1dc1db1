/**
 * Names of images: Docker's grammar (distribution/reference), Podman's rule that a name without a
 * registry made here belongs to `localhost`, and the names under which a short name is looked up.
 */
import { CoracleError } from "../errors.ts";
import type { Digest } from "../terms.ts";

/** A name with its parts; `tag` and `digest` as written, so both may be missing. */
export interface ImageReference {
  /** `docker.io`, `localhost`, `registry.example:5000`; "" when the text names none. */
  readonly domain: string;
  /** `library/debian`, `debian`. */
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
}

const HOST = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
const DOMAIN = new RegExp(`^(?:${HOST}(?:\\.${HOST})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);
const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
/** Of domain and path together. */
const LONGEST_NAME = 255;
const DEFAULT_DOMAIN = "docker.io";
const LOCAL_DOMAIN = "localhost";

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

function invalid(name: string, why: string): CoracleError {
  return new CoracleError("usage", `cannot use ${JSON.stringify(name)} as an image name`, { why });
}

/** Does the first part of a name say where the image is? As Docker decides it. */
function isDomain(part: string): boolean {
  return part.includes(".") || part.includes(":") || part === LOCAL_DOMAIN ||
    part.toLowerCase() !== part;
}

/**
 * The parts of `name`, without adding any. Fails with `usage` and the words of Docker's parser
 * ("invalid reference format", "repository name must be lowercase", …).
 */
export function parseReference(name: string): ImageReference {
  if (name === "") throw invalid(name, "repository name must have at least one component");
  const at = name.indexOf("@");
  const digest = at < 0 ? undefined : name.slice(at + 1);
  if (digest !== undefined && !isDigest(digest)) {
    throw invalid(name, "invalid reference format: the digest must be sha256 and 64 hex digits");
  }
  const before = at < 0 ? name : name.slice(0, at);
  const colon = before.lastIndexOf(":");
  const hasTag = colon > before.lastIndexOf("/");
  const tag = hasTag ? before.slice(colon + 1) : undefined;
  if (tag !== undefined && !TAG.test(tag)) throw invalid(name, "invalid reference format");
  const { domain, path } = splitDomain(hasTag ? before.slice(0, colon) : before);
  if (domain !== "" && !DOMAIN.test(domain)) throw invalid(name, "invalid reference format");
  checkPath(name, path);
  if (domain.length + path.length + 1 > LONGEST_NAME) {
    throw invalid(name, `repository name must not be more than ${LONGEST_NAME} characters`);
  }
  if (domain === "" && /^[0-9a-f]{64}$/.test(path)) {
    throw invalid(name, "a name cannot be 64 hexadecimal characters, which is an ID");
  }
  return { domain, path, tag, digest };
}

function checkPath(name: string, path: string): void {
  if (path.split("/").every((part) => COMPONENT.test(part))) return;
  const lower = path.toLowerCase();
  if (lower !== path && lower.split("/").every((part) => COMPONENT.test(part))) {
    throw invalid(name, "invalid reference format: repository name must be lowercase");
  }
  throw invalid(name, "invalid reference format");
}

function splitDomain(name: string): { domain: string; path: string } {
  const slash = name.indexOf("/");
  if (slash < 0 || !isDomain(name.slice(0, slash))) return { domain: "", path: name };
  const domain = name.slice(0, slash);
  return {
    domain: domain === "index.docker.io" ? DEFAULT_DOMAIN : domain,
    path: name.slice(slash + 1),
  };
}

/** `domain/path`, with Docker's `library/` where it belongs. */
export function repositoryOf(reference: ImageReference): string {
  const { domain, path } = reference;
  if (domain === "") return path;
  const isOfficial = domain === DEFAULT_DOMAIN && !path.includes("/");
  return `${domain}/${isOfficial ? `library/${path}` : path}`;
}

/** The whole text; without tag and digest the tag is `latest`. */
export function fullName(reference: ImageReference): string {
  const { tag, digest } = reference;
  const suffix = digest !== undefined && tag === undefined ? "" : `:${tag ?? "latest"}`;
  return `${repositoryOf(reference)}${suffix}${digest === undefined ? "" : `@${digest}`}`;
}

/**
 * The full name an image gets here when it is called `name` by `tag`, `load` or `import`: a name
 * without a registry belongs to `localhost`. Fails with `usage`, also for a name by digest.
 */
export function localName(name: string): string {
  const reference = parseReference(name);
  if (reference.digest !== undefined) throw invalid(name, `${name}: tag by digest not supported`);
  return fullName(
    reference.domain === "" ? { ...reference, domain: LOCAL_DOMAIN } : reference,
  );
}

/** The full names that `reference` may mean in the store, best first. */
export function candidateNames(reference: ImageReference): string[] {
  if (reference.domain !== "") return [fullName(reference)];
  return [LOCAL_DOMAIN, DEFAULT_DOMAIN].map((domain) => fullName({ ...reference, domain }));
}

/**
 * Does the full name `name` end in the repository of `reference`, at a slash, with the same tag?
 * `library/debian` matches `quay.io/mirror/library/debian:latest`.
 */
export function matchesSuffix(name: string, reference: ImageReference): boolean {
  const { repository, tag } = splitName(name);
  if (tag !== (reference.tag ?? "latest")) return false;
  const wanted = repositoryOf(reference);
  return repository === wanted || repository.endsWith(`/${wanted}`);
}

/** A full name as the two columns of `images`. */
export function splitName(name: string): { repository: string; tag: string } {
  const at = name.indexOf("@");
  const before = at < 0 ? name : name.slice(0, at);
  const colon = before.lastIndexOf(":");
  if (colon <= before.lastIndexOf("/")) return { repository: before, tag: "<none>" };
  return { repository: before.slice(0, colon), tag: before.slice(colon + 1) };
}
