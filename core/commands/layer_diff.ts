/** `coracle layer diff` and `coracle layer apply`: a layer as a tar, out of the store and into it. */
import { findLayer } from "../engine/find_layer.ts";
import { applyToLayer, writeLayerDiff } from "../engine/layer_archive.ts";
import { CoracleError } from "../errors.ts";
import { isTerminal } from "../sys/terminal.ts";
import { text } from "../terms.ts";
import { command, flag } from "./command.ts";

const STDIN = 0;
const STDOUT = 1;

const RESERVED = ["refuse", "skip"] as const;
type Reserved = typeof RESERVED[number];

function reservedNames(value: string): Reserved {
  const known = RESERVED.find((word) => word === value);
  if (known === undefined) throw new Error(`must be one of ${RESERVED.join(", ")}`);
  return known;
}

export const layerDiff = command({
  name: "layer diff",
  summary: "Write what a layer changes as an OCI layer tar",
  description:
    "The same content gives the same bytes under every driver. Deleted files are named .wh.NAME, " +
    "and so files of that name in the layer would delete others: they are refused, or left out " +
    "with --reserved-names=skip. A tar has no sockets; how many were left out is told.",
  usage: "[options] LAYER",
  examples: [
    "coracle layer diff -o top.tar top",
    "coracle layer diff --parent base top | gzip > change.tar.gz",
    'coracle layer diff --parent "" top > whole.tar',
  ],
  flags: {
    output: flag.text("-o, --output FILE", "Write here instead of to standard output"),
    parent: flag.text(
      "--parent LAYER",
      'Against this layer instead of its own parent; "" for the whole tree',
    ),
    reservedNames: flag.text("--reserved-names WHAT", "Files named .wh.*: refuse or skip", {
      fallback: "refuse" as Reserved,
      parse: reservedNames,
    }),
  },
  arguments: { min: 1, max: 1 },
  needs: ["db", "layers"],
  run({ engine, output }, [name = ""], flags) {
    const isStream = flags.output === undefined || flags.output === "-";
    if (isStream && isTerminal(STDOUT)) {
      throw new CoracleError("usage", `cannot write layer "${name}"`, {
        why: "refusing to write a tar to a terminal",
        hint: "use --output or redirect",
      });
    }
    const row = findLayer(engine.db, name);
    const against = flags.parent === undefined
      ? undefined
      : flags.parent === ""
      ? null
      : findLayer(engine.db, flags.parent).id;
    output.flush();
    const { sockets, reserved } = writeLayerDiff(engine, row, {
      output: flags.output === undefined || isStream ? STDOUT : flags.output,
      against,
      reservedNames: flags.reservedNames,
    });
    if (sockets.length > 0) {
      output.warn(`${sockets.length} sockets were left out, as a tar has none`);
    }
    for (const path of reserved) output.warn(`left out, as its name is reserved: /${text(path)}`);
  },
});

export const layerApply = command({
  name: "layer apply",
  summary: "Fill an empty writable layer from a tar",
  description:
    "Takes OCI layer tars, plain or compressed with gzip, zstd, xz or bzip2. All of it goes in, or " +
    "the layer stays empty.",
  usage: "[options] LAYER",
  examples: ["coracle layer apply -i change.tar.gz top", "coracle layer apply top < change.tar"],
  flags: {
    input: flag.text("-i, --input FILE", "Read this file instead of standard input"),
  },
  arguments: { min: 1, max: 1 },
  needs: ["db", "layers"],
  changes: true,
  async run({ engine, output }, [name = ""], { input }) {
    const isStream = input === undefined || input === "-";
    if (isStream && isTerminal(STDIN)) {
      throw new CoracleError("usage", `cannot fill layer "${name}"`, {
        why: "cannot read from terminal, use command-line redirection or the --input flag",
      });
    }
    const row = findLayer(engine.db, name);
    await applyToLayer(engine, row, isStream ? { fd: STDIN } : { path: input });
    output.line(row.id);
  },
});
