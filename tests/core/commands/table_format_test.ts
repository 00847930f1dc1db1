/** Columns, sizes and ages as Podman prints them, and `--format` of a list. */
import assert from "node:assert/strict";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { openOutput, type Output } from "../../../core/commands/output.ts";
import {
  ago,
  alignColumns,
  humanDuration,
  humanSize,
  type ListOptions,
  printList,
  printObject,
  shortId,
} from "../../../core/commands/table_format.ts";

/** What `work` prints to standard output, through the real descriptors. */
async function printed(work: (output: Output) => void | Promise<void>): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "commands-"));
  const fd = openSync(join(folder, "out"), "w");
  try {
    const output = openOutput({ stdout: fd });
    await work(output);
    output.flush();
    return readFileSync(join(folder, "out"), "utf8");
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

const ROWS = [
  { ID: "9c1f0a", Names: "web", CreatedAt: "now" },
  { ID: "b2", Names: "a-name-that-is-long", CreatedAt: "then" },
];
const list = (options: Partial<ListOptions>, rows: readonly object[] = ROWS) =>
  printed((output) =>
    printList(output, rows, {
      standard: "table {{.ID}}\t{{.Names}}\t{{.CreatedAt}}",
      titles: { ID: "CONTAINER ID" },
      ...options,
    })
  );

describe("a list", () => {
  test("is aligned under a header, each column at least twelve wide", async () => {
    assert.equal(
      await list({}),
      "CONTAINER ID  NAMES                CREATED AT\n" +
        "9c1f0a        web                  now\n" +
        "b2            a-name-that-is-long  then\n",
    );
  });
  test("has no header with --noheading", async () => {
    assert.equal((await list({ noHeading: true })).split("\n").length, 3);
  });
  test("without rows is the header alone", async () => {
    assert.equal(await list({}, []), "CONTAINER ID  NAMES       CREATED AT\n");
  });
  test("with a template is one line each, without a header", async () => {
    assert.equal(
      await list({ format: "{{.ID}} {{.Names}}" }),
      "9c1f0a web\nb2 a-name-that-is-long\n",
    );
  });
  test("reads \\t and \\n that were typed in single quotes", async () => {
    assert.equal(
      await list({ format: "{{.ID}}\\t{{.Names}}\\n" }, ROWS.slice(0, 1)),
      "9c1f0a\tweb\n\n",
    );
  });
  test("with table and a template has the user's columns", async () => {
    assert.equal(
      await list({ format: "table {{.Names}}\\t{{.ID}}" }, ROWS.slice(0, 1)),
      "NAMES       CONTAINER ID\nweb         9c1f0a\n",
    );
  });
  test("with json is an array", async () => {
    assert.deepEqual(JSON.parse(await list({ format: "json" })), ROWS);
    assert.deepEqual(JSON.parse(await list({ format: "json" }, [])), []);
  });
  test("with {{json .}} is one object per line", async () => {
    const lines = (await list({ format: "{{json .}}" })).trim().split("\n");
    assert.deepEqual(lines.map((line) => JSON.parse(line)), ROWS);
  });
});

test("an object is printed by a template or as JSON", async () => {
  assert.equal(
    await printed((output) => printObject(output, { A: { B: 1 } }, { format: "{{.A.B}}" })),
    "1\n",
  );
  assert.deepEqual(
    JSON.parse(await printed((output) => printObject(output, { A: 1 }, { format: "json" }))),
    { A: 1 },
  );
});

describe("columns", () => {
  test("letters beyond ASCII count once", () => {
    assert.equal(
      alignColumns("é-long-name-here\tb\nx\tb\n"),
      "é-long-name-here  b\nx                 b\n",
    );
  });
  test("a column ends at a line that does not have it", () => {
    assert.equal(
      alignColumns("a\tb\nno columns\nlonger-than-twelve\tb\n"),
      "a           b\nno columns\nlonger-than-twelve  b\n",
    );
  });
  test("an empty cell keeps its place", () => {
    assert.equal(alignColumns("a\t\tc\n"), "a                       c\n");
  });
});

describe("sizes, ages and ids", () => {
  const SIZES: readonly (readonly [number, string])[] = [
    [0, "0B"],
    [1, "1B"],
    [999, "999B"],
    [1000, "1kB"],
    [1234, "1.23kB"],
    [128_400_000, "128MB"],
    [1_500_000_000, "1.5GB"],
    [999_900, "1MB"],
    [5.5e12, "5.5TB"],
  ];
  for (const [bytes, wanted] of SIZES) {
    test(`${bytes} bytes are ${wanted}`, () => assert.equal(humanSize(bytes), wanted));
  }
  test("the gap and the digits are the caller's", () => {
    assert.equal(humanSize(128_456_000, { gap: " ", digits: 4 }), "128.5 MB");
  });

  const AGES: readonly (readonly [number, string])[] = [
    [0.4, "Less than a second"],
    [1, "1 second"],
    [59, "59 seconds"],
    [60, "About a minute"],
    [119, "About a minute"],
    [120, "2 minutes"],
    [3540, "59 minutes"],
    [3600, "About an hour"],
    [5400, "2 hours"],
    [86400, "24 hours"],
    [47 * 3600, "47 hours"],
    [48 * 3600, "2 days"],
    [14 * 86400, "2 weeks"],
    [60 * 86400, "2 months"],
    [365 * 86400, "12 months"],
    [730 * 86400, "2 years"],
  ];
  for (const [seconds, wanted] of AGES) {
    test(`${seconds} seconds are ${wanted}`, () => assert.equal(humanDuration(seconds), wanted));
  }
  test("an age says ago", () => assert.equal(ago(1000, 61_000), "About a minute ago"));
  test("a short id is twelve digits without the algorithm", () => {
    assert.equal(shortId(`sha256:${"ab".repeat(32)}`), "abababababab");
    assert.equal(shortId("cd".repeat(32)), "cdcdcdcdcdcd");
  });
});
