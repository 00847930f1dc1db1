/** `coracle images`: lists images. */
import { imageFilter, isNameMeant } from "../engine/filter_images.ts";
import { listAllImages } from "../engine/list_images.ts";
import { CoracleError } from "../errors.ts";
import { command, flag } from "./command.ts";
import { byName, IMAGE_TITLES, imageRow, jsonRow, type NamedImage } from "./image_row.ts";
import { printList, shortId } from "./table_format.ts";

const ORDERS: Readonly<Record<string, (a: NamedImage, b: NamedImage) => number>> = {
  id: (a, b) => compare(a.image.row.id, b.image.row.id),
  repository: (a, b) => compare(a.repository, b.repository),
  size: (a, b) => a.image.row.size - b.image.row.size,
  tag: (a, b) => compare(a.tag, b.tag),
  created: (a, b) => created(b) - created(a),
};

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function created({ image }: NamedImage): number {
  return Date.parse(image.row.created) || 0;
}

export const images = command({
  name: "images",
  aliases: ["image list", "image ls"],
  summary: "List images in the store",
  usage: "[options] [IMAGE]",
  examples: [
    "coracle images",
    'coracle images --sort repository --format "table {{.ID}} {{.Repository}} {{.Tag}}"',
    "coracle images --filter dangling=true",
  ],
  flags: {
    all: flag.boolean("-a, --all", "Also those that other images were made from"),
    digests: flag.boolean("--digests", "Show digests"),
    filter: flag.list("-f, --filter FILTER", "Show those that fit", { splitOnComma: true }),
    format: flag.text("--format TEMPLATE", 'Go template, "table …", or "json"'),
    history: flag.boolean("--history", "Show the names an image had"),
    noTrunc: flag.boolean("--no-trunc", "Show whole ids"),
    noHeading: flag.boolean("-n, --noheading", "No line with the titles"),
    quiet: flag.boolean("-q, --quiet", "Show only ids"),
    sort: flag.text("--sort KEY", "Sort by id, repository, size, tag, created", {
      fallback: "created",
    }),
  },
  arguments: { min: 0, max: 1 },
  needs: ["db"],
  async run({ engine, output }, [reference], flags) {
    const order = Object.hasOwn(ORDERS, flags.sort) ? ORDERS[flags.sort] : undefined;
    if (order === undefined) throw wrongOrder(flags.sort);
    const filters = [
      ...flags.filter,
      ...(reference === undefined ? [] : [`reference=${reference}`]),
    ];
    const isWanted = imageFilter(engine, filters);
    const wanted = listAllImages(engine)
      .filter((image) => (flags.all || !image.isIntermediate) && isWanted(image));
    const isMeant = reference === undefined ? () => true : isNameMeant(engine, reference);
    const rows = wanted.flatMap(byName).filter(({ name }) => isMeant(name)).sort(order);
    const isJson = flags.format !== undefined && /^(json|\{\{\s*json\s*\.\s*\}\})$/.test(
      flags.format.trim(),
    );
    if (isJson) return output.json(rows.map(jsonRow));
    if (flags.quiet) {
      const ids = new Set(rows.map(({ image }) => image.row.id));
      for (const id of ids) output.line(flags.noTrunc ? `sha256:${id}` : shortId(id));
      return;
    }
    const view = { noTrunc: flags.noTrunc, now: Date.now() };
    await printList(output, rows.map((row) => imageRow(row, view)), {
      standard: standard(flags),
      format: flags.format,
      titles: IMAGE_TITLES,
      noHeading: flags.noHeading,
      type: "images.imageReporter",
    });
  },
});

function wrongOrder(key: string): CoracleError {
  return new CoracleError("usage", "cannot sort images", {
    why: `${JSON.stringify(key)} is not a valid field for sorting. Choose from: ` +
      Object.keys(ORDERS).join(", "),
  });
}

function standard(flags: { readonly digests: boolean; readonly history: boolean }): string {
  const columns = ["Repository", "Tag"];
  if (flags.digests) columns.push("Digest");
  columns.push("ID", "Created", "Size");
  if (flags.history) columns.push("History");
  return `table ${columns.map((column) => `{{.${column}}}`).join("\t")}`;
}
