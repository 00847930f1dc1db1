/** Reads an image's configuration (OCI image-spec, config.md, with Docker's additions). */
import type { DiffId, ImageConfig, ImageHistory, ImageRunConfig } from "../terms.ts";
import {
  CONFIG_BYTES,
  DocumentReader,
  type JsonObject,
  parseJson,
  wrongDocument,
} from "./json_document.ts";

const MOST_LAYERS = 1024;
const MOST_HISTORY = 10_000;

/**
 * The parts that we use are checked; everything else stays in the bytes, which are kept as they
 * came. Fails with `corrupt`.
 */
export function parseConfig(bytes: Uint8Array, document: string): ImageConfig {
  const reader = new DocumentReader(document);
  const root = reader.object(parseJson(bytes, document, CONFIG_BYTES), "(root)");
  const rootfs = reader.object(root.rootfs, "rootfs");
  if (rootfs.type !== "layers") throw reader.fail("rootfs.type", '"layers"');
  const given = rootfs.diff_ids ?? [];
  const diffIds = reader.list(given, "rootfs.diff_ids", MOST_LAYERS)
    .map((id, i) => reader.digest(id, `rootfs.diff_ids[${i}]`) as string as DiffId);
  const text = (key: string) => optional(key, reader.optionalText(root[key], key));
  return {
    ...text("created"),
    ...text("author"),
    ...text("architecture"),
    ...text("os"),
    ...text("variant"),
    ...text("comment"),
    ...optional("config", readRunConfig(reader, root.config)),
    rootfs: { type: "layers", diff_ids: diffIds },
    ...optional("history", readHistory(reader, root.history)),
  };
}

function optional<K extends string, T>(key: K, value: T | undefined): { [P in K]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { [P in K]?: T };
}

const TEXTS = ["User", "WorkingDir", "StopSignal"] as const;
const LISTS = ["Env", "Entrypoint", "Cmd", "OnBuild", "Shell"] as const;
const SETS = ["ExposedPorts", "Volumes"] as const;

function readRunConfig(reader: DocumentReader, value: unknown): ImageRunConfig | undefined {
  if (value === undefined || value === null) return undefined;
  const fields = reader.object(value, "config");
  const out: Record<string, unknown> = {};
  const keep = (key: string, read: unknown): void => {
    if (read !== undefined) out[key] = read;
  };
  for (const key of TEXTS) keep(key, reader.optionalText(fields[key], `config.${key}`));
  for (const key of LISTS) keep(key, reader.optionalTextList(fields[key], `config.${key}`));
  for (const key of SETS) {
    if (fields[key] !== undefined && fields[key] !== null) {
      keep(key, reader.object(fields[key], `config.${key}`));
    }
  }
  keep("Labels", reader.optionalTexts(fields.Labels, "config.Labels"));
  keep("Healthcheck", readHealthcheck(reader, fields.Healthcheck));
  return out as ImageRunConfig;
}

const NUMBERS = ["Interval", "Timeout", "StartPeriod", "Retries"] as const;

function readHealthcheck(
  reader: DocumentReader,
  value: unknown,
): ImageRunConfig["Healthcheck"] {
  if (value === undefined || value === null) return undefined;
  const fields = reader.object(value, "config.Healthcheck");
  const test = reader.optionalTextList(fields.Test, "config.Healthcheck.Test");
  const out: Record<string, unknown> = test === undefined ? {} : { Test: test };
  for (const key of NUMBERS) {
    const number = fields[key];
    if (number === undefined || number === null) continue;
    if (typeof number !== "number") throw reader.fail(`config.Healthcheck.${key}`, "a number");
    out[key] = number;
  }
  return out as ImageRunConfig["Healthcheck"];
}

function readHistory(reader: DocumentReader, value: unknown): ImageHistory[] | undefined {
  if (value === undefined || value === null) return undefined;
  return reader.list(value, "history", MOST_HISTORY).map((item, i) => {
    const fields: JsonObject = reader.object(item, `history[${i}]`);
    const text = (key: string) =>
      optional(key, reader.optionalText(fields[key], `history[${i}].${key}`));
    return {
      ...text("created"),
      ...text("created_by"),
      ...text("author"),
      ...text("comment"),
      ...(fields.empty_layer === true ? { empty_layer: true } : {}),
    };
  });
}

/** Fails with `corrupt` unless the config has as many layers as the manifest. */
export function checkLayerCount(config: ImageConfig, count: number, document: string): void {
  const { length } = config.rootfs.diff_ids;
  if (length === count) return;
  throw wrongDocument(
    document,
    `the config lists ${length} layers and the manifest ${count}`,
  );
}
